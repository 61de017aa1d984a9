//! `explain`: what the client would do with an event, and why; for a URL, which trace headers a
//! request to it would carry.
//!
//! It asks the same policies as the client does and records nothing. The answer is one JSON object.
//! `docs/cli.md` describes what it is given and what it answers.

mod headers;
mod input;
mod mutation;
mod privacy;
mod values;
mod verdict;

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json};
use throughline::Config;
use throughline::internals::redact::Redactor;
use throughline::internals::state::Policy;

use crate::output;
use input::{Event, Kind, Settings};
use verdict::{Sampling, Share, Verdict};

#[derive(Args)]
pub(crate) struct Options {
    /// JSON file with any of: session_sample_rate, trace_sample_rate, trace_hosts, stores (by
    /// name), redact. docs/cli.md has an example.
    #[arg(long)]
    config: PathBuf,
    /// The event as JSON: kind (mutation, action, resource, error, log or span) and what belongs to
    /// that kind: store, path, old, new; name; url; message; attributes; session_id; trace_id.
    #[arg(long)]
    event: String,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let text =
        std::fs::read_to_string(&options.config).with_context(|| format!("reading {}", options.config.display()))?;
    let settings: Settings = read(&text).with_context(|| format!("parsing {}", options.config.display()))?;
    let event: Event = read(&options.event).context("parsing --event")?;
    let kind = Kind::from_name(&event.kind)?;
    kind.check(&event)?;
    validate(&settings)?;
    let explanation = explain(settings, kind, &event)?;
    output::line(serde_json::to_string_pretty(&explanation)?)
}

/// Lets the client's own configuration check the settings, so that a mistake is reported here and
/// not at the start of an app.
fn validate(settings: &Settings) -> Result<()> {
    let mut config = Config::builder("explain", std::env::temp_dir())
        .session_sample_rate(settings.session_sample_rate)
        .trace_sample_rate(settings.trace_sample_rate);
    for host in &settings.trace_hosts {
        config = config.trace_host(host.clone());
    }
    config.build()?;
    for (name, policy) in &settings.stores {
        Policy::new(name, 1, policy).with_context(|| format!("in the policy of the store `{name}`"))?;
    }
    Ok(())
}

/// Reads an object. Serde would also take a list, as the fields in their order.
fn read<T: DeserializeOwned>(text: &str) -> Result<T> {
    // What some editors write at the beginning of a file.
    let text = text.trim_start_matches('\u{feff}').trim();
    ensure!(text.is_empty() || text.starts_with('{'), "expected an object: {{…}}");
    Ok(serde_json::from_str(text)?)
}

fn explain(settings: Settings, kind: Kind, event: &Event) -> Result<Json> {
    let mut out = Map::new();
    let redactor = Redactor::new(settings.redact.clone());
    let sampling = Sampling::of(&settings, event)?;
    let no_rule = || Verdict::new("recorded", "no other rule of this configuration excludes it");
    let (verdict, share) = match kind {
        Kind::Mutation => {
            let verdict = mutation::verdict(&settings.stores, &redactor, event, &sampling, &mut out)?;
            (verdict, sampling.session.number())
        }
        // Errors are recorded even in sessions that the sample rate does not select.
        Kind::Error if sampling.session != Share::Known(true) => {
            (Verdict::new("recorded", "errors of sessions that are not sampled are recorded all the same"), 1.0)
        }
        Kind::Error => (no_rule(), 1.0),
        _ if !sampling.session.can_be_kept() => (Verdict::session_not_sampled(), 0.0),
        Kind::Span if !sampling.trace.can_be_kept() => (Verdict::trace_not_sampled(), 0.0),
        Kind::Span => (no_rule().of_a_share(sampling.traces()), sampling.session.number() * sampling.trace.number()),
        _ => (no_rule().of_a_share(sampling.sessions()), sampling.session.number()),
    };
    let is_recorded = !matches!(verdict.word, "dropped" | "suppressed");
    out.insert("verdict".to_owned(), verdict.word.into());
    out.insert("why".to_owned(), verdict.why.into());
    out.insert("share".to_owned(), if is_recorded { share } else { 0.0 }.into());
    privacy::describe(&redactor, event, &mut out)?;
    if let Some(url) = &event.url {
        headers::describe(settings.trace_hosts, url, event.session_id, &sampling, &mut out);
    }
    Ok(Json::Object(out))
}
