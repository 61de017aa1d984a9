internal import ThroughlineFFIGenerated

/// One thing that keeps data from arriving, or explains what is missing.
public struct Finding: Sendable, Equatable {
    /// The name of the cause, which does not change: `consent_pending`, for example.
    public let cause: String
    /// Whether nothing arrives, for one destination at least, until it is mended.
    public let blocks: Bool
    /// The destination that it concerns. `nil`: all of them.
    public let destination: String?
    /// What was seen: a status, the text of an error, a name.
    public let seen: String
    /// What can be done about it.
    public let advice: String
}

/// What keeps data from arriving. As a text it is a few lines for a person: print it.
public struct Diagnosis: Sendable, Equatable, CustomStringConvertible {
    /// What was found, what blocks first.
    public let findings: [Finding]
    /// How many events were delivered, for the destination that has the most of them.
    public let delivered: UInt64
    /// How many events wait on the device.
    public let waiting: UInt64
    public let description: String

    /// Whether nothing keeps data from arriving.
    public var isClear: Bool { !findings.contains { $0.blocks } }

    init(_ generated: ThroughlineFFIGenerated.Diagnosis) {
        findings = generated.findings.map {
            Finding(
                cause: $0.cause, blocks: $0.blocks, destination: $0.destination, seen: $0.seen, advice: $0.advice)
        }
        (delivered, waiting, description) = (generated.delivered, generated.waiting, generated.text)
    }

    /// While no client runs. Nothing native is asked: it may be of another version.
    init(withoutClient failure: ThroughlineError?) {
        let start = "Call `Throughline.start` once, in the app's `init`."
        let (cause, seen, advice) =
            switch failure {
            case nil: ("not_started", "the client was not started", start)
            case .library(let reason):
                (
                    "native_library", reason,
                    "Build the app with the native library of the same version as the package."
                )
            case .invalidConfiguration(let reason), .storage(let reason), .closed(let reason):
                ("not_started", "the client did not start: \(reason)", start)
            }
        findings = [Finding(cause: cause, blocks: true, destination: nil, seen: seen, advice: advice)]
        (delivered, waiting) = (0, 0)
        description = "Data does not arrive.\n[\(cause)] \(seen). \(advice)"
    }
}
