//! What a crash says of an event before it: when it was, what it was, and a few of its attributes.
//!
//! A breadcrumb is taken from the canonical record, in which nothing is that must not leave the
//! device. It is small, refers to no context, and is kept as JSON: a later version may add fields.

use serde::{Deserialize, Serialize};

use super::decode::Record;
use super::encode::{append_attribute, field};
use super::put::cut_text;
use super::{ErrorKind, EventKind, Severity, SpanStatus};
use crate::model::limits::{
    BREADCRUMB_ATTRIBUTES, BREADCRUMB_MESSAGE_CHARS, BREADCRUMB_NAME_CHARS, BREADCRUMB_TEXT_CHARS,
    MAX_BREADCRUMBS_BYTES, MAX_EVENT_BYTES,
};
use crate::model::names::{self, breadcrumb as key, semconv};
use crate::model::value::AnyValue;

/// The attributes of a mutation of traced state that a breadcrumb has. Its store is in its name.
const OF_STATE: [&str; 3] = [names::STATE_PATH, names::STATE_OLD, names::STATE_NEW];

/// What the core reports about itself.
const OF_THE_CORE: [&str; 2] = [names::EVENT_SELF_FLUSH, names::EVENT_SELF_DROPPED];

/// Who says what a process has died of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Teller {
    /// The process: an uncaught error of a language.
    Itself,
    /// The next launch: a hang that did not end.
    NextLaunch,
}

/// An event before a crash.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Breadcrumb {
    /// Its wall time less the base time of its run, ns.
    #[serde(rename = "t")]
    pub time_delta: i64,
    /// The name of its kind.
    #[serde(rename = "k")]
    pub kind: String,
    /// What identifies it for people.
    #[serde(rename = "n", default)]
    pub name: String,
    /// A line of text. Empty when there is none.
    #[serde(rename = "m", default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The severity of a log; 0 for every other event.
    #[serde(rename = "s", default)]
    pub severity: u8,
    /// How long it took, ns; 0 when it has no duration.
    #[serde(rename = "d", default)]
    pub duration: u64,
    /// A few of its attributes.
    #[serde(rename = "a", default)]
    pub attributes: Vec<(String, Detail)>,
}

/// An attribute's value that a breadcrumb can have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Detail {
    /// True or false.
    Bool(bool),
    /// A number.
    Int(i64),
    /// A number that is finite.
    Double(f64),
    /// A text.
    Text(String),
}

impl Detail {
    fn of(value: &AnyValue) -> Option<Self> {
        Some(match value {
            AnyValue::Bool(flag) => Self::Bool(*flag),
            AnyValue::Int(number) => Self::Int(*number),
            AnyValue::Double(number) if number.is_finite() => Self::Double(*number),
            AnyValue::Text(text) => Self::Text(cut(text, BREADCRUMB_TEXT_CHARS)),
            _ => return None,
        })
    }

    fn to_any(&self) -> AnyValue {
        match self {
            Self::Bool(flag) => AnyValue::Bool(*flag),
            Self::Int(number) => AnyValue::Int(*number),
            Self::Double(number) => AnyValue::Double(*number),
            Self::Text(text) => AnyValue::Text(text.clone()),
        }
    }
}

/// Whether an event has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It has.
    Over,
    /// This is its newest snapshot.
    Open,
}

