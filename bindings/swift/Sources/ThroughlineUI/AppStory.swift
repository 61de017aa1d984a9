// UIKit. Compiled where UIKit is; not run by the tests, which are Linux's.
#if canImport(UIKit) && !os(watchOS)
import QuartzCore
import Throughline
import UIKit
import UIKit.UIGestureRecognizerSubclass

/// Feeds of an iOS app: foreground and background, process start, first frame, slow frames, memory, battery. Install it once
/// after ``Throughline/start(_:consent:)``, on the main actor.
@MainActor
public final class AppStory: NSObject {
    private static var installed: AppStory?
    private var conditions = Conditions()
    private var link: CADisplayLink?
    private var last: CFTimeInterval = 0
    private var drawn = 0
    private var sawFirstFrame = false

    /// Installs the feeds. With `taps`, touches that end on a control are recorded too: `UIWindow.sendEvent` is asked, nothing
    /// else is replaced.
    public static func install(taps: Bool = false) {
        if installed != nil { return }
        let story = AppStory()
        installed = story
        story.watch()
        if taps { TapWatch.install() }
    }

    private func watch() {
        let center = NotificationCenter.default
        let pairs: [(Notification.Name, Selector)] = [
            (UIApplication.didBecomeActiveNotification, #selector(cameForward)),
            (UIApplication.didEnterBackgroundNotification, #selector(wentBack)),
            (UIApplication.didReceiveMemoryWarningNotification, #selector(memoryIsLow)),
            (UIDevice.batteryLevelDidChangeNotification, #selector(tellConditions)),
            (NSNotification.Name.NSProcessInfoPowerStateDidChange, #selector(tellConditions)),
        ]
        for (name, selector) in pairs { center.addObserver(self, selector: selector, name: name, object: nil) }
        UIDevice.current.isBatteryMonitoringEnabled = true
        cameForward()
    }

    @objc private func cameForward() {
        conditions.foreground = true
        tellConditions()
        // Behind this call: the main thread does not wait.
        Throughline.resumeStorage(timeout: 0)
        if link == nil {
            last = 0
            link = CADisplayLink(target: self, selector: #selector(frame(_:)))
            link?.add(to: .main, forMode: .common)
        }
    }

    /// Uploads for as long as the system gives, then closes the database: an open file is a reason to be killed.
    @objc private func wentBack() {
        link?.invalidate()
        link = nil
        conditions.foreground = false
        tellConditions()
        let time = BackgroundTime()
        time.begin()
        DispatchQueue.global(qos: .utility).async {
            _ = try? Throughline.flush(timeout: 10)
            DispatchQueue.main.async { time.end() }
        }
    }

    @objc private func memoryIsLow() { Throughline.event("memory.warning") }

    @objc private func tellConditions() {
        let device = UIDevice.current
        conditions.batteryPercent = device.batteryLevel < 0 ? nil : Int(device.batteryLevel * 100)
        conditions.charging = device.batteryState == .charging || device.batteryState == .full
        conditions.lowPower = ProcessInfo.processInfo.isLowPowerModeEnabled
        Throughline.setConditions(conditions)
    }

    @objc private func frame(_ link: CADisplayLink) {
        if !sawFirstFrame {
            sawFirstFrame = true
            if let started = Self.processStart() {
                let took = Date().timeIntervalSince(started)
                // A process that was prewarmed was not started for this frame.
                if took < 60, ProcessInfo.processInfo.environment["ActivePrewarm"] == nil {
                    Throughline.processStart("cold", took)
                    Throughline.initialDisplay(took)
                }
            }
        }
        defer { last = link.timestamp }
        drawn += 1
        if last > 0, link.timestamp - last > 2 * link.duration + 0.016 { Throughline.slowFrame(link.timestamp - last) }
        if drawn == 60 {
            Throughline.frames(drawn)
            Throughline.memory(bytes: Self.footprint())
            drawn = 0
        }
    }

    private static func processStart() -> Date? {
        var request = [CTL_KERN, KERN_PROC, KERN_PROC_PID, getpid()]
        var process = kinfo_proc()
        var size = MemoryLayout<kinfo_proc>.stride
        guard sysctl(&request, 4, &process, &size, nil, 0) == 0 else { return nil }
        let time = process.kp_proc.p_starttime
        return Date(timeIntervalSince1970: TimeInterval(time.tv_sec) + TimeInterval(time.tv_usec) / 1e6)
    }

    private static func footprint() -> UInt64 {
        var info = task_vm_info_data_t()
        var count = mach_msg_type_number_t(MemoryLayout<task_vm_info_data_t>.size / MemoryLayout<natural_t>.size)
        let result = withUnsafeMutablePointer(to: &info) { info in
            info.withMemoryRebound(to: integer_t.self, capacity: Int(count)) {
                task_info(mach_task_self_, task_flavor_t(TASK_VM_INFO), $0, &count)
            }
        }
        return result == KERN_SUCCESS ? info.phys_footprint : 0
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
        NotificationCenter.default.addObserver(
            forName: UIWindow.didBecomeVisibleNotification, object: nil, queue: .main
        ) { note in
            MainActor.assumeIsolated {
                guard let window = note.object as? UIWindow else { return }
                if window.gestureRecognizers?.contains(where: { $0 is TapWatch }) == true { return }
                let watch = TapWatch(target: nil, action: nil)
                watch.cancelsTouchesInView = false
                watch.delaysTouchesBegan = false
                watch.delaysTouchesEnded = false
                watch.delegate = watch
                window.addGestureRecognizer(watch)
            }
        }
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
