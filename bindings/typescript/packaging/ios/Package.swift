// swift-tools-version: 6.0
import PackageDescription

// The Swift code of the npm package, as far as it needs no Objective-C: for the tests alone. In an
// app, CocoaPods builds it.
let package = Package(
    name: "ThroughlineReactNative",
    platforms: [.iOS(.v15), .macOS(.v12)],
    dependencies: [.package(name: "Throughline", path: "../../../..")],
    targets: [
        .target(
            name: "ThroughlineReactNative",
            dependencies: [
                .product(name: "Throughline", package: "Throughline"),
                .product(name: "ThroughlineUI", package: "Throughline"),
            ],
            exclude: ["ThroughlineModule.h", "ThroughlineModule.mm"]),
        .testTarget(name: "ThroughlineReactNativeTests", dependencies: ["ThroughlineReactNative"]),
    ],
    swiftLanguageModes: [.v6]
)
