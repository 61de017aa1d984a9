// A file of an app that imports Throughline beside Apple's frameworks, and names types of both. None
// of Throughline's names may be one of theirs: a file that imports both could use neither, and could
// not even qualify the name, because `Throughline` is a type as well as a module.
import Combine
import CoreData
import Foundation
#if canImport(FoundationNetworking)
import FoundationNetworking
#endif
#if compiler(<6.2)
import Later
#endif
import MapKit
import Network
import Observation
import RegexBuilder
import SwiftUI
import ThroughlineUI
import UIKit
import os

@Observable
final class Basket {
    var items = 0
}

/// Work for a queue, which is Foundation's operation and not a traced one.
final class Import: Operation, @unchecked Sendable {
    override func main() {
        let traced: TracedOperation = Throughline.startOperation("Import")
        let step: TracedSpan = traced.child("read")
        step.succeed()
        traced.succeed()
    }
}

struct BasketScreen: View {
    @Environment(\.dismiss) private var dismiss
    @Environment(Basket.self) private var basket
    @State private var note = ""

    var body: some View {
        Button("Close") { dismiss() }.tracedTap("close")
    }
}

func run(_ queue: OperationQueue) {
    queue.addOperation(Import())
    queue.addOperation(BlockOperation { Throughline.event("imported") })
}

func count(_ numbers: Span<Int>) -> Int { numbers.count }

func sku(in text: String) -> Substring? {
    let pattern = Regex {
        "sku-"
        Capture { OneOrMore(.digit) }
    }
    return text.firstMatch(of: pattern)?.1
}

func configure() -> Configuration {
    var configuration = Configuration(serviceName: "shop")
    let environment: DeploymentEnvironment = .staging
    configuration.environment = environment
    return configuration
}

func policy() -> StorePolicy {
    var policy = StorePolicy()
    let capture: ValueCapture = .summary
    policy.capture = capture
    return policy
}
