internal import ThroughlineFFI

/// A number that many threads add to. It is an atomic of C's, because Swift has its own only from
/// iOS 18 on.
final class Count: @unchecked Sendable {
    /// Where the number lies. Valid as long as this object lives.
    let place: UnsafeMutablePointer<throughline_count>

    init(_ value: UInt64 = 0) {
        place = .allocate(capacity: 1)
        place.initialize(to: throughline_count())
        throughline_count_store(place, value)
    }

    deinit { place.deallocate() }

    /// Adds to the number, and returns what it was before.
    @discardableResult
    @inline(__always)
    func add(_ more: UInt64) -> UInt64 { throughline_count_add(place, more) }

    @inline(__always)
    var value: UInt64 {
        get { throughline_count_load(place) }
        set { throughline_count_store(place, newValue) }
    }

    /// Sets the number to 0, and returns what it was before.
    func take() -> UInt64 { throughline_count_take(place) }
}
