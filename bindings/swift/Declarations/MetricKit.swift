@_exported import Foundation
@_exported import ObjectiveC

public protocol MXMetricManagerSubscriber: NSObject {
    func didReceive(_ payloads: [MXMetricPayload])
    func didReceive(_ payloads: [MXDiagnosticPayload])
}

public final class MXMetricManager: NSObject {
    public class var shared: MXMetricManager { fatalError() }
    public func add(_ subscriber: any MXMetricManagerSubscriber) {}
    public func remove(_ subscriber: any MXMetricManagerSubscriber) {}
    public var pastPayloads: [MXMetricPayload] { fatalError() }
    public var pastDiagnosticPayloads: [MXDiagnosticPayload] { fatalError() }
}

public final class MXMetricPayload: NSObject {
    public func jsonRepresentation() -> Data { fatalError() }
}

public final class MXDiagnosticPayload: NSObject {
    public func jsonRepresentation() -> Data { fatalError() }
}