impl Breadcrumb {
    /// What a crash says of an event. `None` for what says nothing about how the app came there:
    /// metrics, logs for debugging, spans that are no operation and have not failed, and the core's
    /// reports about itself.
    pub fn of(record: &Record<'_>, stage: Stage) -> Option<Self> {
        let text = |number| record.text(number).unwrap_or_default();
        let count = |number| record.uint(number).unwrap_or(0);
        let line = |number| cut(text(number).lines().next().unwrap_or_default(), BREADCRUMB_MESSAGE_CHARS);
        let mut crumb = Self {
            time_delta: record.time_delta,
            kind: record.kind.name().to_owned(),
            name: cut(text(field::NAME), BREADCRUMB_NAME_CHARS),
            message: String::new(),
            severity: 0,
            duration: 0,
            attributes: Vec::new(),
        };
        match record.kind {
            EventKind::Session => {
                let is_start = count(field::TYPE) == 1;
                let name = if is_start { semconv::EVENT_SESSION_START } else { semconv::EVENT_SESSION_END };
                (crumb.name, crumb.message) = (name.to_owned(), line(field::REASON));
            }
            EventKind::Resource => {
                let name = format!("{} {}", text(field::METHOD), text(field::URL));
                (crumb.name, crumb.duration) = (cut(name.trim(), BREADCRUMB_NAME_CHARS), count(field::DURATION));
                let status = record.uint(field::STATUS).and_then(|status| i64::try_from(status).ok());
                crumb.push(semconv::HTTP_STATUS, status.map(Detail::Int));
                crumb.push(
                    semconv::ERROR_TYPE,
                    record.text(field::ERROR_TYPE).map(|text| Detail::Text(text.to_owned())),
                );
            }
            EventKind::Error => {
                crumb.name = cut(text(field::ERROR_TYPE), BREADCRUMB_NAME_CHARS);
                crumb.message = line(field::MESSAGE);
            }
            EventKind::LongTask => crumb.duration = count(field::DURATION),
            EventKind::Vital => {
                crumb.push(
                    names::VITAL_VALUE,
                    record.double(field::VALUE).and_then(|of| Detail::of(&AnyValue::Double(of))),
                );
                crumb.push(names::VITAL_UNIT, record.text(field::UNIT).map(|unit| Detail::Text(unit.to_owned())));
            }
            EventKind::Log if count(field::LEVEL) < Severity::Info as u64 => return None,
            EventKind::Log => {
                crumb.severity = u8::try_from(count(field::LEVEL)).unwrap_or(u8::MAX);
                crumb.message = line(field::MESSAGE);
            }
            EventKind::Span => {
                let is_operation = record.attributes.iter().any(|(key, _)| *key == names::OPERATION_OUTCOME);
                let has_failed = count(field::STATUS) == SpanStatus::Error as u64;
                if !is_operation && !has_failed && stage == Stage::Over && record.text(field::ENDED).is_none() {
                    return None;
                }
                (crumb.message, crumb.duration) = (line(field::MESSAGE), count(field::DURATION));
            }
            EventKind::Metric => return None,
            EventKind::Custom if OF_THE_CORE.contains(&text(field::NAME)) => return None,
            EventKind::View | EventKind::Action | EventKind::Custom => {}
        }
        crumb.take_attributes(record);
        Some(crumb)
    }

    fn push(&mut self, key: &str, value: Option<Detail>) {
        if let Some(value) = value.filter(|_| self.attributes.len() < BREADCRUMB_ATTRIBUTES) {
            self.attributes.push((key.to_owned(), value));
        }
    }

    /// Of a mutation, where it was and what it changed; of another event the first few.
    fn take_attributes(&mut self, record: &Record<'_>) {
        let is_mutation = record.attributes.iter().any(|(key, _)| *key == names::STATE_PATH);
        for (key, value) in &record.attributes {
            let is_wanted = if is_mutation { OF_STATE.contains(key) } else { key.len() <= BREADCRUMB_TEXT_CHARS };
            let repeats_name = matches!(value, AnyValue::Text(text) if *text == self.name);
            if is_wanted && !repeats_name {
                self.push(key, Detail::of(value));
            }
        }
    }

