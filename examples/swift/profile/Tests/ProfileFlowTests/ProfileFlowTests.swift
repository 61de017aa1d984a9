import Foundation
import XCTest
#if canImport(FoundationNetworking)
import FoundationNetworking
#endif
import ProfileFlow
import Throughline

/// Runs the app's code against the inspector and a backend that continues traces. Nothing is
/// simulated.
final class ProfileFlowTests: XCTestCase {
    private var inspector: Process!
    private var collector = ""
    private var backend = ""
    private let directory = FileManager.default.temporaryDirectory.appendingPathComponent("profile-\(UUID())")

    override func setUpWithError() throws {
        // Without the program nothing would be tested, so that the test must fail.
        let program = try XCTUnwrap(
            ProcessInfo.processInfo.environment["THROUGHLINE_CLI"],
            "THROUGHLINE_CLI names no `throughline` program: `cargo xtask test --only swift` sets it")
        inspector = Process()
        inspector.executableURL = URL(fileURLWithPath: program)
        inspector.arguments = ["inspect", "--port", "0", "--json", "--sample-backend"]
        let output = Pipe()
        inspector.standardOutput = output
        try inspector.run()
        var line = Data()
        while !line.contains(10) {
            let more = output.fileHandleForReading.availableData
            if more.isEmpty { break }
            line.append(more)
        }
        let said = try JSONSerialization.jsonObject(with: line) as! [String: String]
        (collector, backend) = (said["url"]!, said["backend"]!)
        try startTelemetry(collector: collector, dataDir: directory)
    }

    override func tearDown() {
        if Throughline.isRunning { _ = try? Throughline.shutdown() }
        if let inspector { kill(inspector.processIdentifier, SIGKILL) }
        try? FileManager.default.removeItem(at: directory)
    }

    private struct Item {
        let json: [String: Any]
        func text(_ key: String) -> String { json[key] as? String ?? "" }
        func attribute(_ key: String) -> String { (json["attributes"] as? [String: Any])?[key] as? String ?? "" }
    }

    private func items(_ path: String) throws -> [Item] {
        let data = try Data(contentsOf: URL(string: collector + path)!)
        let json = try JSONSerialization.jsonObject(with: data)
        let all = json as? [[String: Any]] ?? (json as? [String: Any])?["items"] as? [[String: Any]] ?? []
        return all.map(Item.init)
    }

    private func updates(_ items: [Item]) -> [Item] {
        items.filter { $0.text("body").hasSuffix(".displayName.Update") }
    }

    private func session() throws -> [Item] {
        XCTAssertTrue(try Throughline.flush(timeout: 20).isComplete)
        return try items("/api/session/\(Throughline.sessionId!)")
    }

    /// Asserts that the request is a child of the operation, and the backend's span a child of the
    /// request.
    private func assertStory(_ operation: Item) async throws {
        for _ in 0..<100 {
            let trace = try items("/api/trace/\(operation.text("trace"))")
            let request = try XCTUnwrap(trace.first {
                $0.attribute("http.request.method") == "PUT" && $0.text("service") == "profile-swift"
            })
            XCTAssertEqual(request.text("parent"), operation.text("span"))
            // The backend sends its span when it likes.
            if trace.contains(where: { $0.text("name") == "PUT /api/me" && $0.text("parent") == request.text("span") }) {
                return
            }
            try await Task.sleep(nanoseconds: 100_000_000)
        }
        XCTFail("no backend span for \(operation.json)")
    }

    func testARenameIsOneStoryFromTheOperationToTheBackendsSpan() async throws {
        let model = await ProfileModel(ProfileAPI(url: backend))
        await model.rename("Ada")
        await model.rename("taken")
        let name = await MainActor.run { model.profile.displayName }
        XCTAssertEqual(name, "Ada")
        let items = try session()
        let succeeded = try XCTUnwrap(items.first { $0.attribute("operation.outcome") == "succeeded" })
        let failed = try XCTUnwrap(items.first { $0.attribute("operation.outcome") == "failed" })
        XCTAssertEqual(updates(items).map { $0.text("body") }, ["UserProfile.displayName.Update"])
        XCTAssertEqual(updates(items).map { $0.text("trace") }, [succeeded.text("trace")])
        let error = items.first { $0.attribute("exception.type") == "ProfileFlow.Refused" }
        XCTAssertEqual(error?.text("trace"), failed.text("trace"))
        XCTAssertFalse(items.contains { $0.text("body").contains("isLoading") })
        let books = try XCTUnwrap(Throughline.health()?.stores["UserProfile"])
        XCTAssertEqual(books.mutations, 5)
        XCTAssertEqual(books.suppressed.values.reduce(0, +), 4)
        try await assertStory(succeeded)
        try await assertStory(failed)
    }

    func testFiftyRenamesAtOnceAreFiftyStories() async throws {
        let backend = backend
        let session = TracedURLSession()
        await withTaskGroup(of: Void.self) { group in
            for n in 0..<50 {
                group.addTask {
                    let model = await ProfileModel(ProfileAPI(url: backend, session: session), name: "UserProfile\(n)")
                    await model.rename("name-\(n)")
                }
            }
        }
        let items = try self.session()
        let operations = items.filter { $0.text("name") == "UpdateDisplayName" && $0.text("signal") == "span" }
        XCTAssertEqual(operations.count, 50)
        XCTAssertEqual(Set(operations.map { $0.text("trace") }).count, 50)
        for operation in operations {
            XCTAssertEqual(updates(items).filter { $0.text("trace") == operation.text("trace") }.count, 1)
            try await assertStory(operation)
        }
    }
}
