// swift-tools-version: 6.2
import PackageDescription

// Floors, bottom up; a target may import only what is below it, so an upward import does not compile.
// docs/ARCHITECTURE.md walks through them.

let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

let package = Package(
    name: "libwmproxy",
    products: [
        .library(name: "WMProxyKit", targets: ["WMProxyKit"]),
        .library(name: "wmproxy", type: .dynamic, targets: ["WMProxyABI"]),
    ],
    targets: [
        // Cellar: the C that Swift cannot import by itself.
        .target(name: "CWMProxyShims"),
        .target(name: "CWMProxyOpenSSL", linkerSettings: [.linkedLibrary("ssl"), .linkedLibrary("crypto")]),
        .systemLibrary(name: "CWMProxyYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),

        // Floor 1: decides, never waits.
        .target(
            name: "WMPWire",
            path: "Sources/WMProxyKit/Wire",
            exclude: [
                "README.md", "Addresses/README.md", "Bytes/README.md", "Datagrams/README.md", "Frames/README.md",
                "HTTP/README.md", "Login/README.md", "Mux/README.md", "Prologue/README.md", "Routing/README.md",
            ],
            swiftSettings: strict),

        // Floor 2: waits, never decides.
        .target(
            name: "WMPIO",
            dependencies: ["WMPWire", "CWMProxyShims", "CWMProxyOpenSSL"],
            path: "Sources/WMProxyKit/IO",
            exclude: ["README.md", "Files/README.md", "Loop/README.md", "Sockets/README.md", "TLS/README.md"],
            swiftSettings: strict),

        // Floor 3: knows what a tunnel is.
        .target(
            name: "WMPEngine",
            dependencies: ["WMPIO", "WMPWire", "CWMProxyShims", "CWMProxyYAML"],
            path: "Sources/WMProxyKit",
            exclude: [
                "Wire", "IO", "Public", "README.md", "Config/README.md", "Hosting/README.md", "Login/README.md",
                "Tunnel/README.md", "Visitors/README.md", "Watch/README.md",
            ],
            swiftSettings: strict),

        // Floor 4, for Swift programs: the same with async and await, which the C library does without.
        .target(
            name: "WMProxyKit",
            dependencies: ["WMPEngine", "CWMProxyShims"],
            path: "Sources/WMProxyKit/Public",
            exclude: ["README.md"],
            swiftSettings: strict),

        // Floor 4, for everybody else: the C ABI. The header is the contract, the compiler checks each function against
        // it.
        .target(name: "CWMProxy", exclude: ["Implementation", "wmproxy.map"]),
        .target(
            name: "WMProxyABI",
            dependencies: ["CWMProxy", "CWMProxyShims", "WMPEngine", "WMPIO"],
            path: "Sources/CWMProxy/Implementation",
            exclude: ["README.md"],
            swiftSettings: strict),

        // What must hold of each parser for any input: called by the fuzzers and by the tests that replay their
        // corpora.
        .target(
            name: "FuzzChecks", dependencies: ["WMPEngine", "WMPWire"], path: "Tests/Fuzz/Checks", swiftSettings: strict
        ),
        .testTarget(name: "WireTests", dependencies: ["WMPWire", "FuzzChecks"], swiftSettings: strict),
        .testTarget(name: "IOTests", dependencies: ["WMPIO", "WMPWire"], swiftSettings: strict),
        .testTarget(
            name: "KitTests",
            dependencies: ["WMPEngine", "WMPIO", "WMPWire", "WMProxyKit", "FuzzChecks", "CWMProxyOpenSSL"],
            swiftSettings: strict),
    ],
    swiftLanguageModes: [.v6]
)
