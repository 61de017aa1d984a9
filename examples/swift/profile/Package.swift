// swift-tools-version: 6.0
import PackageDescription

let package = Package(
    name: "ProfileExample",
    platforms: [.iOS(.v15), .macOS(.v12)],
    dependencies: [.package(name: "Throughline", path: "../../..")],
    targets: [
        .target(name: "ProfileFlow", dependencies: [.product(name: "Throughline", package: "Throughline")]),
        .executableTarget(name: "profile-app", dependencies: ["ProfileFlow"]),
        .testTarget(name: "ProfileFlowTests", dependencies: ["ProfileFlow"]),
    ],
    swiftLanguageModes: [.v6]
)
