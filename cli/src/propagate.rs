//! `propagate`: reads the trace headers of a request, starts child spans, and writes their headers.
//!
//! One JSON object a line on standard input, one a line on standard output, so that a conformance
//! test can drive it as a process.

use std::io::BufRead;

use anyhow::{Context, Result, anyhow, ensure};
use clap::Args;
use serde::{Deserialize, Serialize};
use throughline::event::TraceContext;
use throughline::internals::ids::{IdCounter, RunKey};
use throughline::trace::{Format, SpanContext, extract, inject};

use crate::output;

/// Most child spans that one line may ask for. It bounds the answer, which is built in memory.
const MAX_CHILDREN: u64 = 10_000;

#[derive(Args)]
pub(crate) struct Options {
    /// Header formats to read and write. If a request carries several valid ones, the first in this
    /// list counts.
    #[arg(long, value_delimiter = ',', default_value = "tracecontext,baggage", value_parser = format)]
    style: Vec<Format>,
}

fn format(name: &str) -> Result<Format> {
    let names: Vec<_> = Format::ALL.into_iter().map(Format::name).collect();
    Format::from_name(name).ok_or_else(|| anyhow!("unknown format; known are {}", names.join(", ")))
}

/// One line of the input.
#[derive(Deserialize)]
struct Request {
    headers: Vec<(String, String)>,
    n: u64,
}

/// One line of the output: for each child span its headers.
#[derive(Serialize)]
struct Reply {
    out: Vec<Vec<(&'static str, String)>>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let ((key, is_random), ids) = (RunKey::draw(), IdCounter::new());
    for (index, line) in std::io::stdin().lock().split(b'\n').enumerate() {
        let number = index + 1;
        let line = line.with_context(|| format!("reading line {number}"))?;
        if line.trim_ascii().is_empty() {
            continue;
        }
        let request: Request = serde_json::from_slice(&line)
            .with_context(|| format!("line {number}: expected {{\"headers\":[[name,value],…],\"n\":N}}"))?;
        ensure!(request.n <= MAX_CHILDREN, "line {number}: `n` must be at most {MAX_CHILDREN}");
        let headers = request.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let new_trace = || {
            let n = ids.next();
            let trace = TraceContext { trace_id: key.trace_id(n), span_id: key.span_id(n), sampled: true };
            SpanContext { random: is_random, ..SpanContext::new(trace) }
        };
        let mut context = extract(&options.style, headers).or_root(new_trace);
        if context.correlation_id.is_empty() {
            context.correlation_id = key.object_id(ids.next()).to_string();
        }
        let child = |_| inject(&options.style, &context.child(key.span_id(ids.next())));
        let reply = Reply { out: (0..request.n).map(child).collect() };
        output::line(serde_json::to_string(&reply)?)?;
    }
    Ok(())
}
