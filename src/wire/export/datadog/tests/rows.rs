//! Rows as the queue lends them.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::model::event::decode::{Context, Record, Scope};
use crate::model::event::encode::{Stamp, encode};
use crate::model::event::*;
use crate::model::export::ExportRow;
use crate::model::names;
use crate::model::value::{AnyValue, Value};

pub(super) const TRACE: TraceContext = TraceContext { trace_id: [0xab; 16], span_id: [0xcd; 8], sampled: true };
pub(super) const ID: Uuid = Uuid::from_bytes([7; 16]);
pub(super) const SESSION: Uuid = Uuid::from_bytes([1; 16]);
pub(super) const VIEW: Uuid = Uuid::from_bytes([2; 16]);
pub(super) const ACTION: Uuid = Uuid::from_bytes([0xac; 16]);

/// An event as it is stored.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    bytes: Vec<u8>,
    context: Context,
    scope: Scope,
    pub(super) time_ns: u64,
}

impl Stored {
    pub(super) fn of(event: &(impl Event + ?Sized)) -> Self {
        let mut bytes = Vec::new();
        encode(event, Stamp::default(), &mut bytes);
        let texts = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), AnyValue::Text((*value).to_owned()))).collect()
        };
        let attributes = texts(&[
            ("service.name", "shop"),
            ("service.version", "1.2"),
            ("deployment.environment.name", "production"),
            ("telemetry.sdk.language", "swift"),
            ("os.type", "darwin"),
            ("os.name", "iOS"),
            ("os.version", "17.4.1"),
            ("host.arch", "arm64"),
            ("device.manufacturer", "Apple"),
            ("device.model.identifier", "iPhone16,2"),
            ("app.installation.id", "installation"),
        ]);
        let mut of_records: Vec<(String, AnyValue)> =
            texts(&[("user.id", "u-1"), ("user.email", "a@b.example"), ("user.plan", "pro"), ("tenant", "acme")]);
        of_records.push(("user.name".to_owned(), AnyValue::Int(7)));
        of_records.push((names::SERVER_OFFSET.to_owned(), AnyValue::Int(-250)));
        of_records.push((format!("{}cart.v2", names::FEATURE_FLAG), AnyValue::Bool(true)));
        let scope = Scope { session: Some(SESSION), view: Some(VIEW), view_name: "Cart".to_owned() };
        Self { bytes, context: Context { attributes, of_records }, scope, time_ns: 1_767_225_600_000_000_001 }
    }

    /// Takes the view away, or the session as well.
    pub(super) fn unplace(&mut self, also_session: bool) {
        self.scope.view = None;
        if also_session {
            self.scope.session = None;
        }
    }

    pub(super) fn globals(&mut self, attributes: Vec<(String, AnyValue)>) {
        self.context.of_records = attributes;
    }

    pub(super) fn resource(&mut self, attributes: Vec<(String, AnyValue)>) {
        self.context.attributes = attributes;
    }

    pub(super) fn row(&self) -> ExportRow<'_> {
        ExportRow {
            id: ID,
            time_ns: self.time_ns,
            is_open: false,
            record: Record::decode(&self.bytes).unwrap(),
            context: Arc::new(self.context.clone()),
            scope: Arc::new(self.scope.clone()),
        }
    }
}

