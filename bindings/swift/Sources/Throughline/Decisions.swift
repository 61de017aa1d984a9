/// What the core answers to "decide": whether the mutations of a path are recorded, and which
/// version of the store's policy says so.
///
/// The answer is the version, shifted to the left, and a code. ``PathAnswerLayout`` has the
/// numbers.
struct PathAnswer {
    private let bits: Int64

    /// `nil` when the core did not decide.
    init?(_ answer: Int64) {
        guard answer > 0 else { return nil }
        bits = answer
    }

    var version: UInt64 { UInt64(bits >> PathAnswerLayout.versionShift) }

    /// Whether mutations of the path are ignored.
    var ignores: Bool { bits & PathAnswerLayout.codeMask != PathAnswerLayout.records }
}

/// A version of a store's policy, and the client that has counted it: another client counts its
/// versions anew.
///
/// Bits 40 and above are the number of the client, the others the version. 0: the core was not
/// asked yet.
struct PolicyStamp: Equatable {
    let bits: UInt64

    @inline(__always)
    init(bits: UInt64) { self.bits = bits }

    init(client: UInt64, version: UInt64) { bits = client << 40 | version }

    static let none = PolicyStamp(bits: 0)
}

/// The decision about a path that a facade remembers.
///
/// Bit 0 says whether mutations are ignored, the other bits are the stamp of the policy that
/// decided. 0: none is remembered.
struct RememberedDecision: Equatable {
    let bits: UInt64

    @inline(__always)
    init(bits: UInt64) { self.bits = bits }

    @inline(__always)
    init(by stamp: PolicyStamp, ignores: Bool) { bits = stamp.bits << 1 | (ignores ? 1 : 0) }

    func isBy(_ stamp: PolicyStamp) -> Bool { bits >> 1 == stamp.bits }
}
