// swift-tools-version: 6.0
import Foundation
import PackageDescription

// A release links the core from an XCFramework. Here it is linked from the folder that this
// variable names, which holds `libthroughline_ffi.a`.
let library = ProcessInfo.processInfo.environment["THROUGHLINE_LIBRARY_DIR"]
let link: [LinkerSetting] =
    [.linkedLibrary("throughline_ffi")] + (library.map { [.unsafeFlags(["-L", $0])] } ?? [])
// On Linux the linker gives a program no id by which its symbols are found, unless it is told to.
let identified: [LinkerSetting] =
    library == nil ? [] : [.unsafeFlags(["-Xlinker", "--build-id=sha1"], .when(platforms: [.linux]))]

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
        .executableTarget(
            name: "ThroughlineDies", dependencies: ["Throughline"], path: "Tests/ThroughlineDies",
            linkerSettings: identified),
        .testTarget(
            name: "ThroughlineTests",
            dependencies: ["Throughline", "ThroughlineFFI", "ThroughlineHeap", "ThroughlineDies"]),
    ],
    swiftLanguageModes: [.v6]
)
