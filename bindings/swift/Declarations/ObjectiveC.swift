/// The name of a method. The compiler expects one field.
public struct Selector: @unchecked Sendable {
    var ptr: OpaquePointer
}
