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

/// A log record or a span that has arrived at the inspector.
struct Seen {
    let signal, name, trace, span, parent, body: String
    let timeNs: Int64
    let attributes, resource: [String: String]
    /// The events of a span by their names, in ns after its start.
    let moments: [String: Int64]

    init(_ json: [String: Any]) {
        func text(_ key: String) -> String { json[key] as? String ?? "" }
        (signal, name, trace, span, parent, body) =
            (text("signal"), text("name"), text("trace"), text("span"), text("parent"), text("body"))
        timeNs = (json["time_ns"] as? NSNumber)?.int64Value ?? 0
        func texts(_ key: String) -> [String: String] {
            (json[key] as? [String: Any] ?? [:]).mapValues { $0 as? String ?? "\($0)" }
        }
        (attributes, resource) = (texts("attributes"), texts("resource"))
        let events = (json["events"] as? [[String: Any]] ?? []).map { event in
            (event["name"] as? String ?? "", (event["after_ns"] as? NSNumber)?.int64Value ?? 0)
        }
        moments = Dictionary(events) { first, _ in first }
    }

    /// The name of an action: `Cart.items.Update`, `checkout`. Empty for anything else.
    var action: String { attributes["rum.action.type"] == nil ? "" : body }
}

/// Runs `throughline inspect` in a process of its own, as a developer does.
final class Inspector {
    let url: String
    /// The URL of a backend that continues traces. Empty without one.
    let backend: String
    private let process: Child

    init(withBackend: Bool = false) throws {
        // Without the program nothing would be tested, so that the test must fail.
        let program = try XCTUnwrap(
            ProcessInfo.processInfo.environment["THROUGHLINE_CLI"],
            "THROUGHLINE_CLI names no `throughline` program: `cargo xtask test --only swift` sets it")
        let options = ["inspect", "--port", "0", "--json"] + (withBackend ? ["--sample-backend"] : [])
        process = try Child([program] + options)
        let said = try JSONSerialization.jsonObject(with: Data(process.line().utf8)) as? [String: String] ?? [:]
        url = said["url"] ?? ""
        backend = said["backend"] ?? ""
    }

    func json(_ path: String) throws -> [[String: Any]] {
        let data = try Data(contentsOf: URL(string: url + path)!)
        let json = try JSONSerialization.jsonObject(with: data)
        return json as? [[String: Any]] ?? (json as? [String: Any])?["items"] as? [[String: Any]] ?? []
    }

    /// Everything that has arrived, of all sessions.
    func seen() throws -> [Seen] {
        try json("/api/sessions").flatMap { session in
            try json("/api/session/\(session["id"] as? String ?? "")").map(Seen.init)
        }
    }

    func trace(_ id: String) throws -> [Seen] { try json("/api/trace/\(id)").map(Seen.init) }
}

/// A child process whose output is read a line at a time. Foundation's `Process` waits on a run
/// loop, which the threads of asynchronous tests do not have.
final class Child {
    let pid: pid_t
    private let output: Int32
    private var rest: [UInt8] = []

    init(_ arguments: [String], environment: [String: String] = [:]) throws {
        var ends: [Int32] = [0, 0]
        precondition(pipe(&ends) == 0)
        #if canImport(Darwin)
        var actions: posix_spawn_file_actions_t?
        #else
        var actions = posix_spawn_file_actions_t()
        #endif
        posix_spawn_file_actions_init(&actions)
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
        posix_spawn_file_actions_addclose(&actions, ends[0])
        defer { posix_spawn_file_actions_destroy(&actions) }
        let all = ProcessInfo.processInfo.environment.merging(environment) { $1 }.map { "\($0)=\($1)" }
        var argv = arguments.map { strdup($0) } + [nil]
        var envp = all.map { strdup($0) } + [nil]
        defer { for text in argv + envp { free(text) } }
        var pid = pid_t()
        let failed = posix_spawn(&pid, arguments[0], &actions, nil, &argv, &envp)
        close(ends[1])
        guard failed == 0 else { throw POSIXError(.init(rawValue: failed) ?? .ENOENT) }
        (self.pid, output) = (pid, ends[0])
    }

    deinit {
        // Not SIGTERM: threads of dispatch queues block it, and the child inherits that.
        stop(SIGKILL)
        close(output)
    }

    private var isOver = false

    func stop(_ signal: Int32) {
        if isOver { return }
        kill(pid, signal)
        _ = status()
    }

    /// Waits until the process has ended by itself. How it did: see `wait(2)`.
    func status() -> Int32 {
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
        isOver = true
        return status
    }

    /// The next line. Empty at the end.
    func line() -> String {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            if let end = rest.firstIndex(of: 10) {
                defer { rest.removeSubrange(...end) }
                return String(decoding: rest[..<end], as: UTF8.self)
            }
            let size = read(output, &buffer, buffer.count)
            if size <= 0 { return "" }
            rest += buffer[..<size]
        }
    }

    /// The lines up to the end, without half of one.
    func lines() -> [String] {
        var all: [String] = []
        while true {
            let next = line()
            if next.isEmpty { return all }
            all.append(next)
        }
    }
}

