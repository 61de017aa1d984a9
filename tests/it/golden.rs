//! Every later version must be able to read what is written today. One golden file for each kind of
//! event pins the form.

use std::path::Path;
use std::time::Duration;

use throughline::Value;
use throughline::event::*;
use throughline::internals::decode::{Context, Record, Scope};
use throughline::internals::encode::{ContextAttributes, Stamp, encode, encode_context, encode_scope};
use throughline::internals::scrub::Scrubbing;
use uuid::Uuid;

fn samples() -> Vec<(&'static str, Vec<u8>)> {
    let id = Uuid::from_u128(0x0123_4567_89ab_4def_8123_4567_89ab_cdef);
    let trace = TraceContext { trace_id: [0xab; 16], span_id: [0xcd; 8], sampled: true };
    let list = [Value::Int(-1), Value::Text("ü")];
    let map = [("k", Value::Bool(true))];
    let attributes = [
        ("text", "value".into()),
        ("int", Value::Int(i64::MIN)),
        ("double", Value::Double(-0.5)),
        ("bytes", Value::Bytes(&[0, 255])),
        ("list", Value::List(&list)),
        ("map", Value::Map(&map)),
    ];
    let stamp = Stamp { time_delta: 1_234_567, context: 1, scope: 2, ..Stamp::default() };
    let events = [SpanEvent { name: "retry", time_ns: 9, attributes: &map }];
    let mut view = View::new(id, "Cart").trace(trace);
    (view.version, view.time_spent, view.loading_time, view.action_count) =
        (3, Duration::from_nanos(5), Some(Duration::from_nanos(7)), 2);
    let links = [trace];
    let mut span = Span::new("Checkout", trace, Duration::from_nanos(77)).parent_span([1; 8]).attributes(&attributes);
    (span.events, span.links, span.status) = (&events, &links, SpanStatus::Error);
    let (bounds, buckets) = ([1.0], [2, 3]);
    let histogram =
        MetricData::Histogram { bounds: &bounds, buckets: &buckets, sum: 4.5, temporality: Temporality::Delta };
    let phases =
        [PhaseTime { phase: Phase::FirstByte, start: Duration::from_nanos(2), duration: Duration::from_nanos(300) }];
    let mut session = Session::new(SessionChange::Start, id, "user_app_launch");
    session.previous = Some(Uuid::nil());
    let all: Vec<(&'static str, Box<dyn Event>)> = vec![
        ("session", Box::new(session)),
        ("view", Box::new(view)),
        ("action", Box::new(Action::tap("buy").id(id).trace(trace).attributes(&attributes))),
        (
            "resource",
            Box::new(Resource::new("GET", "https://a/b", 404, Duration::from_nanos(9)).size(3).parent_span([2; 8])),
        ),
        (
            "resource_phases",
            Box::new(Resource::new("GET", "https://a/b", 404, Duration::from_nanos(9)).phases(&phases)),
        ),
        ("error", Box::new(ErrorEvent::new("E", "message").stack("frames").action_id(id))),
        ("crash", Box::new(ErrorEvent::crash("SIGSEGV", "at 0", "main"))),
        ("long_task", Box::new(LongTask::new(Duration::from_nanos(800_000_000)))),
        ("vital", Box::new(Vital::new("ttid", 0.25, "s"))),
        ("custom", Box::new(Custom::new("promo").at(5))),
        ("log", Box::new(Log::new(Severity::Warn, "careful"))),
        ("metric", Box::new(Metric::new("m", "By", histogram))),
        ("span", Box::new(span)),
    ];
    let mut samples = Vec::new();
    for (name, event) in &all {
        let mut bytes = Vec::new();
        assert!(encode(&**event, stamp, &mut bytes));
        samples.push((*name, bytes));
    }
    let mut bytes = Vec::new();
    for (name, records) in [("context", &attributes[..0]), ("context_of_records", &attributes[..2])] {
        let context = ContextAttributes { resource: &attributes, records };
        encode_context(context, Scrubbing::default(), &mut bytes);
        samples.push((name, std::mem::take(&mut bytes)));
    }
    encode_scope(id, Some((id, "Cart")), &mut bytes);
    samples.push(("scope", bytes));
    samples
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// With `THROUGHLINE_BLESS=1` missing files are written. A file that is there is never changed,
/// because its form must stay readable.
#[test]
fn todays_form_is_the_golden_one_and_golden_files_decode() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v1");
    for (name, bytes) in samples() {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let (form, meaning) = (dir.join(format!("{name}.hex")), dir.join(format!("{name}.txt")));
        let decoded = match name {
            "context" | "context_of_records" => format!("{:#?}\n", Context::decode(&bytes).unwrap()),
            "scope" => format!("{:#?}\n", Scope::decode(&bytes).unwrap()),
            _ => format!("{:#?}\n", Record::decode(&bytes).unwrap()),
        };
        if std::env::var_os("THROUGHLINE_BLESS").is_some() && !form.exists() {
            std::fs::create_dir_all(&dir).unwrap();
            std::fs::write(&form, format!("{hex}\n")).unwrap();
            std::fs::write(&meaning, &decoded).unwrap();
        }
        assert_eq!(read(&form).trim(), hex, "{name}: the canonical form changed");
        assert_eq!(read(&meaning), decoded, "{name}: the golden bytes mean something else");
    }
}
