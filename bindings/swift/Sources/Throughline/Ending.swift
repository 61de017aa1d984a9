import Foundation

/// What an error says about why something has ended. Requests and operations that were cancelled
/// have not failed, and the word for a request that has timed out is the same in every language.
extension Error {
    /// Whether the error says that the work was cancelled, by the app or by its user.
    var isCancellation: Bool {
        if self is CancellationError { return true }
        let error = self as NSError
        return switch (error.domain, error.code) {
        case (NSURLErrorDomain, URLError.Code.cancelled.rawValue): true
        case (NSCocoaErrorDomain, CocoaError.Code.userCancelled.rawValue): true
        case (NSPOSIXErrorDomain, Int(POSIXErrorCode.ECANCELED.rawValue)): true
        default: false
        }
    }

    /// Whether the error says that a request was not answered in time.
    var isTimeout: Bool {
        let error = self as NSError
        return switch (error.domain, error.code) {
        case (NSURLErrorDomain, URLError.Code.timedOut.rawValue): true
        case (NSPOSIXErrorDomain, Int(POSIXErrorCode.ETIMEDOUT.rawValue)): true
        default: false
        }
    }
}
