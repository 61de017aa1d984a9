/// The name of a method. The compiler expects one field.
public struct Selector: @unchecked Sendable {
    var ptr: OpaquePointer
}

/// Foundation declares it. Foundation on Linux does not.
public final class NSException {
    public struct Name { public let rawValue: String }
    public var name: Name { fatalError() }
    public var reason: String? { fatalError() }
    public var callStackReturnAddresses: [Number] { fatalError() }

    /// `NSNumber`, of which Foundation on Linux has its own.
    public struct Number { public let uintValue: UInt }
}

/// Functions of C, which only classes of Objective-C can be handed to.
public func NSGetUncaughtExceptionHandler() -> ((NSException) -> Void)? { fatalError() }
public func NSSetUncaughtExceptionHandler(_: ((NSException) -> Void)?) {}
