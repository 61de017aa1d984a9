// SwiftUI. Compiled where SwiftUI is; not run by the tests, which are Linux's.
#if canImport(SwiftUI)
import SwiftUI
@_exported import Throughline

extension View {
    /// The view is one of RUM's while it is on the screen.
    public func tracedView(_ name: String) -> some View {
        onAppear { Throughline.startView(name) }
    }

    /// Taps on the view are recorded; what the view does with them is left as it is.
    public func tracedTap(_ target: String) -> some View {
        simultaneousGesture(TapGesture().onEnded { Throughline.tap(target) })
    }
}

/// As `@State`, for view structs: assignments, also through the binding, are mutations of a path.
///
/// ```swift
/// @TracedViewState(Screen.store.path("query")) private var query = ""
/// TextField("Search", text: $query)
/// ```
@propertyWrapper
public struct TracedViewState<Value: Equatable>: DynamicProperty {
    @State private var value: Value
    private let path: TracedPath

    public init(wrappedValue: Value, _ path: TracedPath) {
        _value = State(initialValue: wrappedValue)
        self.path = path
    }

    public var wrappedValue: Value {
        get { value }
        nonmutating set {
            let old = value
            value = newValue
            path.set(old, newValue)
        }
    }

    public var projectedValue: Binding<Value> {
        Binding(get: { value }, set: { wrappedValue = $0 })
    }
}

extension Traced {
    /// A binding whose sets are traced: `TextField("Name", text: profile.binding(\.displayName))`.
    @MainActor
    public func binding<Value: Equatable>(_ property: ReferenceWritableKeyPath<Model, Value>) -> Binding<Value> {
        Binding(get: { self[dynamicMember: property] }, set: { self[dynamicMember: property] = $0 })
    }
}
#endif
