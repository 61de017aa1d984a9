//! A generator of events: every kind in turn, with contents that follow from a seed.

use std::time::Duration;

use throughline::event::{
    Action, Custom, ErrorEvent, EventKind, Log, LongTask, Metric, MetricData, Resource, Session, SessionChange,
    Severity, Span, Temporality, View, Vital,
};
use throughline::{Attribute, Telemetry, Value};
use uuid::Uuid;

/// A SplitMix64 generator that decides what happens in a scenario.
pub(super) struct Scenario {
    state: u64,
}

impl Scenario {
    pub(super) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x ^ (x >> 31)
    }

    /// A number from 0 to `bound - 1`.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// A number from 0 to 8, as an attribute takes it.
    pub(super) fn small_number(&mut self) -> i64 {
        self.below(9) as i64
    }

    /// True in one of `n` cases.
    pub(super) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn one_of<T: Copy>(&mut self, first: T, others: &[T]) -> T {
        match self.below(1 + others.len() as u64) {
            0 => first,
            n => others.get(n as usize - 1).copied().unwrap_or(first),
        }
    }

    /// Records the `n`-th event. Returns its kind, and its id unless the client did not take it.
    pub(super) fn record_event(&mut self, telemetry: &Telemetry, n: u64) -> (EventKind, Option<Uuid>) {
        let kind = EventKind::ALL.get(n as usize % EventKind::ALL.len()).copied().unwrap_or(EventKind::Custom);
        let screen = self.one_of("Home", &["Catalog", "Cart", "Checkout", "Profile"]);
        let list = [Value::Int(self.small_number()), Value::Text("ü € 😀")];
        let attributes: [Attribute<'_>; 5] = [
            ("n", (n as i64).into()),
            ("screen", screen.into()),
            ("price", (self.below(10_000) as f64 / 100.0).into()),
            ("gift", (self.below(2) == 1).into()),
            ("list", Value::List(&list)),
        ];
        let attributes = attributes.get(..2 + self.below(4) as usize).unwrap_or(&attributes);
        let duration = Duration::from_millis(1 + self.below(900));
        let object = Uuid::from_u64_pair(self.next(), self.next());
        let id = match kind {
            EventKind::Session => {
                let change = if self.one_in(2) { SessionChange::Start } else { SessionChange::End };
                // An event about another session would belong to that one.
                let session = telemetry.session_id().unwrap_or(object);
                telemetry.record_session(&Session::new(change, session, "user_app_launch").attributes(attributes))
            }
            EventKind::View => telemetry.record_view(&View::new(object, screen).attributes(attributes)),
            EventKind::Action => telemetry.record_action(&Action::tap("buy").attributes(attributes)),
            EventKind::Resource => {
                let status = self.one_of(200, &[204, 404, 503]);
                let resource = Resource::new("GET", "https://api.example.com/items", status, duration);
                telemetry.record_resource(&resource.size(self.below(9_000)).attributes(attributes))
            }
            EventKind::Error if self.one_in(4) => {
                telemetry.record_error(&ErrorEvent::crash("SIGSEGV", "null", "main\nloop").attributes(attributes))
            }
            EventKind::Error => telemetry.record_error(&ErrorEvent::new("Timeout", "no answer").attributes(attributes)),
            EventKind::LongTask => telemetry.record_long_task(&LongTask::new(duration).attributes(attributes)),
            EventKind::Vital => {
                let seconds = self.below(3_000) as f64 / 1_000.0;
                telemetry.record_vital(&Vital::new("time_to_initial_display", seconds, "s").attributes(attributes))
            }
            EventKind::Log => {
                let severity = self.one_of(Severity::Debug, &[Severity::Info, Severity::Warn, Severity::Error]);
                telemetry.record_log(&Log::new(severity, "cart synchronized").attributes(attributes))
            }
            EventKind::Metric => {
                let (name, unit, data) = self.instrument();
                telemetry.record_metric(&Metric::new(name, unit, data).attributes(attributes))
            }
            EventKind::Span => telemetry.new_trace().and_then(|trace| {
                telemetry.record_span(&Span::new("UpdateCart", trace, duration).attributes(attributes))
            }),
            _ => telemetry.record_custom(&Custom::new("promo.shown").attributes(attributes)),
        };
        (kind, id)
    }

    /// A point of an instrument: its name, its unit, and the data. Each kind of instrument has a
    /// name of its own, as a backend demands it.
    pub(super) fn instrument(&mut self) -> (&'static str, &'static str, MetricData<'static>) {
        match self.below(3) {
            0 => ("cart.size", "{item}", MetricData::Gauge(self.below(100) as f64)),
            1 => {
                let value = self.below(100) as f64;
                let data = MetricData::Sum { value, monotonic: true, temporality: Temporality::Cumulative };
                ("cart.additions", "{item}", data)
            }
            _ => {
                let data = MetricData::Histogram {
                    bounds: &[1.0, 5.0],
                    buckets: &[3, 2, 1],
                    sum: 17.0,
                    temporality: Temporality::Cumulative,
                };
                ("cart.weight", "kg", data)
            }
        }
    }
}
