import Foundation

/// What an error says about why something has ended. Requests and operations that were cancelled
/// have not failed, and the word for a request that has timed out is the same in every language.
extension Error {
    /// Whether the error says that the work was cancelled, by the app or by its user.
    var isCancellation: Bool { saysOrWraps { $0.saysCancelled } }

    /// Whether the error says that a request was not answered in time.
    var isTimeout: Bool { saysOrWraps { $0.saysTimedOut } }

    /// The name by which errors of one kind are found: the type, or the domain and the code of an
    /// error of Objective-C's or of a request, which all have one type.
    var kindName: String {
        if let error = self as? URLError { return "URLError.\(error.code.rawValue)" }
        if Swift.type(of: self as Any) is NSError.Type {
            let error = self as NSError
            return "\(error.domain == NSURLErrorDomain ? "URLError" : error.domain).\(error.code)"
        }
        return Self.withoutAddresses(String(reflecting: Swift.type(of: self)))
    }

    /// The name of a private type says where the type lies in memory, which is another place in
    /// every process: `App.(unknown context at $10a8b2c).Refused`.
    private static func withoutAddresses(_ name: String) -> String {
        let mark = "(unknown context at $"
        if !name.contains(mark) { return name }
        let parts = name.components(separatedBy: mark)
        let rest = parts.dropFirst().map { part in
            part.range(of: ").").map { String(part[$0.upperBound...]) } ?? part
        }
        return parts[0] + rest.joined()
    }

    /// Whether this error or one that it was made of says something. Libraries wrap the errors of
    /// the system.
    private func saysOrWraps(_ says: (any Error) -> Bool) -> Bool {
        var error: any Error = self
        // As many as anybody has written; an error may refer to itself.
        for _ in 0..<8 {
            if says(error) { return true }
            guard let inner = (error as NSError).userInfo[NSUnderlyingErrorKey] as? any Error else { return false }
            error = inner
        }
        return false
    }

    private var saysCancelled: Bool {
        if self is CancellationError { return true }
        let error = self as NSError
        return switch (error.domain, error.code) {
        case (NSURLErrorDomain, URLError.Code.cancelled.rawValue): true
        case (NSCocoaErrorDomain, CocoaError.Code.userCancelled.rawValue): true
        case (NSPOSIXErrorDomain, Int(POSIXErrorCode.ECANCELED.rawValue)): true
        default: false
        }
    }

    private var saysTimedOut: Bool {
        let error = self as NSError
        return switch (error.domain, error.code) {
        case (NSURLErrorDomain, URLError.Code.timedOut.rawValue): true
        case (NSPOSIXErrorDomain, Int(POSIXErrorCode.ETIMEDOUT.rawValue)): true
        default: false
        }
    }
}
