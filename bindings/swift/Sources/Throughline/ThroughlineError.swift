internal import ThroughlineFFIGenerated

/// Why starting, flushing or shutting down failed. No other call throws.
public enum ThroughlineError: Error, Equatable {
    /// A field of the configuration has a value that cannot work. Nothing was started.
    case invalidConfiguration(String)
    /// The data directory or the database could not be used.
    case storage(String)
    /// The client is shut down, was never started, or runs already.
    case closed(String)
    /// The app is linked with a native library that this package was not made for. Nothing was
    /// started.
    case library(String)

    /// Makes a call to the generated code, and translates what it throws.
    static func translating<T>(_ call: () throws -> T) throws(ThroughlineError) -> T {
        do { return try call() } catch let error as TelemetryError {
            switch error {
            case .InvalidConfig(let reason): throw .invalidConfiguration(reason)
            case .Storage(let reason): throw .storage(reason)
            case .Closed(let reason): throw .closed(reason)
            }
        } catch {
            throw .storage("\(error)")
        }
    }
}
