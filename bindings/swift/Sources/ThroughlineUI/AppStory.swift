// For UIKit on iOS and Mac Catalyst; tvOS and visionOS lack a part of it. The tests run on Linux, where
// this file is only compiled against declarations.
#if canImport(UIKit) && (os(iOS) || DECLARATIONS)
import Network
import QuartzCore
import Throughline
internal import ThroughlineFFI
import UIKit
#if !DECLARATIONS
import UIKit.UIGestureRecognizerSubclass
#endif

/// Feeds Throughline with what an iOS app does: foreground and background, process start, first
/// frame, slow frames, memory, battery and network. Install it once after
/// ``Throughline/start(_:consent:)``, before the first window is shown.
@MainActor
public final class AppStory: NSObject {
    private static var installed: AppStory?
    private let network = NWPathMonitor()
    private var conditions = Conditions()
    private var link: CADisplayLink?
    private var last: CFTimeInterval = 0
    private var drawn = 0
    /// When the process was started, in seconds since 1970. `nil` when it was not started for its
    /// user, and after its first frame.
    private var started: TimeInterval?

    /// Installs the feeds.
    ///
    /// - Parameter taps: Whether touches that end on a control are recorded as taps. A gesture
    ///   recognizer of each window sees them; no method is replaced.
    public static func install(taps: Bool = false) {
        if installed != nil { return }
        let story = AppStory()
        installed = story
        story.watch()
        if taps { TapWatch.install() }
    }

    /// When this process was started, in seconds since 1970, if the user has opened the app. `nil`
    /// for one that was started for a push, for a fetch, or to be ready. Any thread may call it.
    public nonisolated static func opened() -> TimeInterval? {
        // The system prewarms processes that nobody has asked for yet.
        let isPrewarmed = ProcessInfo.processInfo.environment["ActivePrewarm"] != nil
        let started = throughline_process_started()
        return isPrewarmed || started <= 0 || !throughline_process_is_in_front() ? nil : started
    }

    private func watch() {
        observe(UIApplication.didBecomeActiveNotification) { $0.enteredForeground() }
        observe(UIApplication.didEnterBackgroundNotification) { $0.enteredBackground() }
        observe(UIApplication.didReceiveMemoryWarningNotification) { _ in Throughline.event("memory.warning") }
        observe(UIDevice.batteryLevelDidChangeNotification) { $0.deviceChanged() }
        observe(UIDevice.batteryStateDidChangeNotification) { $0.deviceChanged() }
        observe(.NSProcessInfoPowerStateDidChange) { $0.deviceChanged() }
        UIDevice.current.isBatteryMonitoringEnabled = true
        network.pathUpdateHandler = { [weak self] path in
            MainActor.assumeIsolated { self?.networkChanged(path) }
        }
        network.start(queue: .main)
        conditions.foreground = throughline_process_is_in_front()
        if conditions.foreground {
            started = Self.opened()
            enteredForeground()
        } else {
            // The system has started the app for a push or a fetch, and suspends it after that.
            deviceChanged()
            uploadAndClose()
        }
    }

    /// Observes on the main queue, because power states are posted on another thread.
    private func observe(_ name: Notification.Name, _ handle: @escaping @MainActor @Sendable (AppStory) -> Void) {
        _ = NotificationCenter.default.addObserver(forName: name, object: nil, queue: .main) { [weak self] _ in
            MainActor.assumeIsolated {
                if let self { handle(self) }
            }
        }
    }

