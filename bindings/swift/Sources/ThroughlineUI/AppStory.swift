// UIKit. Compiled where UIKit is; not run by the tests, which are Linux's.
#if canImport(UIKit) && !os(watchOS)
import Network
import QuartzCore
import Throughline
internal import ThroughlineProcess
import UIKit
#if !DECLARATIONS
import UIKit.UIGestureRecognizerSubclass
#endif

/// Feeds of an iOS app: foreground and background, process start, first frame, slow frames, memory, battery, network. Install it
/// once after ``Throughline/start(_:consent:)``, before the first window shows.
@MainActor
public final class AppStory: NSObject {
    private static var installed: AppStory?
    private let network = NWPathMonitor()
    private var conditions = Conditions()
    private var link: CADisplayLink?
    private var last: CFTimeInterval = 0
    private var drawn = 0
    /// When the process was started for its user; `nil` when it was not, or when its first frame has been seen.
    private var started: TimeInterval?

    /// Installs the feeds. With `taps`, touches that end on a control are recorded too, seen by a gesture recognizer of each
    /// window: nothing is replaced.
    public static func install(taps: Bool = false) {
        if installed != nil { return }
        let story = AppStory()
        installed = story
        story.watch()
        if taps { TapWatch.install() }
    }

    private func watch() {
        observe(UIApplication.didBecomeActiveNotification) { $0.cameForward() }
        observe(UIApplication.didEnterBackgroundNotification) { $0.wentBack() }
        observe(UIApplication.didReceiveMemoryWarningNotification) { _ in Throughline.event("memory.warning") }
        observe(UIDevice.batteryLevelDidChangeNotification) { $0.seeDevice() }
        observe(UIDevice.batteryStateDidChangeNotification) { $0.seeDevice() }
        observe(.NSProcessInfoPowerStateDidChange) { $0.seeDevice() }
        UIDevice.current.isBatteryMonitoringEnabled = true
        network.pathUpdateHandler = { [weak self] path in
            MainActor.assumeIsolated { self?.see(path) }
        }
        network.start(queue: .main)
        conditions.foreground = throughline_process_is_in_front()
        if conditions.foreground {
            // A process that was prewarmed was not started for its first frame.
            let isPrewarmed = ProcessInfo.processInfo.environment["ActivePrewarm"] != nil
            started = isPrewarmed ? nil : throughline_process_started()
            cameForward()
        } else {
            seeDevice()
        }
    }

    /// On the main queue: power states are told on another thread.
    private func observe(_ name: Notification.Name, _ tell: @escaping @MainActor @Sendable (AppStory) -> Void) {
        _ = NotificationCenter.default.addObserver(forName: name, object: nil, queue: .main) { [weak self] _ in
            MainActor.assumeIsolated {
                if let self { tell(self) }
            }
        }
    }

    private func cameForward() {
        conditions.foreground = true
        seeDevice()
        // Behind this call: the main thread does not wait.
        Throughline.resumeStorage(timeout: 0)
        if link == nil {
            last = 0
            link = CADisplayLink(target: self, selector: #selector(frame(_:)))
            link?.add(to: .main, forMode: .common)
        }
    }

    /// Uploads for as long as the system gives, then closes the database: an open file is a reason to be killed.
    private func wentBack() {
        link?.invalidate()
        link = nil
        started = nil
        conditions.foreground = false
        seeDevice()
        let time = BackgroundTime()
        time.begin()
        DispatchQueue.global(qos: .utility).async {
            _ = try? Throughline.flush(timeout: 10)
            DispatchQueue.main.async { time.end() }
        }
    }

    private func seeDevice() {
        let device = UIDevice.current
        conditions.batteryPercent = device.batteryLevel < 0 ? nil : Int(device.batteryLevel * 100)
        conditions.charging = device.batteryState == .charging || device.batteryState == .full
        conditions.lowPower = ProcessInfo.processInfo.isLowPowerModeEnabled
        Throughline.setConditions(conditions)
    }

    private func see(_ path: NWPath) {
        if path.status == .satisfied {
            conditions.network = path.isExpensive || path.isConstrained ? .metered : .unmetered
        } else {
            conditions.network = .offline
        }
        Throughline.setConditions(conditions)
    }

    // Any object, because a display link is none to the compiler of Linux, which checks this file.
    @objc private func frame(_ sender: AnyObject) {
        guard let link else { return }
        if let started {
            self.started = nil
            let took = Date().timeIntervalSince1970 - started
            if started > 0, (0..<60).contains(took) {
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

/// The time that the system gives an app that has gone back. It is given back once: when the upload is over, or when the system
/// wants it.
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
        // The user may be back meanwhile: then the database stays open. Nobody sees the main thread wait here.
        if UIApplication.shared.applicationState == .background { Throughline.suspendStorage() }
        if task != .invalid { UIApplication.shared.endBackgroundTask(task) }
    }
}

/// Sees touches as a gesture recognizer of the window does: none is held back or cancelled.
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

    /// Where the touch began; points that it may move and still be a tap.
    private var began: CGPoint?
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
