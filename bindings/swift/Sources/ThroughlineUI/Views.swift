// For SwiftUI. The tests run on Linux, where this file is only compiled against declarations.
#if canImport(SwiftUI)
import SwiftUI
@_exported import Throughline

extension View {
    /// Makes this the current view of the session while it is on the screen and no other traced
    /// view appeared later.
    public func tracedView(_ name: String) -> some View {
        modifier(TracedView(name: name))
    }

    /// Records taps on the view under a name. What the view does with them does not change.
    @available(tvOS 16, *)
    public func tracedTap(_ target: String) -> some View {
        simultaneousGesture(TapGesture().onEnded { Throughline.tap(target) })
    }
}

private struct TracedView: ViewModifier {
    let name: String
    @State private var id = UUID()

    func body(content: Content) -> some View {
        content
            .onAppear { Appearances.shared.appeared(id, as: name) }
            .onDisappear { Appearances.shared.disappeared(id) }
    }
}

/// What `@State` is, for views whose state is traced: assignments, also through the binding, are
/// mutations of a path.
///
/// ```swift
/// @TracedViewState(Screen.store.path("query")) private var query = ""
/// TextField("Search", text: $query)
/// ```
@propertyWrapper
public struct TracedViewState<Value: Equatable>: DynamicProperty {
    @State private var value: Value
    private let path: TracedPath

    /// A state with a first value. Setting that is no mutation.
    public init(wrappedValue: Value, _ path: TracedPath) {
        _value = State(initialValue: wrappedValue)
        self.path = path
    }

    /// The value.
    public var wrappedValue: Value {
        get { value }
        nonmutating set {
            let old = value
            value = newValue
            path.set(old, newValue)
        }
    }

    /// A binding whose assignments are mutations.
    public var projectedValue: Binding<Value> {
        $value[dynamicMember: \.[traced: Place(path: path)]]
    }
}

/// A path as a part of a key path: unlike a closure, that may carry values that are not `Sendable`.
private struct Place: Hashable {
    let path: TracedPath

    static func == (one: Place, other: Place) -> Bool { one.path === other.path }

    func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(path)) }
}

extension Equatable {
    /// The value itself. Setting another one is a mutation of a path.
    fileprivate subscript(traced place: Place) -> Self {
        get { self }
        set {
            let old = self
            self = newValue
            place.path.set(old, newValue)
        }
    }
}

extension Traced {
    /// A binding whose assignments are mutations: `TextField("Name", text:
    /// profile.binding(\.displayName))`.
    @MainActor
    public func binding<Value: Equatable>(_ property: ReferenceWritableKeyPath<Model, Value>) -> Binding<Value> {
        let place = Property(of: self, property)
        return Binding(get: { place.value }, set: { place.value = $0 })
    }
}

/// A property of a traced model, for the closures of a binding. These must be `Sendable`, which
/// models seldom are, but SwiftUI calls them on the main actor, where the binding was made.
private final class Property<Model: AnyObject, Value: Equatable>: @unchecked Sendable {
    private let model: Traced<Model>
    private let property: ReferenceWritableKeyPath<Model, Value>

    init(of model: Traced<Model>, _ property: ReferenceWritableKeyPath<Model, Value>) {
        (self.model, self.property) = (model, property)
    }

    var value: Value {
        get { model[dynamicMember: property] }
        set { model[dynamicMember: property] = newValue }
    }
}
#endif
