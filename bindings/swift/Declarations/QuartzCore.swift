@_exported import Foundation
import ObjectiveC

public typealias CFTimeInterval = Double

open class CADisplayLink: NSObject {
    public init(target: Any, selector: Selector) { fatalError() }
    public var timestamp: CFTimeInterval { fatalError() }
    public var duration: CFTimeInterval { fatalError() }
    public func add(to loop: RunLoop, forMode mode: RunLoop.Mode) { fatalError() }
    public func invalidate() { fatalError() }
}