/// A client with an inspector and a directory of its own, for one test.
final class App {
    let inspector: Inspector
    let directory: URL
    var configuration: Configuration

    init(withBackend: Bool = false) throws {
        inspector = try Inspector(withBackend: withBackend)
        directory = FileManager.default.temporaryDirectory.appendingPathComponent("throughline-\(UUID())")
        configuration = Configuration(serviceName: "swift-test", endpoint: inspector.url)
        configuration.dataDir = directory
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

    /// Everything that was recorded, as it has arrived at the inspector.
    func seen() throws -> [Seen] {
        // Coalescing windows and actions would end by themselves. This ends them now, so that no
        // test waits for them.
        Recorder.record(.fault) { $0.text("settle") }
        let outcome = try Throughline.flush(timeout: 20)
        XCTAssertTrue(outcome.isComplete, "\(outcome)")
        return try inspector.seen()
    }
}

typealias Throughline_Consent = Consent

/// A server of the app's own. It keeps every request, and answers as the test says.
final class Server: @unchecked Sendable {
    struct Asked {
        let path: String
        let headers: [String: String]
    }

    private let lock = NSLock()
    private var all: [Asked] = []
    private let listener: Int32
    let port: UInt16
    /// What it sends to each client that opens a WebSocket.
    private let messages: [String]

    /// `answer` returns the rest of the status line, and headers: `302 Found\r\nlocation: /x`.
    init(messages: [String] = [], _ answer: @escaping @Sendable (Asked) -> String = { _ in "200 OK" }) {
        self.messages = messages
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
        if let key = headers["sec-websocket-key"] { return converse(client, key) }
        let text = "HTTP/1.1 \(answer(asked))\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}"
        _ = text.withCString { send(client, $0, strlen($0), noSignal) }
    }

    /// Upgrades to a WebSocket (RFC 6455), sends ``messages``, and waits until the client
    /// disconnects.
    private func converse(_ client: Int32, _ key: String) {
        let accepted = Data(sha1(Array((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").utf8))).base64EncodedString()
        var bytes = Array(
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: \(accepted)\r\n\r\n".utf8)
        for message in messages {
            precondition(message.utf8.count < 126)
            bytes += [0x81, UInt8(message.utf8.count)] + Array(message.utf8)
        }
        _ = send(client, bytes, bytes.count, noSignal)
        var buffer = [UInt8](repeating: 0, count: 4_096)
        while recv(client, &buffer, buffer.count, 0) > 0 {}
    }

    var asked: [Asked] {
        lock.lock()
        defer { lock.unlock() }
        return all
    }

    func asked(_ path: String) -> Asked? { asked.first { $0.path == path } }

    /// Its URL with a host that the tests list in `traceHosts`, and with one that they do not.
    var listed: String { "http://localhost:\(port)" }
    var unlisted: String { "http://127.0.0.1:\(port)" }
}

#if canImport(Darwin)
private let noSignal: Int32 = 0
#else
private let noSignal = Int32(MSG_NOSIGNAL)
#endif

/// SHA-1 (RFC 3174), which the handshake of a WebSocket needs.
private func sha1(_ message: [UInt8]) -> [UInt8] {
    var hash: [UInt32] = [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476, 0xC3D2_E1F0]
    var padded = message + [0x80]
    padded += [UInt8](repeating: 0, count: (120 - padded.count % 64) % 64)
    padded += withUnsafeBytes(of: UInt64(message.count * 8).bigEndian, Array.init)
    for block in stride(from: 0, to: padded.count, by: 64) {
        var words = (0..<16).map { at in padded[(block + 4 * at)..<(block + 4 * at + 4)].reduce(0) { $0 << 8 | UInt32($1) } }
        func rotated(_ word: UInt32, _ by: UInt32) -> UInt32 { word << by | word >> (32 - by) }
        for at in 16..<80 { words.append(rotated(words[at - 3] ^ words[at - 8] ^ words[at - 14] ^ words[at - 16], 1)) }
        var (a, b, c, d, e) = (hash[0], hash[1], hash[2], hash[3], hash[4])
        for (at, word) in words.enumerated() {
            let (f, k): (UInt32, UInt32) =
                switch at / 20 {
                case 0: (b & c | ~b & d, 0x5A82_7999)
                case 1: (b ^ c ^ d, 0x6ED9_EBA1)
                case 2: (b & c | b & d | c & d, 0x8F1B_BCDC)
                default: (b ^ c ^ d, 0xCA62_C1D6)
                }
            (a, b, c, d, e) = (rotated(a, 5) &+ f &+ e &+ k &+ word, a, rotated(b, 30), c, d)
        }
        for (at, more) in [a, b, c, d, e].enumerated() { hash[at] &+= more }
    }
    return hash.flatMap { withUnsafeBytes(of: $0.bigEndian, Array.init) }
}
