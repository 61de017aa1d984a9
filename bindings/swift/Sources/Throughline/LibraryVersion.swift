internal import ThroughlineFFI

/// The version of the native library. This package works with one alone: with another, a call would
/// read what the library has not written.
enum LibraryVersion {
    /// Compares the library's version with the one that this package was made for. Nothing that
    /// was generated may be called before, because it ends the process when they differ.
    static func check(_ library: UInt64 = throughline_version()) throws(ThroughlineError) {
        let expected = DraftLayout.libraryVersion
        if library == expected { return }
        throw .library(
            "the Swift package is made for version \(text(expected)) of Throughline's native library, but the app is"
                + " linked with version \(text(library)): build the app with both of one release")
    }

    /// `1.2.3`.
    static func text(_ version: UInt64) -> String { "\(version >> 32).\(version >> 16 & 0xFFFF).\(version & 0xFFFF)" }
}
