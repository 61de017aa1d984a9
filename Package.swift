// swift-tools-version: 5.9
import Foundation
import PackageDescription

// What an app downloads. `cargo xtask release swift` writes it into the manifest of a release.
let released: (url: String, checksum: String)? = nil

// In a checkout the native library is built, and found in this folder. The tests have libraries of
// their own, in a folder that the variable names.
let folder = "bindings/swift/Library"
let framework = "ThroughlineCore.xcframework"
let own = Context.environment["THROUGHLINE_LIBRARY_DIR"]

func isBuilt(_ name: String) -> Bool {
    FileManager.default.fileExists(atPath: "\(Context.packageDirectory)/\(folder)/\(name)")
}

let apple: [Platform] = [.iOS, .macOS, .macCatalyst, .tvOS, .visionOS]
func link(from folder: String) -> [LinkerSetting] { [.linkedLibrary("throughline_ffi"), .unsafeFlags(["-L", folder])] }

// Swift code for C's module. The XCFramework has no headers and no module map: Xcode copies those of
// all static libraries into one folder, where two module maps collide.
let ffi = Target.target(name: "ThroughlineFFI", path: "bindings/swift/Sources/ThroughlineFFI")
var natives = [ffi]
func download(_ core: Target) {
    ffi.dependencies = [.target(name: core.name, condition: .when(platforms: apple))]
    natives.append(core)
}

#if os(Linux)
let hasFramework = false
#else
let hasFramework = isBuilt(framework)
#endif
if let own {
    ffi.linkerSettings = link(from: own)
} else if let released {
    download(.binaryTarget(name: "ThroughlineCore", url: released.url, checksum: released.checksum))
} else if hasFramework {
    download(.binaryTarget(name: "ThroughlineCore", path: "\(folder)/\(framework)"))
} else if isBuilt("libthroughline_ffi.a") {
    ffi.linkerSettings = link(from: "\(Context.packageDirectory)/\(folder)")
} else {
    // The compiler says what is to be done.
    ffi.cSettings = [.define("THROUGHLINE_LIBRARY_MISSING")]
}

// An app compiles the package in the Swift 5 mode, which every toolchain from 5.9 on knows how to ask
// for. The tests ask for that of Swift 6, but not of the generated code, which is not written for it.
let six: [SwiftSetting] = own == nil ? [] : [.unsafeFlags(["-swift-version", "6"])]

let package = Package(
    name: "Throughline",
    platforms: [.iOS(.v15), .macOS(.v12), .macCatalyst(.v15), .tvOS(.v15), .visionOS(.v1)],
    products: [
        .library(name: "Throughline", targets: ["Throughline"]),
        .library(name: "ThroughlineUI", targets: ["ThroughlineUI"]),
    ],
    targets: natives + [
        .target(
            name: "ThroughlineFFIGenerated", dependencies: ["ThroughlineFFI"],
            path: "bindings/swift/Sources/ThroughlineFFIGenerated"),
        .target(
            name: "Throughline", dependencies: ["ThroughlineFFI", "ThroughlineFFIGenerated"],
            path: "bindings/swift/Sources/Throughline", resources: [.copy("PrivacyInfo.xcprivacy")],
            swiftSettings: six),
        // For SwiftUI and UIKit. On Linux only `Declarations/check.sh` compiles it.
        .target(
            name: "ThroughlineUI", dependencies: ["Throughline", "ThroughlineFFI"],
            path: "bindings/swift/Sources/ThroughlineUI", swiftSettings: six),
    ],
    swiftLanguageVersions: [.v5]
)

// What apps need not see.
if own != nil {
    // On Linux the linker gives a program no id by which its symbols are found, unless it is told to.
    let identified: [LinkerSetting] = [.unsafeFlags(["-Xlinker", "--build-id=sha1"], .when(platforms: [.linux]))]
    package.targets += [
        .target(name: "ThroughlineHeap", path: "bindings/swift/Tests/ThroughlineHeap"),
        .executableTarget(
            name: "ThroughlineDies", dependencies: ["Throughline"], path: "bindings/swift/Tests/ThroughlineDies",
            swiftSettings: six, linkerSettings: identified),
        .testTarget(
            name: "ThroughlineTests",
            dependencies: ["Throughline", "ThroughlineFFI", "ThroughlineHeap", "ThroughlineDies"],
            path: "bindings/swift/Tests/ThroughlineTests", swiftSettings: six),
    ]
}
