@_exported import Foundation
@_exported import ObjectiveC

// MARK: What Foundation lacks on Linux

extension NSNotification.Name {
    public static let NSProcessInfoPowerStateDidChange = NSNotification.Name("")
}

extension ProcessInfo {
    public var isLowPowerModeEnabled: Bool { fatalError() }
}

// MARK: UIKit

@MainActor open class UIResponder: NSObject {}

@MainActor open class UIApplication: UIResponder {
    public enum State: Int, Sendable { case active, inactive, background }
    public nonisolated class var didBecomeActiveNotification: NSNotification.Name { fatalError() }
    public nonisolated class var didEnterBackgroundNotification: NSNotification.Name { fatalError() }
    public nonisolated class var didReceiveMemoryWarningNotification: NSNotification.Name { fatalError() }
    public class var shared: UIApplication { fatalError() }
    public var applicationState: State { fatalError() }
    public func beginBackgroundTask(
        withName name: String?, expirationHandler: (@MainActor @Sendable () -> Void)? = nil
    ) -> UIBackgroundTaskIdentifier { fatalError() }
    public func endBackgroundTask(_ identifier: UIBackgroundTaskIdentifier) { fatalError() }
}

extension UIApplication {
    public struct LaunchOptionsKey: RawRepresentable, Hashable, Sendable {
        public var rawValue: String
        public init(rawValue: String) { self.rawValue = rawValue }
    }
}

@MainActor public protocol UIApplicationDelegate: NSObjectProtocol {
    func application(
        _ application: UIApplication, didFinishLaunchingWithOptions launchOptions: [UIApplication.LaunchOptionsKey: Any]?
    ) -> Bool
    func application(
        _ application: UIApplication, handleEventsForBackgroundURLSession identifier: String,
        completionHandler: @escaping () -> Void
    )
}

extension UIApplicationDelegate {
    public func application(
        _ application: UIApplication, didFinishLaunchingWithOptions launchOptions: [UIApplication.LaunchOptionsKey: Any]?
    ) -> Bool { fatalError() }
    public func application(
        _ application: UIApplication, handleEventsForBackgroundURLSession identifier: String,
        completionHandler: @escaping () -> Void
    ) {}
}

public struct UIBackgroundTaskIdentifier: RawRepresentable, Hashable, Sendable {
    public var rawValue: Int
    public init(rawValue: Int) { self.rawValue = rawValue }
    public static let invalid = UIBackgroundTaskIdentifier(rawValue: 0)
}

@MainActor open class UIDevice: NSObject {
    public enum BatteryState: Int, Sendable { case unknown, unplugged, charging, full }
    public nonisolated class var batteryLevelDidChangeNotification: NSNotification.Name { fatalError() }
    public nonisolated class var batteryStateDidChangeNotification: NSNotification.Name { fatalError() }
    public class var current: UIDevice { fatalError() }
    public var isBatteryMonitoringEnabled: Bool {
        get { fatalError() }
        set { fatalError() }
    }
    public var batteryLevel: Float { fatalError() }
    public var batteryState: BatteryState { fatalError() }
    public var identifierForVendor: UUID? { fatalError() }
}

@MainActor open class UIView: UIResponder {
    public var superview: UIView? { fatalError() }
    public var gestureRecognizers: [UIGestureRecognizer]? { fatalError() }
    public var accessibilityIdentifier: String? { fatalError() }
    public func addGestureRecognizer(_ recognizer: UIGestureRecognizer) { fatalError() }
}

@MainActor open class UIControl: UIView {}
@MainActor open class UITableViewCell: UIView {}
@MainActor open class UICollectionViewCell: UIView {}

@MainActor open class UIWindow: UIView {
    public nonisolated class var didBecomeVisibleNotification: NSNotification.Name { fatalError() }
}

@MainActor open class UITouch: NSObject {
    public var view: UIView? { fatalError() }
    public func location(in view: UIView?) -> CGPoint { fatalError() }
}

@MainActor open class UIEvent: NSObject {}

@MainActor public protocol UIGestureRecognizerDelegate: AnyObject {
    func gestureRecognizer(
        _ recognizer: UIGestureRecognizer, shouldRecognizeSimultaneouslyWith other: UIGestureRecognizer
    ) -> Bool
}

@MainActor open class UIGestureRecognizer: NSObject {
    public enum State: Int, Sendable { case possible, began, changed, ended, cancelled, failed }
    public init(target: Any?, action: Selector?) { fatalError() }
    public var state: State {
        get { fatalError() }
        set { fatalError() }
    }
    public var cancelsTouchesInView: Bool {
        get { fatalError() }
        set { fatalError() }
    }
    public var delaysTouchesBegan: Bool {
        get { fatalError() }
        set { fatalError() }
    }
    public var delaysTouchesEnded: Bool {
        get { fatalError() }
        set { fatalError() }
    }
    public weak var delegate: (any UIGestureRecognizerDelegate)? {
        get { fatalError() }
        set { fatalError() }
    }
    open func touchesBegan(_ touches: Set<UITouch>, with event: UIEvent) { fatalError() }
    open func touchesEnded(_ touches: Set<UITouch>, with event: UIEvent) { fatalError() }
}
