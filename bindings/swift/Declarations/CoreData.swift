@_exported import Foundation

open class NSManagedObject: NSObject {}
open class NSManagedObjectContext: NSObject {}
open class NSPersistentStore: NSObject {}
@propertyWrapper public struct FetchRequest<Result> {
    public init() {}
    public var wrappedValue: [Result] { fatalError() }
}
