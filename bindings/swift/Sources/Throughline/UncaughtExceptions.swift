import Foundation

#if canImport(ObjectiveC)
internal import ThroughlineFFI
import ObjectiveC

/// Exceptions of Objective-C that nobody has caught. The process ends of each: it is recorded as a
/// crash before the handler that stood there is called.
enum UncaughtExceptions {
    #if DECLARATIONS
    private typealias Handler = (NSException) -> Void
    #else
    private typealias Handler = @convention(c) (NSException) -> Void
    #endif

    private static let lock = NSLock()
    /// What the last start has asked for.
    nonisolated(unsafe) private static var isOn = false
    nonisolated(unsafe) private static var isInstalled = false
    nonisolated(unsafe) private static var before: Handler?

    /// Begins or ends to record them. The handler stays once it is there: another one may stand on
    /// top of it.
    static func record(_ isWanted: Bool) {
        lock.withLock {
            isOn = isWanted
            if !isWanted || isInstalled { return }
            isInstalled = true
            before = NSGetUncaughtExceptionHandler()
            NSSetUncaughtExceptionHandler { UncaughtExceptions.caught($0) }
        }
    }

    private static func caught(_ exception: NSException) {
        let (isOn, before) = lock.withLock { (Self.isOn, Self.before) }
        if isOn {
            Throughline.error(
                type: exception.name.rawValue, message: exception.reason ?? "",
                stack: stack(exception.callStackReturnAddresses.map(\.uintValue)), kind: .crash,
                ["error.fatal": true])
        }
        before?(exception)
    }

    /// The addresses as the core writes a stack.
    private static func stack(_ addresses: [UInt]) -> String {
        let text = [CChar](unsafeUninitializedCapacity: 48 * 1_024) { text, count in
            count = addresses.withUnsafeBufferPointer { addresses in
                guard let first = addresses.baseAddress, let start = text.baseAddress else { return 0 }
                return throughline_frames(first, addresses.count, start, text.count)
            }
        }
        return String(decoding: text.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}
#else
/// There are none without Objective-C.
enum UncaughtExceptions {
    static func record(_: Bool) {}
}
#endif
