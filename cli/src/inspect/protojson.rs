//! OTLP/JSON, as liberally as the JSON form of protobuf allows
//! (<https://protobuf.dev/programming-guides/json/>): 64-bit numbers as texts or as numbers, `NaN`
//! and infinities, enums by name or number, names in lowerCamelCase or as in the `.proto` files,
//! `null` for what is missing, bytes in either alphabet of base64. The ids of traces and spans are
//! hex, as OTLP demands, or base64. What is not known is ignored.
//!
//! A body becomes the same message in protobuf, so the rest of the inspector knows one form.

use anyhow::{Context, Result, anyhow, bail, ensure};
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use opentelemetry_proto::tonic::logs::v1::SeverityNumber;
use opentelemetry_proto::tonic::metrics::v1::AggregationTemporality;
use opentelemetry_proto::tonic::trace::v1::{span::SpanKind, status::StatusCode};
use prost::encoding::{WireType, encode_key, encode_varint};
use serde_json::Value;

/// A message: its fields.
pub(super) struct Shape(&'static [Field]);

/// A field: its name in lowerCamelCase, its number, its type, and whether it is a list.
struct Field(&'static str, u32, Kind, bool);

/// The type of a field, as far as JSON and the wire tell types apart.
enum Kind {
    Text,
    Flag,
    Double,
    Bytes,
    /// The id of a trace or a span.
    Id,
    /// A number of at most so many bits. Whether it is signed, and how it is written.
    Int(u32, bool, Wire),
    /// The number of a value's name.
    Enum(fn(&str) -> Option<i32>),
    Of(&'static Shape),
}

/// How a whole number is written.
#[derive(Clone, Copy)]
enum Wire {
    Varint,
    Zigzag,
    Fixed32,
    Fixed64,
}

const U32: Kind = Kind::Int(32, false, Wire::Varint);
const U64: Kind = Kind::Int(64, false, Wire::Varint);
const I32: Kind = Kind::Int(32, true, Wire::Varint);
const I64: Kind = Kind::Int(64, true, Wire::Varint);
const SINT32: Kind = Kind::Int(32, true, Wire::Zigzag);
const FIXED32: Kind = Kind::Int(32, false, Wire::Fixed32);
const FIXED64: Kind = Kind::Int(64, false, Wire::Fixed64);
const SFIXED64: Kind = Kind::Int(64, true, Wire::Fixed64);

const fn one(name: &'static str, number: u32, kind: Kind) -> Field {
    Field(name, number, kind, false)
}

const fn many(name: &'static str, number: u32, kind: Kind) -> Field {
    Field(name, number, kind, true)
}

static ANY_VALUE: Shape = Shape(&[
    one("stringValue", 1, Kind::Text),
    one("boolValue", 2, Kind::Flag),
    one("intValue", 3, I64),
    one("doubleValue", 4, Kind::Double),
    one("arrayValue", 5, Kind::Of(&Shape(&[many("values", 1, Kind::Of(&ANY_VALUE))]))),
    one("kvlistValue", 6, Kind::Of(&Shape(&[many("values", 1, Kind::Of(&KEY_VALUE))]))),
    one("bytesValue", 7, Kind::Bytes),
    one("stringValueStrindex", 8, I32),
]);
static KEY_VALUE: Shape =
    Shape(&[one("key", 1, Kind::Text), one("value", 2, Kind::Of(&ANY_VALUE)), one("keyStrindex", 3, I32)]);
static RESOURCE: Shape = Shape(&[many("attributes", 1, Kind::Of(&KEY_VALUE)), one("droppedAttributesCount", 2, U32)]);
static SCOPE: Shape = Shape(&[
    one("name", 1, Kind::Text),
    one("version", 2, Kind::Text),
    many("attributes", 3, Kind::Of(&KEY_VALUE)),
    one("droppedAttributesCount", 4, U32),
]);

/// `ExportLogsServiceRequest`.
pub(super) static LOGS: Shape = Shape(&[many("resourceLogs", 1, Kind::Of(&RESOURCE_LOGS))]);
static RESOURCE_LOGS: Shape = Shape(&[
    one("resource", 1, Kind::Of(&RESOURCE)),
    many("scopeLogs", 2, Kind::Of(&SCOPE_LOGS)),
    one("schemaUrl", 3, Kind::Text),
]);
static SCOPE_LOGS: Shape = Shape(&[
    one("scope", 1, Kind::Of(&SCOPE)),
    many("logRecords", 2, Kind::Of(&LOG_RECORD)),
    one("schemaUrl", 3, Kind::Text),
]);
static LOG_RECORD: Shape = Shape(&[
    one("timeUnixNano", 1, FIXED64),
    one("observedTimeUnixNano", 11, FIXED64),
    one("severityNumber", 2, Kind::Enum(|name| SeverityNumber::from_str_name(name).map(i32::from))),
    one("severityText", 3, Kind::Text),
    one("body", 5, Kind::Of(&ANY_VALUE)),
    many("attributes", 6, Kind::Of(&KEY_VALUE)),
    one("droppedAttributesCount", 7, U32),
    one("flags", 8, FIXED32),
    one("traceId", 9, Kind::Id),
    one("spanId", 10, Kind::Id),
    one("eventName", 12, Kind::Text),
]);

/// `ExportTraceServiceRequest`.
pub(super) static TRACES: Shape = Shape(&[many("resourceSpans", 1, Kind::Of(&RESOURCE_SPANS))]);
static RESOURCE_SPANS: Shape = Shape(&[
    one("resource", 1, Kind::Of(&RESOURCE)),
    many("scopeSpans", 2, Kind::Of(&SCOPE_SPANS)),
    one("schemaUrl", 3, Kind::Text),
]);
static SCOPE_SPANS: Shape =
    Shape(&[one("scope", 1, Kind::Of(&SCOPE)), many("spans", 2, Kind::Of(&SPAN)), one("schemaUrl", 3, Kind::Text)]);
static SPAN: Shape = Shape(&[
    one("traceId", 1, Kind::Id),
    one("spanId", 2, Kind::Id),
    one("traceState", 3, Kind::Text),
    one("parentSpanId", 4, Kind::Id),
    one("flags", 16, FIXED32),
    one("name", 5, Kind::Text),
    one("kind", 6, Kind::Enum(|name| SpanKind::from_str_name(name).map(i32::from))),
    one("startTimeUnixNano", 7, FIXED64),
    one("endTimeUnixNano", 8, FIXED64),
    many("attributes", 9, Kind::Of(&KEY_VALUE)),
    one("droppedAttributesCount", 10, U32),
    many("events", 11, Kind::Of(&SPAN_EVENT)),
    one("droppedEventsCount", 12, U32),
    many("links", 13, Kind::Of(&LINK)),
    one("droppedLinksCount", 14, U32),
    one("status", 15, Kind::Of(&STATUS)),
]);
static SPAN_EVENT: Shape = Shape(&[
    one("timeUnixNano", 1, FIXED64),
    one("name", 2, Kind::Text),
    many("attributes", 3, Kind::Of(&KEY_VALUE)),
    one("droppedAttributesCount", 4, U32),
]);
static LINK: Shape = Shape(&[
    one("traceId", 1, Kind::Id),
    one("spanId", 2, Kind::Id),
    one("traceState", 3, Kind::Text),
    many("attributes", 4, Kind::Of(&KEY_VALUE)),
    one("droppedAttributesCount", 5, U32),
    one("flags", 6, FIXED32),
]);
static STATUS: Shape = Shape(&[
    one("message", 2, Kind::Text),
    one("code", 3, Kind::Enum(|name| StatusCode::from_str_name(name).map(i32::from))),
]);

/// `ExportMetricsServiceRequest`.
pub(super) static METRICS: Shape = Shape(&[many("resourceMetrics", 1, Kind::Of(&RESOURCE_METRICS))]);
static RESOURCE_METRICS: Shape = Shape(&[
    one("resource", 1, Kind::Of(&RESOURCE)),
    many("scopeMetrics", 2, Kind::Of(&SCOPE_METRICS)),
    one("schemaUrl", 3, Kind::Text),
]);
static SCOPE_METRICS: Shape =
    Shape(&[one("scope", 1, Kind::Of(&SCOPE)), many("metrics", 2, Kind::Of(&METRIC)), one("schemaUrl", 3, Kind::Text)]);
static METRIC: Shape = Shape(&[
    one("name", 1, Kind::Text),
    one("description", 2, Kind::Text),
    one("unit", 3, Kind::Text),
    one("gauge", 5, Kind::Of(&Shape(&[many("dataPoints", 1, Kind::Of(&NUMBER_POINT))]))),
    one(
        "sum",
        7,
        Kind::Of(&Shape(&[
            many("dataPoints", 1, Kind::Of(&NUMBER_POINT)),
            TEMPORALITY,
            one("isMonotonic", 3, Kind::Flag),
        ])),
    ),
    one("histogram", 9, Kind::Of(&Shape(&[many("dataPoints", 1, Kind::Of(&HISTOGRAM_POINT)), TEMPORALITY]))),
    one(
        "exponentialHistogram",
        10,
        Kind::Of(&Shape(&[many("dataPoints", 1, Kind::Of(&EXPONENTIAL_POINT)), TEMPORALITY])),
    ),
    one("summary", 11, Kind::Of(&Shape(&[many("dataPoints", 1, Kind::Of(&SUMMARY_POINT))]))),
    many("metadata", 12, Kind::Of(&KEY_VALUE)),
]);
const TEMPORALITY: Field =
    one("aggregationTemporality", 2, Kind::Enum(|name| AggregationTemporality::from_str_name(name).map(i32::from)));
static NUMBER_POINT: Shape = Shape(&[
    many("attributes", 7, Kind::Of(&KEY_VALUE)),
    one("startTimeUnixNano", 2, FIXED64),
    one("timeUnixNano", 3, FIXED64),
    one("asDouble", 4, Kind::Double),
    one("asInt", 6, SFIXED64),
    many("exemplars", 5, Kind::Of(&EXEMPLAR)),
    one("flags", 8, U32),
]);
static HISTOGRAM_POINT: Shape = Shape(&[
    many("attributes", 9, Kind::Of(&KEY_VALUE)),
    one("startTimeUnixNano", 2, FIXED64),
    one("timeUnixNano", 3, FIXED64),
    one("count", 4, FIXED64),
    one("sum", 5, Kind::Double),
    many("bucketCounts", 6, FIXED64),
    many("explicitBounds", 7, Kind::Double),
    many("exemplars", 8, Kind::Of(&EXEMPLAR)),
    one("flags", 10, U32),
    one("min", 11, Kind::Double),
    one("max", 12, Kind::Double),
]);
static EXPONENTIAL_POINT: Shape = Shape(&[
    many("attributes", 1, Kind::Of(&KEY_VALUE)),
    one("startTimeUnixNano", 2, FIXED64),
    one("timeUnixNano", 3, FIXED64),
    one("count", 4, FIXED64),
    one("sum", 5, Kind::Double),
    one("scale", 6, SINT32),
    one("zeroCount", 7, FIXED64),
    one("positive", 8, Kind::Of(&BUCKETS)),
    one("negative", 9, Kind::Of(&BUCKETS)),
    one("flags", 10, U32),
    many("exemplars", 11, Kind::Of(&EXEMPLAR)),
    one("min", 12, Kind::Double),
    one("max", 13, Kind::Double),
    one("zeroThreshold", 14, Kind::Double),
]);
static BUCKETS: Shape = Shape(&[one("offset", 1, SINT32), many("bucketCounts", 2, U64)]);
static SUMMARY_POINT: Shape = Shape(&[
    many("attributes", 7, Kind::Of(&KEY_VALUE)),
    one("startTimeUnixNano", 2, FIXED64),
    one("timeUnixNano", 3, FIXED64),
    one("count", 4, FIXED64),
    one("sum", 5, Kind::Double),
    many("quantileValues", 6, Kind::Of(&Shape(&[one("quantile", 1, Kind::Double), one("value", 2, Kind::Double)]))),
    one("flags", 8, U32),
]);
static EXEMPLAR: Shape = Shape(&[
    many("filteredAttributes", 7, Kind::Of(&KEY_VALUE)),
    one("timeUnixNano", 2, FIXED64),
    one("asDouble", 3, Kind::Double),
    one("asInt", 6, SFIXED64),
    one("spanId", 4, Kind::Id),
    one("traceId", 5, Kind::Id),
]);

/// The protobuf form of a body in JSON.
pub(super) fn to_protobuf(message: &Shape, body: &[u8]) -> Result<Vec<u8>> {
    let json = serde_json::from_slice(body)?;
    let mut out = Vec::with_capacity(body.len());
    write_message(message, &json, &mut out)?;
    Ok(out)
}

fn write_message(message: &Shape, json: &Value, out: &mut Vec<u8>) -> Result<()> {
    let Value::Object(entries) = json else { bail!("expected an object, got {}", kind_of(json)) };
    for (key, value) in entries {
        let Some(field) = message.0.iter().find(|field| is_named(field.0, key)) else { continue };
        write_field(field, value, out).with_context(|| format!("in `{key}`"))?;
    }
    Ok(())
}

/// Whether a key is the name of a field, in lowerCamelCase or as in the `.proto` file.
fn is_named(name: &str, key: &str) -> bool {
    let mut key = key.chars();
    for letter in name.chars() {
        match key.next() {
            Some('_') if letter.is_ascii_uppercase() => {
                if key.next() != Some(letter.to_ascii_lowercase()) {
                    return false;
                }
            }
            Some(other) if other == letter => {}
            _ => return false,
        }
    }
    key.next().is_none()
}

fn write_field(Field(_, number, kind, is_list): &Field, json: &Value, out: &mut Vec<u8>) -> Result<()> {
    match (json, is_list) {
        (Value::Null, _) => Ok(()),
        // Packed and single elements are the same to a reader.
        (Value::Array(items), true) => items.iter().try_for_each(|item| write_value(*number, kind, item, out)),
        (other, true) => bail!("expected a list, got {}", kind_of(other)),
        (value, false) => write_value(*number, kind, value, out),
    }
}

fn write_value(number: u32, kind: &Kind, json: &Value, out: &mut Vec<u8>) -> Result<()> {
    match kind {
        Kind::Text => write_bytes(number, text(json)?.as_bytes(), out),
        Kind::Bytes => write_bytes(number, &base64(text(json)?)?, out),
        Kind::Id => write_bytes(number, &id(text(json)?)?, out),
        Kind::Flag => {
            let flag = json.as_bool().ok_or_else(|| anyhow!("expected true or false, got {}", kind_of(json)))?;
            encode_key(number, WireType::Varint, out);
            out.push(u8::from(flag));
        }
        Kind::Double => {
            encode_key(number, WireType::SixtyFourBit, out);
            out.extend_from_slice(&double(json)?.to_le_bytes());
        }
        Kind::Int(bits, is_signed, wire) => write_int(number, whole(json, *bits, *is_signed)?, *wire, out),
        Kind::Enum(by_name) => {
            let known = json.as_str().and_then(by_name).map(i128::from);
            let value = known.map_or_else(|| whole(json, 32, true), Ok)?;
            write_int(number, value, Wire::Varint, out);
        }
        Kind::Of(message) => {
            let mut inner = Vec::new();
            write_message(message, json, &mut inner)?;
            write_bytes(number, &inner, out);
        }
    }
    Ok(())
}

fn write_bytes(number: u32, bytes: &[u8], out: &mut Vec<u8>) {
    encode_key(number, WireType::LengthDelimited, out);
    encode_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

fn write_int(number: u32, value: i128, wire: Wire, out: &mut Vec<u8>) {
    // The lower 64 bits are the two's complement, which protobuf writes.
    let bits = value as u64;
    match wire {
        Wire::Varint | Wire::Zigzag => {
            encode_key(number, WireType::Varint, out);
            let zigzag = (value << 1 ^ value >> 127) as u64;
            encode_varint(if matches!(wire, Wire::Zigzag) { zigzag } else { bits }, out);
        }
        Wire::Fixed32 => {
            encode_key(number, WireType::ThirtyTwoBit, out);
            out.extend_from_slice(&(bits as u32).to_le_bytes());
        }
        Wire::Fixed64 => {
            encode_key(number, WireType::SixtyFourBit, out);
            out.extend_from_slice(&bits.to_le_bytes());
        }
    }
}

fn text(json: &Value) -> Result<&str> {
    json.as_str().ok_or_else(|| anyhow!("expected a text, got {}", kind_of(json)))
}

fn double(json: &Value) -> Result<f64> {
    let number = match json {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => match text.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            // Rust also reads `inf` and `nan`, which are no JSON of protobuf.
            other => other.parse().ok().filter(|number: &f64| number.is_finite()),
        },
        _ => None,
    };
    number.ok_or_else(|| anyhow!("expected a number, got {}", kind_of(json)))
}

/// A whole number of at most so many bits.
fn whole(json: &Value, bits: u32, is_signed: bool) -> Result<i128> {
    let exact = match json {
        Value::Number(number) => number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from)),
        Value::String(text) => {
            text.parse::<i64>().map(i128::from).or_else(|_| text.parse::<u64>().map(i128::from)).ok()
        }
        _ => None,
    };
    let number = match exact {
        Some(number) => number,
        // `1e3` and `1.0` are whole, too.
        None => {
            let number = double(json)?;
            ensure!(number.fract() == 0.0, "expected a whole number, got {number}");
            number as i128
        }
    };
    let highest = if is_signed { (1i128 << (bits - 1)) - 1 } else { (1i128 << bits) - 1 };
    let lowest = if is_signed { -highest - 1 } else { 0 };
    ensure!((lowest..=highest).contains(&number), "{number} is not within {lowest} and {highest}");
    Ok(number)
}

fn base64(text: &str) -> Result<Vec<u8>> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let engine = GeneralPurpose::new(&STANDARD, config.with_decode_allow_trailing_bits(true));
    engine.decode(text.replace('-', "+").replace('_', "/")).map_err(|error| anyhow!("no base64: {error}"))
}

/// The id of a trace (16 bytes) or of a span (8 bytes). It may be missing.
fn id(text: &str) -> Result<Vec<u8>> {
    let is_hex = matches!(text.len(), 16 | 32) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_hex {
        let bytes = base64(text).ok().filter(|bytes| matches!(bytes.len(), 0 | 8 | 16));
        return bytes.ok_or_else(|| anyhow!("no id of a trace or a span: expected 32 or 16 hex digits"));
    }
    let digit = |byte: &u8| char::from(*byte).to_digit(16).unwrap_or_default() as u8;
    let (pairs, _) = text.as_bytes().as_chunks::<2>();
    Ok(pairs.iter().map(|[high, low]| digit(high) << 4 | digit(low)).collect())
}

fn kind_of(json: &Value) -> &'static str {
    match json {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
#[path = "protojson/tests.rs"]
mod tests;
