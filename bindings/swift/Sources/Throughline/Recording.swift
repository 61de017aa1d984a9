import Foundation

extension Throughline {
    // MARK: Views

    /// Shows a view. The view before it ends, and events belong to this one from now on.
    public static func startView(_ name: String) { Recorder.record(.startView) { $0.text(name) } }

    /// Shows a view over the current one, for example a sheet or an alert.
    public static func pushView(_ name: String) { Recorder.record(.pushView) { $0.text(name) } }

    /// Ends the current view.
    public static func stopView() { Recorder.record(.stopView) { _ in } }

    /// Says that the current view is complete and can be used. Its loading time is the time until
    /// now.
    public static func markInteractive() { Recorder.record(.markInteractive) { _ in } }

    // MARK: Actions and events

    /// Records something that the user did.
    @inline(never)
    public static func action(_ name: String, _ attributes: Attributes = [:], type: ActionType = .custom) {
        Recorder.record(.action) {
            $0.u8(type.code)
            $0.text(name)
            $0.attributes(attributes)
        }
    }

    /// Records something that the user did. For places that are called often: the attributes are
    /// written where they belong, and nothing is allocated.
    ///
    /// ```swift
    /// Throughline.action("scroll") { $0.put("row", row) }
    /// ```
    public static func action(
        _ name: String, type: ActionType = .custom, _ attributes: (inout AttributeWriter) -> Void
    ) {
        Recorder.record(.action) {
            $0.u8(type.code)
            $0.text(name)
            $0.attributes(attributes)
        }
    }

    /// Begins an action. It collects the requests, errors and state mutations that follow, until
    /// nothing has happened for 100 ms, for at most 5 s. What it causes is in one trace. Three taps
    /// on one target within a second make a rage tap.
    public static func startAction(_ name: String, _ attributes: Attributes = [:], type: ActionType = .tap) {
        Recorder.record(.startAction) {
            $0.u8(type.code)
            $0.text(name)
            $0.attributes(attributes)
        }
    }

    /// Begins a tap, as ``startAction(_:_:type:)`` does.
    public static func tap(_ target: String) { startAction(target) }

    /// Records an event that only the app understands.
    public static func event(_ name: String, _ attributes: Attributes = [:]) {
        Recorder.record(.custom) {
            $0.text(name)
            $0.attributes(attributes)
        }
    }

    /// Records an event that only the app understands. For places that are called often: the
    /// attributes are written where they belong, and nothing is allocated.
    public static func event(_ name: String, _ attributes: (inout AttributeWriter) -> Void) {
        Recorder.record(.custom) {
            $0.text(name)
            $0.attributes(attributes)
        }
    }

    /// Records that the user, or the app, found that something is wrong. This is a reason to send a
    /// session that ``TailSampling`` keeps. Messages are cut at 8,192 characters.
    public static func reportProblem(_ message: String) {
        Recorder.record(.reportProblem) { $0.text(message, limit: Limit.messageBytes) }
    }

    // MARK: Errors, logs, metrics

    /// Records an error that was handled.
    public static func error(_ error: any Error, _ attributes: Attributes = [:]) {
        self.error(type: error.kindName, message: "\(error)", attributes)
    }

    /// Records an error that is not a value of Swift's. Messages are cut at 8,192 characters,
    /// stacks at 49,152.
    public static func error(
        type: String, message: String, stack: String = "", kind: ErrorKind = .handled, _ attributes: Attributes = [:]
    ) {
        Recorder.record(.error) {
            $0.u8(kind.code)
            $0.u8(ErrorSource.source.rawValue)
            $0.text(type)
            $0.text(message, limit: Limit.messageBytes)
            $0.text(stack, limit: Limit.stackBytes)
            $0.attributes(attributes)
        }
    }

    /// Records a log. Messages are cut at 8,192 characters.
    public static func log(
        _ severity: Severity, _ message: String, logger: String = "", _ attributes: Attributes = [:]
    ) {
        Recorder.record(.log) {
            $0.u8(severity.code)
            $0.text(message, limit: Limit.messageBytes)
            $0.text(logger)
            $0.attributes(attributes)
        }
    }

    /// Records a value of a metric. Values are aggregated on the device and sent every 10 s. A
    /// metric may have 100 different sets of attributes; further ones share one series.
    public static func measure(
        _ name: String, _ value: Double, _ instrument: Instrument = .histogram, unit: String = "",
        _ attributes: Attributes = [:]
    ) {
        Recorder.record(.measurement) {
            $0.u8(instrument.code)
            $0.text(name)
            $0.text(unit)
            $0.f64(value)
            $0.attributes(attributes)
        }
    }

    /// Records a measured value of the app's own performance.
    public static func vital(_ name: String, _ value: Double, unit: String = "", _ attributes: Attributes = [:]) {
        Recorder.record(.vital) {
            $0.text(name)
            $0.f64(value)
            $0.text(unit)
            $0.attributes(attributes)
        }
    }
}
