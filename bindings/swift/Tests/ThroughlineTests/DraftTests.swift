import Foundation
import XCTest
@testable import Throughline

/// Compares what is written with the vectors that the core reads.
final class DraftTests: XCTestCase {
    func testEveryVectorIsWrittenAsItSays() throws {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../../../tests/vectors/draft.json")
        let json = try JSONSerialization.jsonObject(with: Data(contentsOf: file)) as! [String: Any]
        let vectors = json["drafts"] as! [[String: Any]]
        XCTAssertGreaterThan(vectors.count, 50)
        for vector in vectors {
            let written = bytes { write(vector, &$0) }
            XCTAssertEqual(
                written.map { String(format: "%02x", $0) }.joined(), vector["hex"] as! String,
                "\(vector["vector"]!)")
        }
    }

    func testTextOfTenMegabytesIsCutBetweenCharacters() {
        let huge = String(repeating: "é", count: 5_000_000)
        let written = bytes {
            $0.begin(.custom, context: 0)
            $0.text("x" + huge)
            $0.attributes([huge: huge, "bytes": [UInt8](repeating: 1, count: 10_000_000)])
        }
        XCTAssertLessThan(written.count, 16_384)
        let name = written.dropFirst(DraftLayout.headerBytes + 4).prefix(Limit.nameBytes)
        XCTAssertFalse(String(decoding: name.prefix(Limit.nameBytes - 1), as: UTF8.self).contains("\u{FFFD}"))
    }

    func testListsBeyondEightDeepAndWideOnesAreCut() {
        var deep: any AttributeValue = 1
        for _ in 0..<20 { deep = AttributeList([deep]) }
        var wide: any AttributeValue = 1
        for _ in 0..<8 { wide = AttributeList(Array(repeating: wide, count: 500)) }
        let written = bytes {
            $0.begin(.custom, context: 0)
            $0.text("x")
            $0.attributes(["deep": deep, "wide": wide])
        }
        XCTAssertLessThan(written.count, 256 * 1_024)
    }

    private func bytes(_ write: (inout Draft) -> Void) -> [UInt8] {
        withUnsafeTemporaryAllocation(byteCount: 64, alignment: 8) { memory in
            var draft = Draft(memory)
            defer { draft.free() }
            write(&draft)
            return [UInt8](UnsafeRawBufferPointer(start: draft.bytes, count: draft.length))
        }
    }

