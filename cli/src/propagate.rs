//! `propagate`: reads trace headers, starts child spans, writes their headers.

use std::io::{BufRead, Write};

use anyhow::{Context, Result, anyhow, ensure};
use clap::Args;
use serde::{Deserialize, Serialize};
use throughline::event::TraceContext;
use throughline::internals::ids::{IdCounter, RunKey};
use throughline::trace::{Format, extract, inject};

/// Child spans of one line.
const MAX_CHILDREN: u64 = 10_000;

#[derive(Args)]
pub(crate) struct Options {
    /// Formats to read and write; of several sound ones the first counts.
    #[arg(long, value_delimiter = ',', default_value = "tracecontext,baggage", value_parser = format)]
    style: Vec<Format>,
}

fn format(name: &str) -> Result<Format> {
    let names: Vec<_> = Format::ALL.into_iter().map(Format::name).collect();
    Format::from_name(name).ok_or_else(|| anyhow!("is none of {}", names.join(", ")))
}

#[derive(Deserialize)]
struct Request {
    headers: Vec<(String, String)>,
    n: u64,
}

#[derive(Serialize)]
struct Reply {
    out: Vec<Vec<(&'static str, String)>>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let (key, ids) = (RunKey::random(), IdCounter::new());
    let mut out = std::io::stdout().lock();
    for (at, line) in std::io::stdin().lock().lines().enumerate() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let place = || format!("line {}: expected {{\"headers\":[[name,value],…],\"n\":N}}", at + 1);
        let request: Request = serde_json::from_str(&line).with_context(place)?;
        ensure!(request.n <= MAX_CHILDREN, "line {}: n is more than {MAX_CHILDREN}", at + 1);
        let headers = request.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let root = || {
            let n = ids.next();
            TraceContext { trace_id: key.trace_id(n), span_id: key.span_id(n), sampled: true }
        };
        let mut context = extract(&options.style, headers).or_root(root);
        if context.correlation_id.is_empty() {
            context.correlation_id = key.object_id(ids.next()).to_string();
        }
        let child = |_| inject(&options.style, &context.child(key.span_id(ids.next())));
        let reply = Reply { out: (0..request.n).map(child).collect() };
        writeln!(out, "{}", serde_json::to_string(&reply)?)?;
    }
    Ok(())
}
