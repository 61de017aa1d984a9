/// The name of a method; the compiler wants one field.
public struct Selector: @unchecked Sendable {
    var ptr: OpaquePointer
}
