//! Spans (`opentelemetry/proto/trace/v1/trace.proto`): spans proper, and requests as
//! CLIENT spans.

use super::attributes::{Attributes, dropped_attributes, last_of_each};
use crate::model::config::{host_of, port_of};
use crate::model::event::encode::field;
use crate::model::event::{EventKind, Phase, PhaseTime, SpanKind, SpanStatus, TraceContext};
use crate::model::export::ExportRow;
use crate::model::names::{semconv, words};
use crate::model::time::nanos;
use crate::wire::export::tree::Tree;

/// What a span or a request is called, how it ended, and its attributes.
pub(super) struct Facts<'a> {
    pub(super) name: &'a str,
    /// One of `SpanStatus`.
    pub(super) status: u32,
    pub(super) attributes: Attributes<'a>,
}

pub(super) fn facts<'a>(row: &'a ExportRow<'_>) -> Facts<'a> {
    let record = &row.record;
    let mut attributes = Attributes::of_span(row);
    let is_request = record.kind == EventKind::Resource;
    let (original, url) = (record.text(field::METHOD).unwrap_or_default(), record.text(field::URL).unwrap_or_default());
    let method = known_method(original);
    let status = if is_request {
        let code = record.uint(field::STATUS);
        attributes.text(semconv::HTTP_METHOD, Some(method.unwrap_or(words::OTHER)));
        attributes.text(semconv::HTTP_METHOD_ORIGINAL, Some(original).filter(|original| method != Some(original)));
        attributes.text(semconv::URL_FULL, Some(url));
        attributes.text(semconv::SERVER_ADDRESS, host_of(url));
        attributes.count(semconv::SERVER_PORT, port_of(url).map(u64::from));
        attributes.count(semconv::HTTP_STATUS, code);
        attributes.count(semconv::HTTP_RESPONSE_SIZE, record.uint(field::SIZE));
        attributes.text(semconv::PROTOCOL_VERSION, record.text(field::PROTOCOL).map(http_version));
        attributes.text(semconv::ERROR_TYPE, record.text(field::ERROR_TYPE));
        let failed = match code {
            Some(code) => code >= 400,
            // A cancelled request is not counted among those that the backend has failed.
            None => record.text(field::ERROR_TYPE) != Some(words::ERROR_CANCELLED),
        };
        if failed {
            attributes
                .owned(semconv::ERROR_TYPE, code.map_or_else(|| words::OTHER.to_owned(), |code| code.to_string()));
        }
        if failed { SpanStatus::Error as u32 } else { SpanStatus::Unset as u32 }
    } else {
        record.uint(field::STATUS).unwrap_or(0).min(2) as u32
    };
    attributes.callers(row);
    attributes.globals(row);
    let name =
        if is_request { method.unwrap_or(words::UNKNOWN_METHOD) } else { record.text(field::NAME).unwrap_or("") };
    Facts { name, status, attributes }
}