    /// As it is delivered. `base_wall` is the base time of its run.
    pub fn to_value(&self, base_wall: u64) -> AnyValue {
        let text = |text: &str| AnyValue::Text(text.to_owned());
        let time = i64::try_from(base_wall.saturating_add_signed(self.time_delta)).unwrap_or(i64::MAX);
        let mut entries = vec![(key::TIME.to_owned(), AnyValue::Int(time)), (key::KIND.to_owned(), text(&self.kind))];
        if !self.name.is_empty() {
            entries.push((key::NAME.to_owned(), text(&self.name)));
        }
        if !self.message.is_empty() {
            entries.push((key::MESSAGE.to_owned(), text(&self.message)));
        }
        if self.severity > 0 {
            entries.push((key::SEVERITY.to_owned(), AnyValue::Int(self.severity.into())));
        }
        if self.duration > 0 {
            let duration = i64::try_from(self.duration).unwrap_or(i64::MAX);
            entries.push((key::DURATION.to_owned(), AnyValue::Int(duration)));
        }
        if !self.attributes.is_empty() {
            let attributes = self.attributes.iter().map(|(key, value)| (key.clone(), value.to_any()));
            entries.push((key::ATTRIBUTES.to_owned(), AnyValue::Map(attributes.collect())));
        }
        AnyValue::Map(entries)
    }
}

/// The breadcrumbs of a crash as they are delivered, the oldest first: as many of the newest as fit
/// into [`MAX_BREADCRUMBS_BYTES`]. And how many do not.
pub fn to_list(crumbs: &[Breadcrumb], base_wall: u64) -> (AnyValue, usize) {
    let mut room = MAX_BREADCRUMBS_BYTES;
    let mut kept = Vec::with_capacity(crumbs.len());
    for crumb in crumbs.iter().rev() {
        let value = crumb.to_value(base_wall);
        let Some(left) = room.checked_sub(size(&value)) else { break };
        room = left;
        kept.push(value);
    }
    kept.reverse();
    let dropped = crumbs.len() - kept.len();
    (AnyValue::List(kept), dropped)
}

/// Whether an encoded event is what its own process died of, and does not say yet what happened
/// before. What the system tells of another run's end ([`names::EXIT_RULE`]) is not.
pub fn is_wanted_by(record: &[u8], teller: Teller) -> bool {
    let Ok(record) = Record::decode(record) else { return false };
    let fatal = if teller == Teller::Itself { ErrorKind::Crash } else { ErrorKind::Hang };
    let is_fatal = record.uint(field::TYPE) == Some(fatal as u64);
    let has = |wanted: &str| record.attributes.iter().any(|(key, _)| *key == wanted);
    record.kind == EventKind::Error && is_fatal && !has(names::EXIT_RULE) && !has(names::BREADCRUMBS)
}

/// Adds breadcrumbs to an encoded event, unless that would make it too large.
pub fn append(record: &mut Vec<u8>, crumbs: &[Breadcrumb], base_wall: u64) {
    let (list, dropped) = to_list(crumbs, base_wall);
    let before = record.len();
    append_attribute(record, names::BREADCRUMBS, (&list).into());
    if dropped > 0 {
        append_attribute(record, names::BREADCRUMBS_DROPPED, i64::try_from(dropped).unwrap_or(i64::MAX).into());
    }
    if record.len() > MAX_EVENT_BYTES {
        record.truncate(before);
    }
}

/// The bytes of a value in the canonical form, or a few more.
fn size(value: &AnyValue) -> usize {
    match value {
        AnyValue::Text(text) => text.len() + 3,
        AnyValue::Map(entries) => entries.iter().map(|(key, value)| key.len() + 1 + size(value)).sum::<usize>() + 2,
        _ => 11,
    }
}

