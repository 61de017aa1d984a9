// Written by `cargo xtask bindings` from `uniffi/src/draft`. Do not change it by hand.
#pragma once

#include <cstddef>
#include <cstdint>

namespace throughline {

/// The fields of a call in their order, or null if there is no such call: `b` u8, `h` u16,
/// `w` u32, `q` u64, `i` i64, `d` f64, `f` flag, `t` text, `v` value or none,
/// `a` attributes, `H` headers, `p` phases.
constexpr const char *fieldsOf(uint8_t call) {
  switch (call) {
  case 3: // Action
    return "bta";
  case 4: // Resource
    return "tthqita";
  case 5: // Error
    return "bbttta";
  case 6: // LongTask
    return "qfa";
  case 7: // Vital
    return "tdta";
  case 8: // Custom
    return "ta";
  case 9: // Log
    return "btta";
  case 10: // Measurement
    return "bttda";
  case 32: // StartView
    return "t";
  case 33: // PushView
    return "t";
  case 34: // StopView
    return "";
  case 35: // MarkInteractive
    return "";
  case 36: // StartAction
    return "bta";
  case 37: // RenewSession
    return "";
  case 38: // ActionContext
    return "q";
  case 40: // StartOperation
    return "qta";
  case 41: // StartSpan
    return "qta";
  case 42: // SpanAttributes
    return "qa";
  case 43: // SpanEvent
    return "qta";
  case 44: // SpanLink
    return "qq";
  case 45: // EndSpan
    return "qbtt";
  case 46: // ReadContext
    return "qH";
  case 47: // Retry
    return "qw";
  case 48: // StartRequest
    return "qtt";
  case 49: // EndRequest
    return "qhittpa";
  case 50: // KeepContext
    return "t";
  case 51: // TakeContext
    return "qt";
  case 64: // DeclareStore
    return "wtt";
  case 65: // Mutation
    return "wbtvva";
  case 66: // Decide
    return "wt";
  case 67: // UpdatePolicy
    return "wt";
  case 68: // Suppressed
    return "w";
  case 80: // Frames
    return "q";
  case 81: // SlowFrame
    return "q";
  case 82: // Memory
    return "q";
  case 83: // CpuTime
    return "q";
  case 84: // ProcessStart
    return "tq";
  case 85: // InitialDisplay
    return "q";
  case 90: // SyncFailure
    return "ttwf";
  case 91: // QueueFlush
    return "qf";
  case 92: // ReportProblem
    return "t";
  case 100: // User
    return "a";
  case 101: // GlobalAttribute
    return "tv";
  case 102: // FeatureFlag
    return "tv";
  case 255: // Fault
    return "t";
  default:
    return nullptr;
  }
}

/// The version of the layout.
constexpr int64_t DRAFT_LAYOUT_VERSION = 1;
/// The version of the library: bits 32 and above are the major number, 16 to 31 the minor one, 0 to
/// 15 the patch.
constexpr int64_t DRAFT_LAYOUT_LIBRARY_VERSION = 65536;
/// Bytes before the fields.
constexpr int64_t DRAFT_LAYOUT_HEADER_BYTES = 24;
/// Where the header has the time.
constexpr int64_t DRAFT_LAYOUT_TIME_AT = 16;
/// A longer draft is refused. Twice what an event may have, because the core still cuts texts.
constexpr int64_t DRAFT_LAYOUT_MAX_DRAFT_BYTES = 262144;

/// No value, where a value is optional.
constexpr int64_t TAG_NONE = 0;
/// `u8`: 0 is false.
constexpr int64_t TAG_BOOL = 1;
/// `i64`.
constexpr int64_t TAG_INT = 2;
/// `f64`.
constexpr int64_t TAG_DOUBLE = 3;
/// `u32` and that many bytes of UTF-8.
constexpr int64_t TAG_TEXT = 4;
/// `u32` and that many bytes.
constexpr int64_t TAG_BYTES = 5;
/// `u16` and that many values.
constexpr int64_t TAG_LIST = 6;
/// `u16` and that many (text, value).
constexpr int64_t TAG_MAP = 7;

/// Attributes of one call.
constexpr int64_t LIMIT_ATTRIBUTES = 1000;
/// Attributes, lists and maps that would begin after this many bytes are left out.
constexpr int64_t LIMIT_ATTRIBUTES_END_BYTES = 163840;
/// Elements of a list or a map.
constexpr int64_t LIMIT_ELEMENTS = 257;
/// Levels of lists and maps within one another.
constexpr int64_t LIMIT_DEPTH = 8;
/// Bytes of a value of bytes.
constexpr int64_t LIMIT_BLOB_BYTES = 4097;
/// Headers of a message.
constexpr int64_t LIMIT_HEADERS = 64;
/// Bytes of the body of an answer to an upload.
constexpr int64_t LIMIT_RESPONSE_BYTES = 65537;
/// A text as the value of an attribute. In UTF-16 units.
constexpr int64_t LIMIT_TEXT_UNITS = 2050;
/// The key of an attribute. In UTF-16 units.
constexpr int64_t LIMIT_KEY_UNITS = 130;
/// A name, and every other text that has no limit of its own. In UTF-16 units.
constexpr int64_t LIMIT_NAME_UNITS = 514;
/// The message of an error, the body of a log. In UTF-16 units.
constexpr int64_t LIMIT_MESSAGE_UNITS = 16386;
/// The stack of an error. In UTF-16 units.
constexpr int64_t LIMIT_STACK_UNITS = 49154;
/// A path of a store. In UTF-16 units.
constexpr int64_t LIMIT_PATH_UNITS = 1026;
/// A URL: long enough that the core finds the end of a query that it removes. In UTF-16 units.
constexpr int64_t LIMIT_URL_UNITS = 8194;
/// The policy of a store, as JSON. In UTF-16 units.
constexpr int64_t LIMIT_POLICY_UNITS = 65538;

/// It was recorded.
constexpr int64_t ANSWER_DONE = 1;
/// It was not kept: sampled out, no room, switched off. The core has counted it.
constexpr int64_t ANSWER_NOT_KEPT = 0;
/// There is no such client, or it is shut down.
constexpr int64_t ANSWER_CLOSED = -1;
/// The bytes are not a draft.
constexpr int64_t ANSWER_MALFORMED = -2;
/// It names a store or a slot that is not there, or a policy that cannot work. `health` says which.
constexpr int64_t ANSWER_UNKNOWN = -3;

/// How far the version is shifted.
constexpr int64_t PATH_ANSWER_LAYOUT_VERSION_SHIFT = 8;
/// The bits of the code.
constexpr int64_t PATH_ANSWER_LAYOUT_CODE_MASK = 255;
/// The code of a path whose mutations are recorded. Every other code ignores them, and says why: it
/// is 1 + the reason.
constexpr int64_t PATH_ANSWER_LAYOUT_RECORDS = 0;

} // namespace throughline
