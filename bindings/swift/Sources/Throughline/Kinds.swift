/// What the user did.
public enum ActionType: Sendable {
    /// A tap or a click.
    case tap
    /// A scroll.
    case scroll
    /// A swipe.
    case swipe
    /// The way back to the view before.
    case back
    /// Anything else.
    case custom
}

/// How important a log is.
public enum Severity: Sendable {
    /// Every step, for a developer.
    case trace
    /// Details, for a developer.
    case debug
    /// What usually happens.
    case info
    /// Something unusual that the app can cope with.
    case warn
    /// Something failed.
    case error
    /// The app cannot go on.
    case fatal
}

/// What an error was.
public enum ErrorKind: Sendable {
    /// The app has handled it.
    case handled
    /// The app ended.
    case crash
    /// The main thread did not answer for a while.
    case hang
    /// The system found that the app did not respond.
    case anr
    /// The system ended the app because there was no memory left.
    case outOfMemory
}

/// The instrument of a metric.
public enum Instrument: Sendable {
    /// A sum that only grows.
    case counter
    /// A sum that grows and shrinks.
    case upDownCounter
    /// The latest value.
    case gauge
    /// The distribution of the values.
    case histogram
}

/// What happened to a path of a store.
public enum MutationKind: Sendable {
    /// A value was set.
    case set
    /// An element was inserted.
    case insert
    /// A value or an element was deleted.
    case delete
    /// The whole value was replaced.
    case replace
    /// Several of these at once.
    case batch
}
