/// A property of a plain class whose assignments are mutations of a path:
///
/// ```swift
/// final class Cart {
///     static let store = TracedStore("Cart", policy: StorePolicy(transient: ["isLoading"]))
///     @TracedState(Cart.store.path("isLoading")) var isLoading = false
/// }
/// ```
///
/// Assigning an equal value is no mutation.
@propertyWrapper
public struct TracedState<Value: Equatable> {
    private var value: Value
    private let path: TracedPath

    /// A property with a first value. Setting that is no mutation.
    public init(wrappedValue: Value, _ path: TracedPath) { (value, self.path) = (wrappedValue, path) }

    /// The value.
    public var wrappedValue: Value {
        get { value }
        set {
            let old = value
            value = newValue
            path.set(old, newValue)
        }
    }

    /// The path, to record what is not an assignment.
    public var projectedValue: TracedPath { path }
}
