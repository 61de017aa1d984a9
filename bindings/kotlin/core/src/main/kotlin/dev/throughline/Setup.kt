package dev.throughline

/**
 * Sets the values of a builder. In Kotlin it is a lambda with the builder as its receiver, in Java
 * one with a parameter.
 */
public fun interface Setup<T> {
    /** Sets them. It is called once, before the function that takes it returns. */
    public fun T.setUp()
}

/** The same builder, with the values that [setup] sets. */
internal fun <T> T.with(setup: Setup<T>): T {
    val builder = this
    setup.run { builder.setUp() }
    return builder
}

/** Takes what a start in the background would have thrown. */
public fun interface StartFailure {
    /** The start has failed. It is called on the thread that has tried it. */
    public fun failed(failure: ThroughlineException)
}

/**
 * Takes the lines that [Configuration.debug] writes.
 *
 * It is called on threads of Throughline's and on those of calls that record, and must not wait.
 */
public fun interface DebugLog {
    /** Takes one line, without a line break. */
    public fun line(text: String)
}
