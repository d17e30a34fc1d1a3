// What a server or client says of itself, its errors and its log are defined on the floor below, which the C interface
// shares.
@_exported public import WMPEngine
