// swift-tools-version: 5.9
import PackageDescription

// An app that has a static library of its own beside Throughline: also one of Rust, also with SQLite.
// Its module of C is declared as ours is. `cargo xtask test --only swift` builds and runs it with the
// manifest of a release.
let folder = Context.environment["THROUGHLINE_LIBRARY_DIR"] ?? "."

let package = Package(
    name: "linking",
    platforms: [.macOS(.v12)],
    dependencies: [.package(name: "Throughline", path: "\(folder)/release")],
    targets: [
        .target(name: "Other", linkerSettings: [.linkedLibrary("other"), .unsafeFlags(["-L", folder])]),
        .executableTarget(
            name: "app", dependencies: ["Other", .product(name: "Throughline", package: "Throughline")]),
    ]
)