    private func write(_ vector: [String: Any], _ draft: inout Draft) {
        func text(_ key: String) -> String { vector[key] as! String }
        func number(_ key: String) -> UInt64 {
            (vector[key] as? String).flatMap { UInt64($0) } ?? (vector[key] as? NSNumber)?.uint64Value ?? 0
        }
        func flag(_ key: String) -> Bool { vector[key] as! Bool }
        func code(_ key: String, _ names: [String], from first: Int = 1) -> UInt8 {
            UInt8(names.firstIndex(of: text(key))! + first)
        }
        let call = text("call")
        draft.begin(
            Self.calls[call]!, context: number("context"), suppressed: UInt32(number("suppressed")),
            timeNs: number("time_ns"))
        let long = Limit.stackBytes
        let types = ["tap", "scroll", "swipe", "back", "custom"]
        switch call {
        case "action", "start_action":
            draft.u8(code("type", types))
            draft.text(text("name"))
        case "resource":
            draft.text(text("method"))
            draft.text(text("url"), limit: Limit.urlBytes)
            draft.u16(UInt16(number("status")))
            draft.u64(number("duration_ns"))
            draft.i64(Int64(text("bytes"))!)
            draft.text(text("error_type"))
        case "error":
            draft.u8(code("kind", ["handled", "crash", "hang", "anr", "out_of_memory"]))
            draft.u8(code("source", ["source", "network", "logger", "web_view", "custom"]))
            for key in ["error_type", "message", "stack"] { draft.text(text(key), limit: long) }
        case "long_task":
            draft.u64(number("duration_ns"))
            draft.flag(flag("frozen"))
        case "vital":
            draft.text(text("name"))
            draft.f64(vector["value"] as! Double)
            draft.text(text("unit"))
        case "custom", "start_view", "push_view": draft.text(text("name"))
        case "log":
            draft.u8(["trace": 1, "debug": 5, "info": 9, "warn": 13, "error": 17, "fatal": 21][text("severity")]!)
            draft.text(text("body"), limit: long)
            draft.text(text("logger"))
        case "measurement":
            draft.u8(code("instrument", ["counter", "up_down_counter", "gauge", "histogram"]))
            draft.text(text("name"))
            draft.text(text("unit"))
            draft.f64(vector["value"] as! Double)
        case "start_operation", "start_span", "span_event":
            draft.u64(number("slot"))
            draft.text(text("name"))
        case "span_attributes": draft.u64(number("slot"))
        case "span_link":
            draft.u64(number("slot"))
            draft.u64(number("other"))
        case "end_span":
            draft.u64(number("slot"))
            draft.u8(code("outcome", ["abandoned", "succeeded", "failed", "cancelled", "timed_out"], from: 0))
            draft.text(text("error_type"))
            draft.text(text("message"), limit: long)
        case "read_context":
            draft.u64(number("slot"))
            let headers = vector["headers"] as! [[String]]
            draft.u16(UInt16(headers.count))
            for part in headers.joined() { draft.text(part, limit: long) }
        case "action_context":
            draft.u64(number("slot"))
        case "keep_context":
            draft.text(text("key"))
        case "take_context":
            draft.u64(number("slot"))
            draft.text(text("key"))
        case "retry":
            draft.u64(number("slot"))
            draft.u32(UInt32(number("attempt")))
        case "start_request":
            draft.u64(number("slot"))
            draft.text(text("method"))
            draft.text(text("url"), limit: long)
        case "end_request":
            draft.u64(number("slot"))
            draft.u16(UInt16(number("status")))
            draft.i64(Int64(text("bytes"))!)
            draft.text(text("protocol"))
            draft.text(text("error_type"))
            let phases = vector["phases"] as! [[String]]
            draft.u8(UInt8(phases.count))
            for phase in phases {
                draft.u8(UInt8(["dns", "connect", "tls", "first_byte", "download"].firstIndex(of: phase[0])! + 1))
                draft.u64(UInt64(phase[1])!)
                draft.u64(UInt64(phase[2])!)
            }
        case "declare_store":
            draft.u32(UInt32(number("store")))
            draft.text(text("name"))
            draft.text(text("policy"), limit: long)
        case "mutation":
            draft.u32(UInt32(number("store")))
            draft.u8(code("kind", ["set", "insert", "delete", "replace", "batch"]))
            draft.text(text("path"), limit: long)
            draft.optionalValue(value(vector["old"]!))
            draft.optionalValue(value(vector["new"]!))
        case "decide":
            draft.u32(UInt32(number("store")))
            draft.text(text("path"), limit: long)
        case "update_policy":
            draft.u32(UInt32(number("store")))
            draft.text(text("policy"), limit: long)
        case "suppressed": draft.u32(UInt32(number("store")))
        case "frames": draft.u64(number("count"))
        case "slow_frame", "cpu_time", "initial_display": draft.u64(number("duration_ns"))
        case "memory": draft.u64(number("bytes"))
        case "process_start":
            draft.text(text("start_type"))
            draft.u64(number("duration_ns"))
        case "sync_failure":
            draft.text(text("rpc"))
            draft.text(text("code"))
            draft.u32(UInt32(number("retries")))
            draft.flag(flag("offline"))
        case "queue_flush":
            draft.u64(number("depth"))
            draft.flag(flag("ok"))
        case "report_problem": draft.text(text("message"), limit: long)
        case "global_attribute":
            draft.text(text("key"))
            draft.optionalValue(value(vector["value"]!))
        case "feature_flag":
            draft.text(text("name"))
            draft.optionalValue(value(vector["value"]!))
        default: break
        }
        guard let attributes = vector["attributes"] as? [[Any]] else { return }
        var pairs: Attributes = [:]
        pairs.pairs = attributes.map { ($0[0] as! String, value($0[1])!) }
        draft.attributes(pairs)
    }

    private func value(_ json: Any) -> (any AttributeValue)? {
        let (kind, value) = (json as! [String: Any]).first!
        switch kind {
        case "none": return nil
        case "bool": return value as! Bool
        case "int": return (value as? String).map { Int64($0)! } ?? (value as! NSNumber).int64Value
        case "double": return (value as? String).map { $0 == "NaN" ? Double.nan : -Double.infinity } ?? (value as! Double)
        case "text": return value as! String
        case "bytes":
            let hex = Array(value as! String)
            return stride(from: 0, to: hex.count, by: 2).map { UInt8(String(hex[$0...($0 + 1)]), radix: 16)! }
        case "list": return AttributeList((value as! [Any]).map { self.value($0)! })
        default:
            var map: Attributes = [:]
            map.pairs = (value as! [[Any]]).map { ($0[0] as! String, self.value($0[1])!) }
            return map
        }
    }

    private static let calls: [String: Call] = [
        "action": .action, "resource": .resource, "error": .error, "long_task": .longTask, "vital": .vital,
        "custom": .custom, "log": .log, "measurement": .measurement, "start_view": .startView, "push_view": .pushView,
        "stop_view": .stopView, "mark_interactive": .markInteractive, "start_action": .startAction,
        "renew_session": .renewSession, "start_operation": .startOperation, "start_span": .startSpan,
        "span_attributes": .spanAttributes, "span_event": .spanEvent, "span_link": .spanLink, "end_span": .endSpan,
        "read_context": .readContext, "retry": .retry, "start_request": .startRequest, "end_request": .endRequest,
        "action_context": .actionContext, "keep_context": .keepContext, "take_context": .takeContext,
        "declare_store": .declareStore, "mutation": .mutation, "decide": .decide, "update_policy": .updatePolicy,
        "suppressed": .suppressed, "frames": .frames, "slow_frame": .slowFrame, "memory": .memory,
        "cpu_time": .cpuTime, "process_start": .processStart, "initial_display": .initialDisplay,
        "sync_failure": .syncFailure, "queue_flush": .queueFlush, "report_problem": .reportProblem, "user": .user,
        "global_attribute": .globalAttribute, "feature_flag": .featureFlag,
    ]
}
