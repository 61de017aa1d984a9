package dev.throughline

/** Why starting, flushing or shutting down failed. No other call throws. */
public sealed class ThroughlineException(message: String) : Exception(message) {
    /** A field of the configuration has a value that cannot work. Nothing was started. */
    public class InvalidConfiguration internal constructor(message: String) : ThroughlineException(message)

    /** The data directory or the database could not be used. */
    public class Storage internal constructor(message: String) : ThroughlineException(message)

    /** The client is shut down, was never started, or runs already. */
    public class Closed internal constructor(message: String) : ThroughlineException(message)

    /** The native library could not be loaded. */
    public class Library internal constructor(message: String) : ThroughlineException(message)
}
