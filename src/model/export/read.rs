//! Reads [`Details`] back from the canonical form of an event.

use std::time::Duration;

use super::details::{
    ActionDetails, Details, ErrorDetails, LogDetails, LongTaskDetails, MetricDetails, MetricPoint, ResourceDetails,
    SessionDetails, SpanDetails, SpanEventDetails, ViewDetails, VitalDetails,
};
use crate::model::event::decode::Record;
use crate::model::event::encode::field;
use crate::model::event::{
    ActionType, ErrorKind, ErrorSource, EventKind, SessionChange, SpanKind, SpanStatus, Temporality,
};

impl<'a> Details<'a> {
    /// Reads what is particular to the record's kind. A code that this version does not know reads
    /// as the most general of its enum.
    pub(super) fn of(record: &Record<'a>) -> Self {
        let text = |number| record.text(number).unwrap_or_default();
        let count = |number| record.uint(number).unwrap_or(0);
        let time = |number| record.uint(number).map(Duration::from_nanos);
        match record.kind {
            EventKind::Session => Details::Session(SessionDetails {
                change: if count(field::TYPE) == SessionChange::Start as u64 {
                    SessionChange::Start
                } else {
                    SessionChange::End
                },
                id: record.id(field::OBJECT_ID),
                previous: record.id(field::PREVIOUS),
                reason: text(field::REASON),
            }),
            EventKind::View => Details::View(ViewDetails {
                id: record.id(field::OBJECT_ID),
                name: text(field::NAME),
                url: text(field::URL),
                version: count(field::DOC_VERSION),
                is_active: count(field::ACTIVE) == 1 && record.text(field::ENDED).is_none(),
                time_spent: time(field::DURATION).unwrap_or_default(),
                loading_time: time(field::LOADING_TIME),
                actions: count(field::ACTION_COUNT),
                resources: count(field::RESOURCE_COUNT),
                errors: count(field::ERROR_COUNT),
                long_tasks: count(field::LONG_TASK_COUNT),
                crashes: count(field::CRASH_COUNT),
            }),
            EventKind::Action => Details::Action(ActionDetails {
                action_type: action_type(count(field::TYPE)),
                name: text(field::NAME),
                id: record.id(field::OBJECT_ID),
                loading_time: time(field::DURATION),
            }),
            EventKind::Resource => Details::Resource(ResourceDetails {
                url: text(field::URL),
                method: text(field::METHOD),
                status: record.uint(field::STATUS).and_then(|status| u16::try_from(status).ok()),
                duration: time(field::DURATION).unwrap_or_default(),
                size: record.uint(field::SIZE),
                protocol: text(field::PROTOCOL),
                error_type: text(field::ERROR_TYPE),
                phases: record.phases().collect(),
                parent_span: record.span_id(field::PARENT_SPAN),
            }),
            EventKind::Error => Details::Error(ErrorDetails {
                error_kind: error_kind(count(field::TYPE)),
                error_type: text(field::ERROR_TYPE),
                message: text(field::MESSAGE),
                stack: text(field::STACK),
                source: error_source(count(field::SOURCE)),
            }),
            EventKind::LongTask => Details::LongTask(LongTaskDetails {
                duration: time(field::DURATION).unwrap_or_default(),
                is_frozen_frame: count(field::TYPE) == 1,
            }),
            EventKind::Vital => Details::Vital(VitalDetails {
                name: text(field::NAME),
                value: record.double(field::VALUE).unwrap_or(0.0),
                unit: text(field::UNIT),
            }),
            EventKind::Custom => Details::Custom(text(field::NAME)),
            EventKind::Log => Details::Log(LogDetails {
                severity: u8::try_from(count(field::LEVEL)).unwrap_or(0),
                body: text(field::MESSAGE),
                logger: text(field::NAME),
            }),
            EventKind::Metric => Details::Metric(metric(record)),
            EventKind::Span => Details::Span(SpanDetails {
                name: text(field::NAME),
                span_kind: span_kind(count(field::TYPE)),
                parent_span: record.span_id(field::PARENT_SPAN),
                duration: time(field::DURATION).unwrap_or_default(),
                status: span_status(count(field::STATUS)),
                status_message: text(field::MESSAGE),
                events: record
                    .span_events()
                    .map(|(name, time_unix_nano, attributes)| SpanEventDetails { name, time_unix_nano, attributes })
                    .collect(),
                links: record.links().collect(),
            }),
        }
    }
}

fn metric<'a>(record: &Record<'a>) -> MetricDetails<'a> {
    let double = |number| record.double(number).unwrap_or(0.0);
    let point = |value: f64, buckets: Vec<u64>, temporality| match record.uint(field::TYPE) {
        Some(3) => MetricPoint::Histogram { bounds: record.doubles(field::BOUNDS), buckets, sum: value, temporality },
        Some(2) => {
            let is_monotonic = record.uint(field::MONOTONIC) == Some(1);
            MetricPoint::Sum { value, is_monotonic, temporality }
        }
        _ => MetricPoint::Gauge(value),
    };
    let temporality = match record.uint(field::TEMPORALITY) {
        Some(1) => Temporality::Delta,
        _ => Temporality::Cumulative,
    };
    let since_last = record.uint(field::INTERVAL_START).map(|start| {
        let buckets = record.uints(field::INTERVAL_BUCKETS);
        (start, point(double(field::INTERVAL_VALUE), buckets, Temporality::Delta))
    });
    MetricDetails {
        name: record.text(field::NAME).unwrap_or_default(),
        unit: record.text(field::UNIT).unwrap_or_default(),
        start_unix_nano: record.uint(field::START_TIME).unwrap_or(0),
        point: point(double(field::VALUE), record.uints(field::BUCKETS), temporality),
        since_last,
    }
}

fn action_type(code: u64) -> ActionType {
    use ActionType::{ApplicationStart, Back, Custom, Scroll, StateMutation, Swipe, Tap};
    let known = [Tap, Scroll, Swipe, Back, Custom, StateMutation, ApplicationStart];
    known.into_iter().find(|known| *known as u64 == code).unwrap_or(Custom)
}

fn error_kind(code: u64) -> ErrorKind {
    use ErrorKind::{Anr, Crash, Handled, Hang, OutOfMemory};
    [Handled, Crash, Hang, Anr, OutOfMemory].into_iter().find(|known| *known as u64 == code).unwrap_or(Handled)
}

fn error_source(code: u64) -> ErrorSource {
    use ErrorSource::{Custom, Logger, Network, Source, WebView};
    [Source, Network, Logger, WebView, Custom].into_iter().find(|known| *known as u64 == code).unwrap_or(Custom)
}

fn span_kind(code: u64) -> SpanKind {
    use SpanKind::{Client, Consumer, Internal, Producer, Server};
    [Internal, Server, Client, Producer, Consumer].into_iter().find(|known| *known as u64 == code).unwrap_or(Internal)
}

fn span_status(code: u64) -> SpanStatus {
    use SpanStatus::{Error, Ok, Unset};
    [Unset, Ok, Error].into_iter().find(|known| *known as u64 == code).unwrap_or(Unset)
}
