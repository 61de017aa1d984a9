//! `explain`: what the client would do with an event, and why; for a URL, which trace headers a
//! request to it would carry.
//!
//! It asks the same policies as the client does and records nothing. The answer is one JSON object.

mod headers;
mod input;
mod mutation;
mod privacy;
mod verdict;

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use serde_json::{Map, Value as Json};
use throughline::Config;
use throughline::internals::redact::Redactor;

use input::{Event, Kind, Settings};
use verdict::{Sampling, Verdict};

#[derive(Args)]
pub(crate) struct Options {
    /// JSON file with any of: session_sample_rate, trace_sample_rate, trace_hosts, stores (by
    /// name), redact.
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
    let settings: Settings =
        serde_json::from_str(&text).with_context(|| format!("parsing {}", options.config.display()))?;
    let event: Event = serde_json::from_str(&options.event).context("parsing --event")?;
    let kind = Kind::from_name(&event.kind)?;
    validate(&settings)?;
    let explanation = explain(settings, kind, &event)?;
    println!("{}", serde_json::to_string_pretty(&explanation)?);
    Ok(())
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
    Ok(())
}

fn explain(settings: Settings, kind: Kind, event: &Event) -> Result<Json> {
    let mut out = Map::new();
    let redactor = Redactor::new(settings.redact.clone());
    let sampling = Sampling::of(&settings, event)?;
    let verdict = match kind {
        Kind::Mutation => mutation::verdict(&settings.stores, &redactor, event, &sampling, &mut out)?,
        // Errors are recorded even in sessions that the sample rate does not select.
        Kind::Error if !sampling.session_is_kept => {
            Verdict::new("recorded", "errors of sessions that are not sampled are recorded all the same")
        }
        _ if !sampling.session_is_kept => Verdict::session_not_sampled(),
        Kind::Span if !sampling.trace_is_kept => Verdict::trace_not_sampled(),
        _ => Verdict::new("recorded", "no rule of this configuration excludes it"),
    };
    out.insert("verdict".to_owned(), verdict.word.into());
    out.insert("why".to_owned(), verdict.why.into());
    privacy::describe(&redactor, event, &mut out);
    if let Some(url) = &event.url {
        headers::describe(settings.trace_hosts, url, event.session_id, &sampling, &mut out);
    }
    Ok(Json::Object(out))
}