/// An event of every kind, and of every form that a kind has.
pub(super) fn every_kind() -> Vec<Stored> {
    let attributes = [("items", 3.into()), ("a.b", Value::Double(0.5)), ("a", Value::Map(&[("b", Value::Bool(true))]))];
    let phase = |phase, start, duration| PhaseTime {
        phase,
        start: Duration::from_nanos(start),
        duration: Duration::from_nanos(duration),
    };
    let phases = [
        phase(Phase::Dns, 0, 9),
        phase(Phase::Connect, 10, 30),
        phase(Phase::Tls, 20, 19),
        phase(Phase::FirstByte, 40, 20),
        phase(Phase::Download, 60, 70),
    ];
    let mut view = View::new(VIEW, "Cart").attributes(&attributes).trace(TRACE);
    (view.version, view.time_spent, view.url) = (3, Duration::from_secs(9), "/cart");
    (view.loading_time, view.action_count, view.crash_count) = (Some(Duration::from_millis(7)), 2, 1);
    let header = [("http.request.header.x-correlation-id", "c-1".into()), ("http.response.header.Odd", "o".into())];
    let resource = Resource::new("GET", "https://api.example.com/a", 503, Duration::from_millis(77));
    let crash = [
        (names::CRASH_SIGNAL, "SIGSEGV".into()),
        ("thread.id", 7.into()),
        ("process.pid", 42.into()),
        ("process.executable.name", "shop".into()),
    ];
    let stack = "#00 pc 0000000000001042  /data/app/libshop.so (BuildId: 0a1b) [cfi]";
    let hang = [(names::HANG_DURATION, 3_000_000_000_i64.into())];
    let mut anr = ErrorEvent::crash("ANR", "Input dispatching timed out", "main");
    anr.error_kind = ErrorKind::Anr;
    let mut network = ErrorEvent::new("timeout", "no answer");
    network.source = ErrorSource::Network;
    let inner = [("k", 1.into())];
    let events = [SpanEvent { name: "retry", time_ns: 9, attributes: &inner }];
    let mut span = Span::new("Checkout", TRACE, Duration::from_nanos(77)).parent_span([9; 8]).attributes(&attributes);
    (span.status, span.status_message, span.events, span.links) = (SpanStatus::Error, "declined", &events, &[TRACE]);
    let mut log = Log::new(Severity::Error, "no connection").trace(TRACE).action_id(ACTION).attributes(&attributes);
    log.logger = "shop.cart";
    let mutation = [(names::STATE_STORE, "Cart".into()), (names::MUTATION_COUNT, 4.into())];
    let signs = [Value::Text("error_tap")];
    let frustration = [(names::ACTION_FRUSTRATION, Value::List(&signs))];
    let all: Vec<Box<dyn Event + '_>> = vec![
        Box::new(Session::new(SessionChange::Start, SESSION, "user_app_launch")),
        Box::new(view),
        Box::new(Action::tap("pay").id(ACTION).trace(TRACE).attributes(&frustration)),
        Box::new(Action::new(ActionType::Scroll, "list")),
        Box::new(Action::new(ActionType::Swipe, "list")),
        Box::new(Action::new(ActionType::Back, "")),
        Box::new(Action::new(ActionType::ApplicationStart, "start")),
        Box::new(Action::mutation("Cart.total.Update").action_id(ACTION).attributes(&mutation)),
        Box::new(
            resource.size(3).trace(TRACE).parent_span([2; 8]).action_id(ACTION).phases(&phases).attributes(&header),
        ),
        Box::new(Resource::new("BREW", "https://api.example.com/a", 0, Duration::ZERO).failed("timeout")),
        Box::new(ErrorEvent::new("E", "message").stack("frames").trace(TRACE).action_id(ACTION)),
        Box::new(network),
        Box::new(ErrorEvent::new("AppHang", "the main thread").attributes(&hang)),
        Box::new(ErrorEvent::crash("SIGSEGV", "at 0", stack).attributes(&crash)),
        Box::new(anr),
        Box::new(LongTask::new(Duration::from_millis(900)).action_id(ACTION)),
        Box::new(Vital::new(names::VITAL_INITIAL_DISPLAY, 0.9, "s")),
        Box::new(Vital::new(names::VITAL_PROCESS_START, 800.25, "ms")),
        Box::new(Vital::new("heap size", 12.5, "By")),
        Box::new(Custom::new("promo").attributes(&attributes)),
        Box::new(log),
        Box::new(span),
    ];
    all.iter().map(|event| Stored::of(event.as_ref())).collect()
}
