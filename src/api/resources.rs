//! Requests under way: [`ActiveResource`].

use uuid::Uuid;

use super::client::Telemetry;
use crate::engine::recorder::Moment;
use crate::engine::scopes::Beginning;
use crate::model::event::{Common, Resource};
use crate::model::names::{self, headers, words};
use crate::model::time::BootTime;
use crate::model::value::Value;
use crate::policy::trace::{Header, SamplingDecision, SpanContext};

impl Telemetry {
    /// Begins a request. Its span is a child of the context that is current on this thread, else of
    /// the action that is collecting, else the root of a new trace.
    pub fn start_resource(&self, method: &str, url: &str) -> ActiveResource {
        let Some(shared) = self.on() else { return ActiveResource(None) };
        let started = shared.recorder().boot();
        let moment = shared.scopes.begin(started);
        let Beginning { parent, action, wall } = shared.scopes.beginning(None, started);
        shared.scopes.resource_started(action, started);
        ActiveResource(Some(Box::new(RunningResource {
            telemetry: self.clone(),
            method: method.to_owned(),
            url: url.to_owned(),
            context: shared.scopes.child_or_root(parent.as_ref()),
            action,
            moment,
            started,
            started_wall: wall,
            correlation: None,
        })))
    }
}

#[derive(Debug)]
struct RunningResource {
    telemetry: Telemetry,
    method: String,
    url: String,
    context: SpanContext,
    /// The action that caused it. If that was collecting, it collects until this has ended.
    action: Option<Uuid>,
    /// When it began: it belongs to the user and the view of then.
    moment: Moment,
    started: BootTime,
    started_wall: u64,
    /// The correlation id that its headers carry.
    correlation: Option<String>,
}

/// A request that is under way, from [`Telemetry::start_resource`].
///
/// It measures the time until [`ActiveResource::stop`] or [`ActiveResource::fail`]. A request that
/// is dropped without either is recorded as cancelled. When the client is off it is empty: it has
/// no context and no headers, and records nothing.
///
/// ```
/// use throughline::{Config, Consent, Telemetry};
///
/// let dir = tempfile::tempdir()?;
/// let config = Config::builder("shop", dir.path()).trace_host("api.example.com").build()?;
/// let telemetry = Telemetry::start(config, Consent::Granted)?;
/// let mut request = telemetry.start_resource("GET", "https://api.example.com/cart");
/// for (name, value) in request.headers(&[]) {
///     // Set the header on the request of your HTTP client.
///     assert!(!name.is_empty() && !value.is_empty());
/// }
/// // When the answer is there:
/// let id = request.stop(200, |mut resource| {
///     resource.size = Some(1_204);
///     resource
/// });
/// assert!(id.is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "a request that is dropped is recorded as cancelled"]
pub struct ActiveResource(Option<Box<RunningResource>>);

impl ActiveResource {
    /// The context of the request's span. `None` when the client is off.
    pub fn context(&self) -> Option<&SpanContext> {
        self.0.as_ref().map(|running| &running.context)
    }

    /// The URL that the request goes to. Empty when the client is off.
    pub fn url(&self) -> &str {
        self.0.as_ref().map_or("", |running| &running.url)
    }

    /// The headers to add to the request, on which the app has set the headers `existing`. If these
    /// hold a valid trace, the request belongs to that trace. Empty for hosts that are not listed
    /// with [`ConfigBuilder::trace_host`](crate::ConfigBuilder::trace_host).
    pub fn headers(&mut self, existing: &[(&str, &str)]) -> Vec<Header> {
        let Some(running) = &mut self.0 else { return Vec::new() };
        let Some(injected) = running.telemetry.inject(&running.url, &running.context, existing) else {
            return Vec::new();
        };
        let (theirs, ours) = (injected.trace, running.context.trace);
        if (theirs.trace_id, theirs.span_id) != (ours.trace_id, ours.span_id) {
            running.context = SpanContext { random: injected.random, ..SpanContext::new(theirs) };
        } else if theirs.sampled != ours.sampled {
            // The app has decided about our trace. It is still the same one.
            (running.context.trace, running.context.decision) = (theirs, SamplingDecision::of(theirs));
        }
        let correlation = injected.headers.iter().find(|header| header.0 == headers::CORRELATION_ID);
        running.correlation = correlation.map(|header| header.1.clone());
        injected.headers
    }

    /// Ends the request with an HTTP status. `describe` may add what else is known: sizes, the
    /// protocol, the phases, attributes. Returns the event's id if it was kept.
    pub fn stop<'t>(mut self, status: u16, describe: impl FnOnce(Resource<'t>) -> Resource<'t>) -> Option<Uuid> {
        self.end(status, describe)
    }

    /// Ends a request that got no answer. `error_type` says why, for example `timeout`. A request
    /// that the user or the app did not want any more is `cancelled`, which is no failure. Returns
    /// the event's id if it was kept.
    pub fn fail(mut self, error_type: &str) -> Option<Uuid> {
        self.end(0, |resource| Resource { error_type, ..resource })
    }

    fn end<'t>(&mut self, status: u16, describe: impl FnOnce(Resource<'t>) -> Resource<'t>) -> Option<Uuid> {
        let running = self.0.take()?;
        let shared = running.telemetry.on_any_thread()?;
        let now = shared.recorder().boot();
        // What the caller lends and what is kept here have different lifetimes. They meet in a
        // struct of the shorter one.
        let described = describe(Resource::new("", "", status, now.since(running.started)));
        let mut attributes = described.common.attributes.to_vec();
        let correlation = running.correlation.as_ref().map(|id| [Value::from(id)]);
        if let Some(values) = &correlation {
            attributes.push((names::semconv::CORRELATION_ID, Value::List(values)));
        }
        let common = Common {
            attributes: &attributes,
            trace: Some(running.context.trace),
            action_id: running.action,
            time: described.common.time.or(Some(running.started_wall)),
        };
        let (method, url) = (running.method.as_str(), running.url.as_str());
        let resource = Resource { method, url, parent_span: running.context.parent_span, common, ..described };
        let id = running.telemetry.record_begun(&resource, &running.moment);
        shared.scopes.resource_stopped(running.action, now);
        id
    }
}

impl Drop for ActiveResource {
    fn drop(&mut self) {
        self.end(0, |resource| Resource { error_type: words::ERROR_CANCELLED, ..resource });
    }
}