    private func enteredForeground() {
        conditions.foreground = true
        deviceChanged()
        // The database is opened behind this call: the main thread does not wait.
        Throughline.resumeStorage(timeout: 0)
        if link == nil {
            last = 0
            link = CADisplayLink(target: self, selector: #selector(frame(_:)))
            link?.add(to: .main, forMode: .common)
        }
    }

    private func enteredBackground() {
        link?.invalidate()
        link = nil
        started = nil
        conditions.foreground = false
        deviceChanged()
        uploadAndClose()
    }

    /// Uploads for as long as the system allows, then closes the database: the system ends a
    /// suspended app that holds a lock on a file.
    private func uploadAndClose() {
        let time = BackgroundTime()
        time.begin()
        DispatchQueue.global(qos: .utility).async {
            _ = try? Throughline.flush(timeout: 10)
            DispatchQueue.main.async { time.end() }
        }
    }

    private func deviceChanged() {
        let device = UIDevice.current
        conditions.batteryPercent = device.batteryLevel < 0 ? nil : Int(device.batteryLevel * 100)
        conditions.charging = device.batteryState == .charging || device.batteryState == .full
        conditions.lowPower = ProcessInfo.processInfo.isLowPowerModeEnabled
        Throughline.setConditions(conditions)
    }

    private func networkChanged(_ path: NWPath) {
        if path.status == .satisfied {
            conditions.network = path.isExpensive || path.isConstrained ? .metered : .unmetered
        } else {
            conditions.network = .offline
        }
        Throughline.setConditions(conditions)
    }

    // Of any object, because on Linux, where this file is checked, a display link has no
    // Objective-C type.
    @objc private func frame(_ sender: AnyObject) {
        guard let link else { return }
        if let started {
            self.started = nil
            let took = Date().timeIntervalSince1970 - started
            if (0..<60).contains(took) {
                Throughline.processStart("cold", took)
                Throughline.initialDisplay(took)
            }
        }
        defer { last = link.timestamp }
        drawn += 1
        if last > 0, link.timestamp - last > link.duration + 0.016 { Throughline.slowFrame(link.timestamp - last) }
        if drawn == 60 {
            Throughline.frames(drawn)
            Throughline.memory(bytes: throughline_process_footprint())
            drawn = 0
        }
    }
}

/// The time that the system gives an app in the background. It ends once: when the upload is over,
/// or when the system demands it.
@MainActor
private final class BackgroundTime {
    private var task = UIBackgroundTaskIdentifier.invalid
    private var isOver = false

    func begin() {
        task = UIApplication.shared.beginBackgroundTask(withName: "throughline") {
            MainActor.assumeIsolated { self.end() }
        }
    }

    func end() {
        if isOver { return }
        isOver = true
        // When the user has returned meanwhile, the database stays open. Otherwise the main thread
        // may wait: the app is not on the screen.
        if UIApplication.shared.applicationState == .background { Throughline.suspendStorage() }
        if task != .invalid { UIApplication.shared.endBackgroundTask(task) }
    }
}

/// Sees the touches of a window as a gesture recognizer. It delays and cancels none.
@MainActor
final class TapWatch: UIGestureRecognizer, UIGestureRecognizerDelegate {
    static func install() {
        _ = NotificationCenter.default.addObserver(
            forName: UIWindow.didBecomeVisibleNotification, object: nil, queue: .main
        ) { note in
            guard let window = note.object as? UIWindow else { return }
            MainActor.assumeIsolated { watch(window) }
        }
    }

    private static func watch(_ window: UIWindow) {
        if window.gestureRecognizers?.contains(where: { $0 is TapWatch }) == true { return }
        let watch = TapWatch(target: nil, action: nil)
        watch.cancelsTouchesInView = false
        watch.delaysTouchesBegan = false
        watch.delaysTouchesEnded = false
        watch.delegate = watch
        window.addGestureRecognizer(watch)
    }

    /// Where the touch began.
    private var began: CGPoint?
    /// How many points a tap may move.
    private static let slop: CGFloat = 10

    override func touchesBegan(_ touches: Set<UITouch>, with event: UIEvent) {
        super.touchesBegan(touches, with: event)
        began = touches.count == 1 ? touches.first?.location(in: nil) : nil
    }

    override func touchesEnded(_ touches: Set<UITouch>, with event: UIEvent) {
        super.touchesEnded(touches, with: event)
        defer { state = .failed }
        guard let began, let ended = touches.first?.location(in: nil) else { return }
        if max(abs(ended.x - began.x), abs(ended.y - began.y)) > Self.slop { return }
        var view = touches.first?.view
        while let candidate = view {
            if candidate is UIControl || candidate is UITableViewCell || candidate is UICollectionViewCell {
                Throughline.tap(candidate.accessibilityIdentifier ?? String(describing: type(of: candidate)))
                break
            }
            view = candidate.superview
        }
    }

    func gestureRecognizer(
        _ recognizer: UIGestureRecognizer, shouldRecognizeSimultaneouslyWith other: UIGestureRecognizer
    ) -> Bool { true }
}
#endif
