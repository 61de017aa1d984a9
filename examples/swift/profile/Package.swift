// swift-tools-version: 6.0
import PackageDescription

let package = Package(
    name: "ProfileExample",
    platforms: [.iOS(.v15), .macOS(.v12)],
    dependencies: [.package(path: "../../../bindings/swift")],
    targets: [
        .target(name: "ProfileFlow", dependencies: [.product(name: "Throughline", package: "swift")]),
        .executableTarget(name: "profile-app", dependencies: ["ProfileFlow"]),
        .testTarget(name: "ProfileFlowTests", dependencies: ["ProfileFlow"]),
    ],
    swiftLanguageModes: [.v6]
)
