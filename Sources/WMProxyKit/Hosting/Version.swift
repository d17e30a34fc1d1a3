/// The library's version, "0.1.0" (semantic versioning).
public let libraryVersion = "0.1.0"
