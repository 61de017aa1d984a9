// What Objective-C++ calls. It needs Apple's systems: the tests run `Starter` alone.
#if canImport(ObjectiveC)
import Foundation
import ThroughlineUI

/// ``Starter`` for Objective-C++.
@objc public final class ThroughlineStarter: NSObject {
    /// See `start` of `src/NativeThroughline.ts`. Called on the thread of JavaScript.
    @objc public static func start(_ config: String) -> String {
        Starter.start(config) {
            DispatchQueue.main.async { MainActor.assumeIsolated { AppStory.install() } }
        }
    }

    /// See `processStart` of `src/NativeThroughline.ts`. Called on the thread of JavaScript.
    @objc public static func processStart() -> Double { Starter.processStart(AppStory.opened) }

    /// See `flush` of `src/NativeThroughline.ts`.
    @objc public static func flush(_ timeoutMs: Double, answered: @escaping @Sendable (String) -> Void) {
        Starter.later({ answered(Starter.flush(timeoutMs)) }, refused: answered)
    }

    /// See `shutdown` of `src/NativeThroughline.ts`.
    @objc public static func shutdown(_ timeoutMs: Double, answered: @escaping @Sendable (String) -> Void) {
        Starter.later({ answered(Starter.shutdown(timeoutMs)) }, refused: answered)
    }
}
#endif
