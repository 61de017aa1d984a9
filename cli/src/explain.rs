//! `explain`: what would happen to an event, and why; for a URL, which headers would go.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};
use throughline::event::TraceContext;
use throughline::internals::redact::{RedactRules, Redactor};
use throughline::internals::sampling::{keep_session, keep_trace};
use throughline::internals::scrub::{KeyVerdict, Scrub};
use throughline::internals::state::Policy;
use throughline::state::{Capture, PathDecision, StorePolicy};
use throughline::trace::{Baggage, SpanContext, TraceHost, TraceHosts, Withheld};
use throughline::{AnyValue, Config, Value};
use uuid::Uuid;

#[derive(Args)]
pub(crate) struct Options {
    /// JSON: session_sample_rate, trace_sample_rate, trace_hosts, stores (by name), redact. All may be left out.
    #[arg(long)]
    config: PathBuf,
    /// JSON: kind (mutation, action, resource, error, log, span), and what belongs to it: store, path, old, new; name; url;
    /// message; attributes; session_id; trace_id.
    #[arg(long)]
    event: String,
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    session_sample_rate: f64,
    trace_sample_rate: f64,
    trace_hosts: Vec<TraceHost>,
    stores: BTreeMap<String, StorePolicy>,
    redact: RedactRules,
}

