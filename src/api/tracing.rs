//! A layer for [`tracing`](https://docs.rs/tracing): its spans become spans, its events logs, with
//! the ids of this client.
//!
//! ```
//! use tracing_subscriber::layer::SubscriberExt;
//! use throughline::{Config, Consent, Telemetry, tracing::TelemetryLayer};
//!
//! let dir = tempfile::tempdir()?;
//! let config = Config::builder("shop", dir.path()).build()?;
//! let telemetry = Telemetry::start(config, Consent::Granted)?;
//! let subscriber = tracing_subscriber::registry().with(TelemetryLayer::new(telemetry.clone()));
//! tracing::subscriber::with_default(subscriber, || {
//!     let _span = tracing::info_span!("checkout", items = 3).entered();
//!     tracing::warn!(attempt = 2, "the cart could not be synchronized");
//! });
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A span is a child of its tracing parent, else of the context that is current or of the open
//! action. It ends when tracing closes it. What libraries trace on the client's own threads is
//! ignored, and so is what is traced while a record is made: the layer cannot call itself.

use std::cell::Cell;
use std::fmt::{Debug, Write};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::client::Telemetry;
use super::spans::ActiveSpan;
use crate::model::event::{Log, Severity, TraceContext};
use crate::model::limits::MAX_MESSAGE_CHARS;
use crate::model::value::{AnyValue, OwnedAttributes, lend};
use crate::policy::trace::SpanContext;

thread_local! {
    static BUSY: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work` unless the layer is at work on this thread already.
fn once<R>(work: impl FnOnce() -> R) -> Option<R> {
    struct Guard;
    impl Drop for Guard {
        fn drop(&mut self) {
            BUSY.set(false);
        }
    }
    if BUSY.replace(true) {
        return None;
    }
    let _guard = Guard;
    Some(work())
}

/// A layer that records the spans and events of Rust code with a client. See the [module](self) for
/// what becomes of them.
///
/// ```
/// use throughline::{Config, Consent, Telemetry, tracing::TelemetryLayer};
/// use tracing_subscriber::layer::SubscriberExt;
///
/// # let dir = tempfile::tempdir()?;
/// # let config = Config::builder("shop", dir.path()).build()?;
/// # let telemetry = Telemetry::start(config, Consent::Granted)?;
/// let layer = TelemetryLayer::new(telemetry.clone());
/// tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
///     tracing::error!("the payment failed");
/// });
/// assert!(telemetry.drain(std::time::Duration::from_secs(5)));
/// assert!(telemetry.health().queued() > 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct TelemetryLayer {
    telemetry: Telemetry,
}

impl TelemetryLayer {
    /// Makes a layer that records with a client.
    pub fn new(telemetry: Telemetry) -> Self {
        Self { telemetry }
    }
}

/// The context of the nearest span around, in a registry's extensions.
fn context_of<S: Subscriber + for<'a> LookupSpan<'a>>(ctx: &Context<'_, S>, id: Option<&Id>) -> Option<SpanContext> {
    let span = ctx.span(id?)?;
    span.scope().find_map(|span| span.extensions().get::<ActiveSpan>().and_then(|live| live.context().cloned()))
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for TelemetryLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        once(|| {
            let current = ctx.current_span();
            let parent = attributes.parent().or_else(|| current.id().filter(|_| attributes.is_contextual()));
            let name = attributes.metadata().name();
            let mut span = match context_of(&ctx, parent) {
                Some(parent) => self.telemetry.start_span_in(name, &parent),
                None => self.telemetry.start_span(name),
            };
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            fields.set_on(&mut span);
            if let Some(place) = ctx.span(id) {
                place.extensions_mut().insert(span);
            }
        });
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, ctx: Context<'_, S>) {
        once(|| {
            let mut fields = Fields::default();
            values.record(&mut fields);
            if let Some(place) = ctx.span(id)
                && let Some(span) = place.extensions_mut().get_mut::<ActiveSpan>()
            {
                fields.set_on(span);
            }
        });
    }

    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        once(|| {
            let mut fields = Fields::default();
            event.record(&mut fields);
            let severity = match *event.metadata().level() {
                Level::ERROR => Severity::Error,
                Level::WARN => Severity::Warn,
                Level::INFO => Severity::Info,
                Level::DEBUG => Severity::Debug,
                Level::TRACE => Severity::Trace,
            };
            let current = ctx.current_span();
            let parent = event.parent().or_else(|| current.id().filter(|_| event.is_contextual()));
            let trace: Option<TraceContext> = context_of(&ctx, parent).map(|context| context.trace);
            let attributes = lend(&fields.attributes);
            let mut log = Log::new(severity, &fields.message).attributes(&attributes);
            (log.logger, log.common.trace) = (event.metadata().target(), trace);
            self.telemetry.record_log(&log);
        });
    }

    fn on_close(&self, id: Id, ctx: Context<'_, S>) {
        once(|| {
            let span = ctx.span(&id).and_then(|place| place.extensions_mut().remove::<ActiveSpan>());
            drop(span);
        });
    }
}

/// What a span or event carries.
#[derive(Default)]
struct Fields {
    message: String,
    attributes: OwnedAttributes,
}

impl Fields {
    fn set_on(&self, span: &mut ActiveSpan) {
        for (key, value) in &self.attributes {
            span.set_attribute(key, value);
        }
    }

    fn push(&mut self, field: &Field, value: AnyValue) {
        self.attributes.push((field.name().to_owned(), value));
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let mut text = Bounded(String::new());
        let _ = write!(text, "{value:?}");
        if field.name() == "message" {
            self.message = text.0;
        } else {
            self.push(field, AnyValue::Text(text.0));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message = value.chars().take(MAX_MESSAGE_CHARS).collect();
        } else {
            self.push(field, crate::model::value::Value::Text(value).to_any());
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.push(field, AnyValue::Int(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        // What no signed number holds stays exact as text.
        self.push(field, i64::try_from(value).map_or_else(|_| AnyValue::Text(value.to_string()), AnyValue::Int));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.push(field, AnyValue::Double(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.push(field, AnyValue::Bool(value));
    }
}

/// Takes no more than a message may hold: a `Debug` of a cyclic or huge value ends here.
struct Bounded(String);

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        if self.0.len() + text.len() > MAX_MESSAGE_CHARS {
            let room = MAX_MESSAGE_CHARS.saturating_sub(self.0.len());
            self.0.push_str(text.get(..text.floor_char_boundary(room)).unwrap_or_default());
            self.0.push('…');
            return Err(std::fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}