fn cut(text: &str, max: usize) -> String {
    cut_text(text, max).0.to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::encode::{Stamp, encode};
    use super::super::{Action, Custom, ErrorEvent, Event, Log, Metric, MetricData, Resource, Span, TraceContext};
    use super::*;
    use crate::model::value::Value;
    use std::time::Duration;

    fn crumb_of(event: &impl Event) -> Option<Breadcrumb> {
        let mut bytes = Vec::new();
        assert!(encode(event, Stamp { time_delta: 5, ..Stamp::default() }, &mut bytes));
        let crumb = Breadcrumb::of(&Record::decode(&bytes).unwrap(), Stage::Over)?;
        let stored = serde_json::to_string(&crumb).unwrap();
        assert_eq!(serde_json::from_str::<Breadcrumb>(&stored).unwrap(), crumb, "{stored}");
        Some(crumb)
    }

    #[test]
    fn noise_does_not_push_away_what_the_user_did() {
        let context = TraceContext { trace_id: [1; 16], span_id: [2; 8], sampled: true };
        assert_eq!(crumb_of(&Metric::new("fps", "1", MetricData::Gauge(60.0))), None);
        assert_eq!(crumb_of(&Log::new(Severity::Debug, "tick")), None);
        assert_eq!(crumb_of(&Custom::new(names::EVENT_SELF_FLUSH)), None);
        let mut span = Span::new("layout", context, Duration::from_millis(1));
        assert_eq!(crumb_of(&span), None);
        span.status = SpanStatus::Error;
        assert!(crumb_of(&span).is_some());
        assert!(crumb_of(&Log::new(Severity::Info, "order placed")).is_some());
    }

    #[test]
    fn a_breadcrumb_says_what_it_was_in_a_few_words() {
        let long = "x".repeat(5_000);
        let list = [Value::Int(1)];
        let attributes = [
            ("nan", f64::NAN.into()),
            ("list", Value::List(&list)),
            ("sku", "A-17".into()),
            ("note", (&long).into()),
            ("gift", true.into()),
            ("price", 2.0.into()),
            ("more", 1.into()),
        ];
        let tap = crumb_of(&Action::tap("buy").attributes(&attributes)).unwrap();
        assert_eq!((tap.kind.as_str(), tap.name.as_str(), tap.time_delta), ("action", "buy", 5));
        let text = |text: &str| Detail::Text(text.to_owned());
        let expected = [
            ("sku", text("A-17")),
            ("note", text(&long[..64])),
            ("gift", Detail::Bool(true)),
            ("price", Detail::Double(2.0)),
        ];
        assert_eq!(tap.attributes, expected.map(|(key, value)| (key.to_owned(), value)));
        let error = crumb_of(&ErrorEvent::new("PaymentError", "declined\nin line 2").stack(&long)).unwrap();
        assert_eq!((error.name.as_str(), error.message.as_str()), ("PaymentError", "declined"));
        let request = Resource::new("GET", "https://shop.test/api/cart", 503, Duration::from_millis(3));
        let request = crumb_of(&request).unwrap();
        assert_eq!(request.name, "GET https://shop.test/api/cart");
        assert_eq!(request.attributes, [(semconv::HTTP_STATUS.to_owned(), Detail::Int(503))]);
    }

    #[test]
    fn the_oldest_give_way_when_all_would_be_too_large_and_are_counted() {
        let long = "ü".repeat(200);
        let crumb = crumb_of(&Custom::new(&long).attributes(&[("a", (&long).into()), ("b", (&long).into())])).unwrap();
        let crumbs: Vec<_> = (0..100).map(|n| Breadcrumb { time_delta: n, ..crumb.clone() }).collect();
        let (list, dropped) = to_list(&crumbs, 1_000);
        let AnyValue::List(kept) = &list else { panic!("no list") };
        assert!(dropped > 0 && kept.len() + dropped == 100);
        let mut bytes = Vec::new();
        assert!(encode(&Custom::new("").attributes(&[("l", (&list).into())]), Stamp::default(), &mut bytes));
        assert!((MAX_BREADCRUMBS_BYTES - 1_024..MAX_BREADCRUMBS_BYTES + 16).contains(&bytes.len()), "{}", bytes.len());
        let AnyValue::Map(newest) = &kept[kept.len() - 1] else { panic!("no map") };
        assert_eq!(newest[0], (key::TIME.to_owned(), AnyValue::Int(1_099)));
    }
}