pub(super) fn span<T: Tree>(tree: &mut T, row: &ExportRow<'_>) {
    let record = &row.record;
    let context = record.trace().unwrap_or_else(|| own_trace(row));
    let resource = record.kind == EventKind::Resource;
    let Facts { name, status, attributes } = facts(row);
    tree.id(1, "traceId", &context.trace_id);
    tree.id(2, "spanId", &context.span_id);
    if let Some(parent) = record.span_id(field::PARENT_SPAN) {
        tree.id(4, "parentSpanId", &parent);
    }
    let kind = if resource { SpanKind::Client as u32 } else { record.uint(field::TYPE).unwrap_or(1).min(5) as u32 };
    tree.text(5, "name", name);
    tree.small(6, "kind", kind);
    tree.fixed64(7, "startTimeUnixNano", row.time_ns);
    tree.fixed64(8, "endTimeUnixNano", row.time_ns.saturating_add(record.uint(field::DURATION).unwrap_or(0)));
    attributes.write(tree, 9);
    tree.small(10, "droppedAttributesCount", dropped_attributes(row));
    let mut events: Vec<_> = record.span_events().collect();
    events.extend(moments(row).into_iter().map(|(name, time)| (name, time, Vec::new())));
    tree.list(11, "events", events.iter(), |tree, (name, time, pairs)| {
        tree.fixed64(1, "timeUnixNano", *time);
        tree.text(2, "name", name);
        let mut attributes = Attributes::default();
        for (key, value) in last_of_each(pairs) {
            attributes.any(key, value);
        }
        attributes.write(tree, 3);
    });
    tree.list(13, "links", record.links(), |tree, link| {
        tree.id(1, "traceId", &link.trace_id);
        tree.id(2, "spanId", &link.span_id);
        tree.fixed32(6, "flags", u32::from(link.sampled));
    });
    let message = if resource { "" } else { record.text(field::MESSAGE).unwrap_or_default() };
    if status != 0 {
        tree.message(15, "status", |tree| {
            tree.text(2, "message", message);
            tree.small(3, "code", status);
        });
    }
    tree.fixed32(16, "flags", u32::from(context.sampled));
}

/// The phases of a request as span events. Their names are those of the Resource Timing API, which
/// OpenTelemetry's instrumentations of browsers use.
fn moments(row: &ExportRow<'_>) -> Vec<(&'static str, u64)> {
    let mut moments = Vec::new();
    let mut phases: Vec<_> = row.record.phases().collect();
    phases.sort_by_key(|time| time.phase as u8);
    for PhaseTime { phase, start, duration } in phases {
        let (first, last) = match phase {
            Phase::Dns => ("domainLookupStart", "domainLookupEnd"),
            Phase::Connect => ("connectStart", "connectEnd"),
            // It ends when the connecting does.
            Phase::Tls => ("secureConnectionStart", ""),
            Phase::FirstByte => ("requestStart", "responseStart"),
            // It starts with the first byte.
            Phase::Download => ("", "responseEnd"),
        };
        let from = row.time_ns.saturating_add(nanos(start));
        moments.push((first, from));
        moments.push((last, from.saturating_add(nanos(duration))));
    }
    moments.retain(|(name, _)| !name.is_empty());
    moments.sort_by_key(|(_, time)| *time);
    moments
}

/// A request that was not traced is a trace of its own, whose ids are taken from the event's.
fn own_trace(row: &ExportRow<'_>) -> TraceContext {
    let id = row.id.into_bytes();
    let (_, span) = id.split_at(8);
    TraceContext { trace_id: id, span_id: span.try_into().unwrap_or([1; 8]), sampled: true }
}

/// A method that the conventions know, whichever case the app has written it in.
fn known_method(method: &str) -> Option<&'static str> {
    words::METHODS.into_iter().find(|known| known.eq_ignore_ascii_case(method))
}

/// The version of HTTP in the name that a network stack gives its protocol: 2 for `h2`, 1.1 for
/// `http/1.1`. A name that is not known stays as it is.
fn http_version(protocol: &str) -> &str {
    match protocol {
        "h2" | "h2c" | "h2_prior_knowledge" => "2",
        "h3" => "3",
        draft if draft.starts_with("h3-") => "3",
        other => match other.split_at_checked(5) {
            Some((name, version)) if name.eq_ignore_ascii_case("http/") => version,
            _ => other,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::http_version;

    #[test]
    fn a_protocol_is_known_by_its_version() {
        let known = [
            ("h2", "2"),
            ("h2_prior_knowledge", "2"),
            ("h3", "3"),
            ("h3-29", "3"),
            ("http/1.1", "1.1"),
            ("HTTP/2", "2"),
        ];
        for (protocol, version) in known {
            assert_eq!(http_version(protocol), version);
        }
        assert_eq!((http_version("spdy/3.1"), http_version("é"), http_version("1.1")), ("spdy/3.1", "é", "1.1"));
    }
}
