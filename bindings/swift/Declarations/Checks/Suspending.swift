// What must not compile: a context that is set for a body which does not suspend would be lost, or
// would be seen by other code of the same thread, if the body could suspend. The compiler compares
// its errors with those that are expected here.
import Dispatch
import Throughline

func suspend() async {}

func contextOfABodyThatSuspends(_ context: TraceContext) { // expected-note {{add 'async'}}
    context.run { await suspend() } // expected-error {{'async' call in a function that does not}}
}

func operationOfABodyThatSuspends() { // expected-note {{add 'async'}}
    Throughline.operation("Rename") { _ in await suspend() } // expected-error {{'async' call in a function that does not}}
}

func bodyThatSuspendsForAQueue(_ queue: DispatchQueue) {
    // expected-error@+2 {{to parameter expecting synchronous function type}}
    // expected-note@+1 {{'async' inferred from asynchronous operation}}
    queue.async(execute: Throughline.bind { await suspend() })
}

func bodyThatSuspendsAsOneThatDoesNot(_ context: TraceContext) async {
    let body: () async -> Void = { await suspend() }
    let run: (() throws -> Void) throws -> Void = context.run
    try? run(body) // expected-error {{to parameter expecting synchronous function type}}
}

// Bodies that do not suspend, and bodies that suspend where that is possible.
func whatCompiles(_ context: TraceContext, _ queue: DispatchQueue) async throws {
    context.run {}
    try context.run { throw CancellationError() }
    await context.run { await suspend() }
    queue.async(execute: Throughline.bind {})
    await Task.detached(operation: Throughline.bind {}).value
    try await Task.detached(operation: Throughline.bind { await suspend() }).value
    await Throughline.operation("Rename") { _ in await suspend() }
}
