import Foundation
import XCTest
#if canImport(FoundationNetworking)
import FoundationNetworking
#endif
@testable import Throughline
#if canImport(Darwin)
import Darwin
#else
import Glibc
#endif

/// Something that arrived at the inspector: a log record or a span.
struct Seen {
    let signal, name, trace, span, parent, body: String
    let timeNs: Int64
    let attributes: [String: String]

    init(_ json: [String: Any]) {
        func text(_ key: String) -> String { json[key] as? String ?? "" }
        (signal, name, trace, span, parent, body) =
            (text("signal"), text("name"), text("trace"), text("span"), text("parent"), text("body"))
        timeNs = (json["time_ns"] as? NSNumber)?.int64Value ?? 0
        attributes = (json["attributes"] as? [String: Any] ?? [:]).mapValues { value in
            if let text = value as? String { return text }
            return "\(value)"
        }
    }

    /// What an action is called: `Cart.items.Update`, `checkout`.
    var action: String { attributes["rum.action.type"] == nil ? "" : body }
}

/// `throughline inspect` in a process of its own, as a developer runs it.
final class Inspector {
    let url: String
    /// A backend that continues traces, if one was asked for.
    let backend: String
    private let process = Process()

    init(withBackend: Bool = false) throws {
        guard let program = ProcessInfo.processInfo.environment["THROUGHLINE_CLI"] else {
            throw XCTSkip("THROUGHLINE_CLI names no `throughline` program")
        }
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = ["inspect", "--port", "0", "--json"] + (withBackend ? ["--sample-backend"] : [])
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        var line = Data()
        while !line.contains(10) {
            let more = output.fileHandleForReading.availableData
            if more.isEmpty { break }
            line.append(more)
        }
        let said = try JSONSerialization.jsonObject(with: line) as? [String: String] ?? [:]
        url = said["url"] ?? ""
        backend = said["backend"] ?? ""
    }

    deinit {
        process.terminate()
        process.waitUntilExit()
    }

    func json(_ path: String) throws -> [[String: Any]] {
        let data = try Data(contentsOf: URL(string: url + path)!)
        let json = try JSONSerialization.jsonObject(with: data)
        return json as? [[String: Any]] ?? (json as? [String: Any])?["items"] as? [[String: Any]] ?? []
    }

    /// Everything of every session.
    func seen() throws -> [Seen] {
        try json("/api/sessions").flatMap { session in
            try json("/api/session/\(session["id"] as? String ?? "")").map(Seen.init)
        }
    }

    func trace(_ id: String) throws -> [Seen] { try json("/api/trace/\(id)").map(Seen.init) }
}

/// Throughline with an inspector and a directory of its own, for one test.
final class App {
    let inspector: Inspector
    let directory: URL
    var configuration: Configuration

    init(withBackend: Bool = false) throws {
        inspector = try Inspector(withBackend: withBackend)
        directory = FileManager.default.temporaryDirectory.appendingPathComponent("throughline-\(UUID())")
        configuration = Configuration(serviceName: "swift-test", endpoint: inspector.url)
        configuration.directory = directory
        configuration.environment = .test
        configuration.flushInterval = 3_600
        configuration.flushEvents = 1_000_000
        configuration.startJitter = false
        configuration.selfReport = false
    }

    deinit {
        if Throughline.isRunning { _ = try? Throughline.shutdown() }
        try? FileManager.default.removeItem(at: directory)
    }

    @discardableResult
    func start(_ consent: Throughline_Consent = .granted) throws -> App {
        try Throughline.start(configuration, consent: consent)
        return self
    }

    /// Everything that was recorded, as the inspector has it.
    func seen() throws -> [Seen] {
        // Coalescing windows and settling actions end within this time.
        Thread.sleep(forTimeInterval: 0.6)
        let outcome = try Throughline.flush(timeout: 20)
        XCTAssertTrue(outcome.isComplete, "\(outcome)")
        return try inspector.seen()
    }
}

typealias Throughline_Consent = Consent

/// A server of the app's own on the loopback: keeps what it is asked, answers what it is told.
final class Server: @unchecked Sendable {
    struct Asked {
        let path: String
        let headers: [String: String]
    }

    private let lock = NSLock()
    private var all: [Asked] = []
    private let listener: Int32
    let port: UInt16

    /// Answers with a status line's rest and headers: `302 Found\r\nlocation: /x`.
    init(_ answer: @escaping @Sendable (Asked) -> String = { _ in "200 OK" }) {
        #if canImport(Darwin)
        listener = socket(AF_INET, SOCK_STREAM, 0)
        #else
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        #endif
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let fd = listener
        port = withUnsafeMutablePointer(to: &address) { address in
            address.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                precondition(bind(fd, generic, length) == 0)
                precondition(listen(fd, 256) == 0)
                precondition(getsockname(fd, generic, &length) == 0)
            }
            return UInt16(bigEndian: address.pointee.sin_port)
        }
        let serve: @Sendable (Int32) -> Void = { [weak self] in self?.serve($0, answer) }
        Thread.detachNewThread {
            while true {
                let client = accept(fd, nil, nil)
                if client < 0 { return }
                Thread.detachNewThread { serve(client) }
            }
        }
    }

    deinit {
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
    }

    private func serve(_ client: Int32, _ answer: (Asked) -> String) {
        defer { close(client) }
        var data = Data()
        var buffer = [UInt8](repeating: 0, count: 4_096)
        while data.range(of: Data("\r\n\r\n".utf8)) == nil {
            let size = recv(client, &buffer, buffer.count, 0)
            if size <= 0 { return }
            data.append(contentsOf: buffer[..<size])
        }
        let lines = String(decoding: data, as: UTF8.self).components(separatedBy: "\r\n")
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { continue }
            headers[line[..<colon].lowercased()] = line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
        }
        let asked = Asked(path: lines[0].components(separatedBy: " ")[1], headers: headers)
        lock.lock()
        all.append(asked)
        lock.unlock()
        let text = "HTTP/1.1 \(answer(asked))\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}"
        _ = text.withCString { send(client, $0, strlen($0), noSignal) }
    }

    var asked: [Asked] {
        lock.lock()
        defer { lock.unlock() }
        return all
    }

    func asked(_ path: String) -> Asked? { asked.first { $0.path == path } }

    /// Under a name that the tests list, and under one that they do not.
    var listed: String { "http://localhost:\(port)" }
    var unlisted: String { "http://127.0.0.1:\(port)" }
}

#if canImport(Darwin)
private let noSignal: Int32 = 0
#else
private let noSignal = Int32(MSG_NOSIGNAL)
#endif
