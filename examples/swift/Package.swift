// swift-tools-version: 6.2
import PackageDescription

// Another package that uses the tunnel. Outside of this source tree the dependency is
//     .package(url: "https://…/libwmproxy.git", from: "0.1.0")
let package = Package(
    name: "expose",
    dependencies: [.package(name: "libwmproxy", path: "../..")],
    targets: [
        .executableTarget(name: "expose", dependencies: [.product(name: "WMProxyKit", package: "libwmproxy")])
    ],
    swiftLanguageModes: [.v6]
)
