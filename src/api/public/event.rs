//! The typed events that a client records.
//!
//! The set is closed: what an app records is one of the structs below, and [`Custom`] is for
//! everything else. Every struct borrows what it is given and is built with a constructor and
//! setters; nothing is copied before [`Telemetry::record`](crate::Telemetry::record) encodes the
//! event.
//!
//! ```
//! use std::time::Duration;
//! use throughline::event::{Action, Custom, ErrorEvent, Event, EventKind, Lane};
//! use throughline::event::{Log, Resource, Severity};
//!
//! let attributes = [("items", 3.into()), ("currency", "EUR".into())];
//! let tap = Action::tap("checkout").attributes(&attributes);
//! let took = Duration::from_millis(85);
//! let request = Resource::new("GET", "https://api.example.com/cart", 200, took).size(2_048);
//! let error = ErrorEvent::new("PaymentError", "card declined");
//! let log = Log::new(Severity::Warn, "the cart was empty");
//! let custom = Custom::new("cart_shared");
//!
//! assert_eq!(tap.kind(), EventKind::Action);
//! assert_eq!((error.lane(), log.lane()), (Lane::Error, Lane::Bulk));
//! assert_eq!(custom.lane(), Lane::Event);
//! # let _ = request;
//! ```
//!
//! # Kinds and lanes
//!
//! | struct | kind | [`Lane`] |
//! |---|---|---|
//! | [`Session`], [`View`], [`Action`], [`Resource`] | as named | `Event` |
//! | [`LongTask`], [`Vital`], [`Custom`] | as named | `Event` |
//! | [`ErrorEvent`] | `Error` | `Crash` for crashes, hangs, ANRs, memory kills; else `Error` |
//! | [`Log`] | `Log` | `Error` from severity `ERROR` on; else `Bulk` |
//! | [`Metric`], [`Span`] | as named | `Bulk` |
//!
//! A lane decides how an event is kept and sent: when space or the network is short, the lower
//! lanes give way first, and crashes never give way to anything.
//!
//! # Times and units
//!
//! An event that has a duration (a view, a request, a span) is stamped with its start, every other
//! event with the moment of the call. `at(ns)` overrides that with a wall time in nanoseconds since
//! the Unix epoch. Durations are [`std::time::Duration`] and are kept with a resolution of one
//! nanosecond.
//!
//! # Limits
//!
//! Texts that are too long are cut on a character boundary; attributes beyond the 128th are left
//! out. Both are counted on the event itself, so that a reader can tell. An encoded event of more
//! than 128 KiB is dropped and counted as [`Oversize`](crate::ledger::DropReason::Oversize). All
//! limits are in [`limits`](crate::limits).

pub use crate::model::event::{
    Action, ActionType, Common, Custom, ErrorEvent, ErrorKind, ErrorSource, Event, EventKind, Interval, Lane, Log,
    LongTask, Metric, MetricData, Phase, PhaseTime, Resource, Session, SessionChange, Severity, Span, SpanEvent,
    SpanKind, SpanStatus, Temporality, TraceContext, View, Vital,
};
