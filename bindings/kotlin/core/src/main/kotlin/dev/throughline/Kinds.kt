package dev.throughline

import dev.throughline.internal.ActionTypeCode
import dev.throughline.internal.ErrorKindCode
import dev.throughline.internal.InstrumentCode
import dev.throughline.internal.MutationKindCode
import dev.throughline.internal.SeverityCode

/** What the user did. */
public enum class ActionType(internal val code: Int) {
    /** A tap or a click. */
    TAP(ActionTypeCode.TAP),

    /** A scroll. */
    SCROLL(ActionTypeCode.SCROLL),

    /** A swipe. */
    SWIPE(ActionTypeCode.SWIPE),

    /** The way back to the view before. */
    BACK(ActionTypeCode.BACK),

    /** Anything else. */
    CUSTOM(ActionTypeCode.CUSTOM),
}

/** How important a log is. */
public enum class Severity(internal val code: Int) {
    /** Every step, for a developer. */
    TRACE(SeverityCode.TRACE),

    /** Details, for a developer. */
    DEBUG(SeverityCode.DEBUG),

    /** What usually happens. */
    INFO(SeverityCode.INFO),

    /** Something unusual that the app can cope with. */
    WARN(SeverityCode.WARN),

    /** Something failed. */
    ERROR(SeverityCode.ERROR),

    /** The app cannot go on. */
    FATAL(SeverityCode.FATAL),
}

/** What an error was. */
public enum class ErrorKind(internal val code: Int) {
    /** The app has handled it. */
    HANDLED(ErrorKindCode.HANDLED),

    /** The app ended. */
    CRASH(ErrorKindCode.CRASH),

    /** The main thread did not answer for a while. */
    HANG(ErrorKindCode.HANG),

    /** The system found that the app did not respond. */
    ANR(ErrorKindCode.ANR),

    /** The system ended the app because there was no memory left. */
    OUT_OF_MEMORY(ErrorKindCode.OUT_OF_MEMORY),
}

/** The instrument of a metric. */
public enum class Instrument(internal val code: Int) {
    /** A sum that only grows. */
    COUNTER(InstrumentCode.COUNTER),

    /** A sum that grows and shrinks. */
    UP_DOWN_COUNTER(InstrumentCode.UP_DOWN_COUNTER),

    /** The latest value. */
    GAUGE(InstrumentCode.GAUGE),

    /** The distribution of the values. */
    HISTOGRAM(InstrumentCode.HISTOGRAM),
}

/** What happened to a path of a store. */
public enum class MutationKind(internal val code: Int) {
    /** A value was set. */
    SET(MutationKindCode.SET),

    /** An element was inserted. */
    INSERT(MutationKindCode.INSERT),

    /** A value or an element was deleted. */
    DELETE(MutationKindCode.DELETE),

    /** The whole value was replaced. */
    REPLACE(MutationKindCode.REPLACE),

    /** Several of these at once. */
    BATCH(MutationKindCode.BATCH),
}
