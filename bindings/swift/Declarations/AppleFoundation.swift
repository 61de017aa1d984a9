// What Foundation on Linux lacks.
@_exported import Foundation
@_exported import FoundationNetworking

extension URLSessionConfiguration {
    public class func background(withIdentifier identifier: String) -> URLSessionConfiguration { fatalError() }
    public var isDiscretionary: Bool {
        get { fatalError() }
        set { fatalError() }
    }
    public var sessionSendsLaunchEvents: Bool {
        get { fatalError() }
        set { fatalError() }
    }
    public var sharedContainerIdentifier: String? {
        get { fatalError() }
        set { fatalError() }
    }
}

extension FileManager {
    public func containerURL(forSecurityApplicationGroupIdentifier groupIdentifier: String) -> URL? { fatalError() }
}