impl Default for Settings {
    fn default() -> Self {
        let (trace_hosts, stores, redact) = (Vec::new(), BTreeMap::new(), RedactRules::default());
        Self { session_sample_rate: 1.0, trace_sample_rate: 1.0, trace_hosts, stores, redact }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Event {
    kind: String,
    store: Option<String>,
    path: Option<String>,
    old: Option<Json>,
    new: Option<Json>,
    name: Option<String>,
    url: Option<String>,
    message: Option<String>,
    #[serde(default)]
    attributes: Map<String, Json>,
    session_id: Option<Uuid>,
    trace_id: Option<String>,
}

const KINDS: [&str; 6] = ["mutation", "action", "resource", "error", "log", "span"];

pub(crate) fn run(options: &Options) -> Result<()> {
    let text =
        std::fs::read_to_string(&options.config).with_context(|| format!("reading {}", options.config.display()))?;
    let settings: Settings = serde_json::from_str(&text).with_context(|| options.config.display().to_string())?;
    let event: Event = serde_json::from_str(&options.event).context("--event")?;
    ensure!(KINDS.contains(&event.kind.as_str()), "kind `{}` is none of {}", event.kind, KINDS.join(", "));
    // Checked as the client checks it, so that a mistake is found here.
    let mut config = Config::builder("explain", std::env::temp_dir())
        .session_sample_rate(settings.session_sample_rate)
        .trace_sample_rate(settings.trace_sample_rate);
    for rule in &settings.trace_hosts {
        config = config.trace_host(rule.clone());
    }
    config.build()?;
    let explanation = explain(settings, &event)?;
    println!("{}", serde_json::to_string_pretty(&explanation)?);
    Ok(())
}

fn explain(settings: Settings, event: &Event) -> Result<Json> {
    let mut out = Map::new();
    let redactor = Redactor::new(settings.redact);
    let session = event.session_id.unwrap_or_default();
    let session_kept = event.session_id.is_none_or(|id| keep_session(id, settings.session_sample_rate));
    let trace_id = match &event.trace_id {
        Some(text) => {
            let parent = format!("00-{text}-0000000000000001-01");
            TraceContext::from_traceparent(&parent)
                .context("trace_id: 32 lower-case hex digits, not all zero")?
                .trace_id
        }
        None => [1; 16],
    };
    let trace_kept = session_kept && (event.trace_id.is_none() || keep_trace(trace_id, settings.trace_sample_rate));
    let survives = event.kind == "error";
    let verdict = match event.kind.as_str() {
        "mutation" => {
            let store = event.store.as_deref().context("a mutation needs `store`")?;
            let path = event.path.as_deref().context("a mutation needs `path`")?;
            mutation(&settings.stores, store, path, event, session_kept, &mut out)?
        }
        _ if !session_kept && !survives => {
            ("dropped", "sampled_out: the session is not of the sampled share".to_owned())
        }
        "span" if !trace_kept => ("dropped", "sampled_out: the trace is not of the sampled share".to_owned()),
        _ if !session_kept => ("recorded", "errors of sampled-out sessions are kept".to_owned()),
        _ => ("recorded", "nothing speaks against it".to_owned()),
    };
    out.insert("verdict".to_owned(), verdict.0.into());
    out.insert("why".to_owned(), verdict.1.into());
    redacted(&redactor, event, &mut out);
    if let Some(url) = &event.url {
        let hosts = TraceHosts::new(settings.trace_hosts);
        let context = SpanContext::new(TraceContext { trace_id, span_id: 1u64.to_be_bytes(), sampled: trace_kept });
        let mut own = Baggage::default();
        if !session.is_nil() {
            own.set("session.id", &session.to_string());
        }
        let injected = hosts.inject(url, &context, &[], &own);
        let headers: Map<String, Json> =
            injected.headers.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        let why = match (injected.withheld, hosts.rule(url)) {
            (Some(Withheld::HostNotListed), _) => {
                "no rule lists this host, or URL parsers disagree about it".to_owned()
            }
            (Some(Withheld::NotSampled), _) => "the trace is not sampled, and the rule says `sampled`".to_owned(),
            (_, Some(rule)) => format!("the rule for `{}`", rule.host()),
            (_, None) => String::new(),
        };
        out.insert("headers".to_owned(), headers.into());
        out.insert("headers_why".to_owned(), why.into());
    }
    Ok(Json::Object(out))
}

fn mutation(
    stores: &BTreeMap<String, StorePolicy>,
    store: &str,
    path: &str,
    event: &Event,
    session_kept: bool,
    out: &mut Map<String, Json>,
) -> Result<(&'static str, String)> {
    let known = stores.get(store);
    let default = StorePolicy::default();
    let settings = known.unwrap_or(&default);
    let mut policy = Policy::new(store, 1, settings)?;
    let (name, capture) = match policy.decide(path) {
        PathDecision::Ignore(reason) => return Ok(("suppressed", reason.name().to_owned())),
        PathDecision::Record { name, capture } => (name, capture),
    };
    out.insert("name".to_owned(), (&*name).into());
    out.insert("capture".to_owned(), serde_json::to_value(capture)?);
    for (key, value) in [("state.old", &event.old), ("state.new", &event.new)] {
        let Some(value) = value else { continue };
        let value = any(value)?;
        let seen = throughline::internals::state::capture(&Value::from(&value), capture);
        let shown = seen.map(|seen| match seen.value {
            Some(kept) => json!(format!("{:?}", kept.as_value())),
            None => json!({ "type": seen.kind, "length": seen.length }),
        });
        out.insert(key.to_owned(), shown.unwrap_or(Json::Null));
    }
    if event.old.is_some() && event.old == event.new {
        return Ok(("suppressed", "unchanged".to_owned()));
    }
    if !session_kept {
        return Ok(("dropped", "sampled_out: the session is not of the sampled share".to_owned()));
    }
    let policy =
        if known.is_some() { "the store's policy" } else { "the default policy: the store has none of its own" };
    Ok(match (settings.coalesce.as_millis(), capture) {
        (0, _) => ("recorded", format!("as an action of its own, by {policy}")),
        (window, Capture::None) => {
            ("coalesced", format!("with others of its path and cause within {window} ms, without values, by {policy}"))
        }
        (window, _) => ("coalesced", format!("with others of its path and cause within {window} ms, by {policy}")),
    })
}

fn any(value: &Json) -> Result<AnyValue> {
    Ok(match value {
        Json::Bool(flag) => AnyValue::Bool(*flag),
        Json::Number(number) => match number.as_i64() {
            Some(number) => AnyValue::Int(number),
            None => AnyValue::Double(number.as_f64().context("a number")?),
        },
        Json::String(text) => AnyValue::Text(text.clone()),
        Json::Array(items) => AnyValue::List(items.iter().map(any).collect::<Result<_>>()?),
        Json::Object(entries) => {
            AnyValue::Map(entries.iter().map(|(key, item)| Ok((key.clone(), any(item)?))).collect::<Result<_>>()?)
        }
        Json::Null => bail!("null is no attribute value"),
    })
}

/// What redaction leaves of the event, and what it took.
fn redacted(redactor: &Redactor, event: &Event, out: &mut Map<String, Json>) {
    let mut changes = Vec::new();
    let mut attributes = Map::new();
    for (key, value) in &event.attributes {
        match redactor.key(key) {
            KeyVerdict::Clean => {
                attributes.insert(key.clone(), value.clone());
            }
            KeyVerdict::Secret => {
                changes.push(format!("attribute `{key}`: redacted, its key is on the list of secrets"));
                attributes.insert(key.clone(), throughline::internals::redact::REDACTED.into());
            }
            KeyVerdict::Reserved => {
                changes.push(format!("attribute `{key}`: renamed, the key is one of ours"));
                attributes.insert(format!("app.{key}"), value.clone());
            }
        }
    }
    if !attributes.is_empty() {
        out.insert("attributes".to_owned(), attributes.into());
    }
    let texts = [("message", &event.message, true), ("url", &event.url, false), ("name", &event.name, true)];
    for (field, value, is_text) in texts {
        let Some(value) = value else { continue };
        let clean = match (field, is_text) {
            ("name", _) => value.as_str().into(),
            (_, true) => redactor.free_text(value),
            _ => redactor.url(value),
        };
        if clean != value.as_str() {
            changes.push(format!("{field}: redacted"));
        }
        out.insert(if field == "name" { "event_name" } else { field }.to_owned(), clean.into());
    }
    out.insert("redacted".to_owned(), changes.into());
}
