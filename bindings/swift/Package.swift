// swift-tools-version: 6.0
import Foundation
import PackageDescription

// A release links the core from an XCFramework. Here it is linked from the folder that this
// variable names, which holds `libthroughline_ffi.a`.
let library = ProcessInfo.processInfo.environment["THROUGHLINE_LIBRARY_DIR"]
let link: [LinkerSetting] =
    [.linkedLibrary("throughline_ffi")] + (library.map { [.unsafeFlags(["-L", $0])] } ?? [])

let package = Package(
    name: "Throughline",
    platforms: [.iOS(.v15), .macOS(.v12)],
    products: [
        .library(name: "Throughline", targets: ["Throughline"]),
        .library(name: "ThroughlineUI", targets: ["ThroughlineUI"]),
    ],
    targets: [
        .target(name: "ThroughlineFFI", linkerSettings: link),
        // Generated code is internal, and is not written for Swift 6.
        .target(
            name: "ThroughlineFFIGenerated", dependencies: ["ThroughlineFFI"],
            swiftSettings: [.swiftLanguageMode(.v5)]),
        .target(
            name: "Throughline", dependencies: ["ThroughlineFFI", "ThroughlineFFIGenerated"],
            resources: [.copy("PrivacyInfo.xcprivacy")]),
        // For SwiftUI and UIKit. On Linux only `Declarations/check.sh` compiles it.
        .target(name: "ThroughlineUI", dependencies: ["Throughline", "ThroughlineProcess"]),
        .target(name: "ThroughlineProcess"),
        // For the tests alone.
        .target(name: "ThroughlineHeap", path: "Tests/ThroughlineHeap"),
        .testTarget(name: "ThroughlineTests", dependencies: ["Throughline", "ThroughlineFFI", "ThroughlineHeap"]),
    ],
    swiftLanguageModes: [.v6]
)
