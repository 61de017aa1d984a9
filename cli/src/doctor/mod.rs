//! `doctor`: what keeps data from arriving, from the directory of an app that is not running here.
//!
//! The directory is only read. Its database is copied and the copy is opened, because opening one
//! writes to it.

mod directory;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde_json::json;
use throughline::diagnosis::{Diagnosis, Finding};
use throughline::event::{Log, Severity};
use throughline::{Config, Consent, Telemetry};

use crate::output;

/// How long a backend may take for its answer.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Args)]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(true))]
pub(crate) struct Options {
    /// The data directory of the app, as it is on this machine or as it was copied from a device.
    #[arg(long, group = "what")]
    store: Option<PathBuf>,
    /// Sends one log line to this OTLP/HTTP endpoint, and says what it answers.
    #[arg(long, group = "what")]
    endpoint: Option<String>,
    /// Prints JSON in place of text.
    #[arg(long)]
    json: bool,
}

/// Ends with 0 when nothing keeps data from arriving, with 3 when something does.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let (mut findings, mut delivered, mut waiting) = (Vec::new(), 0, 0);
    if let Some(store) = &options.store {
        let seen = look_at(store)?;
        findings.extend(seen.findings);
        (delivered, waiting) = (seen.delivered, seen.waiting);
    }
    if let Some(endpoint) = &options.endpoint {
        findings.extend(ask(endpoint)?);
    }
    let diagnosis = Diagnosis::of(findings, delivered, waiting);
    output::line(if options.json {
        serde_json::to_string_pretty(&as_json(&diagnosis))?
    } else {
        diagnosis.to_string()
    })?;
    Ok(if diagnosis.is_clear() { ExitCode::SUCCESS } else { ExitCode::from(3) })
}

fn look_at(store: &Path) -> Result<Diagnosis> {
    ensure!(store.is_dir(), "{} is no directory", store.display());
    directory::look_at(store).with_context(|| format!("reading {}", store.display()))
}

/// Sends a log line by the client itself, so that what is said is what an app would be told.
fn ask(endpoint: &str) -> Result<Vec<Finding>> {
    let dir = tempfile::tempdir()?;
    let config = Config::builder("throughline-doctor", dir.path())
        .endpoint(endpoint)
        .capture_crashes(false)
        .start_jitter(false)
        .self_report(false)
        .build()?;
    let telemetry = Telemetry::start(config, Consent::Granted)?;
    telemetry.record_log(&Log::new(Severity::Info, "throughline doctor: this line shows that the endpoint works"));
    let diagnosis = telemetry.diagnose(PATIENCE);
    telemetry.shutdown(Duration::from_secs(1));
    // This client knows nothing of the app's own settings.
    Ok(diagnosis
        .findings
        .into_iter()
        .filter(|finding| finding.destination.is_some() || finding.cause.blocks())
        .collect())
}

fn as_json(diagnosis: &Diagnosis) -> serde_json::Value {
    let finding = |finding: &Finding| {
        json!({
            "cause": finding.cause.name(),
            "blocks": finding.cause.blocks(),
            "destination": finding.destination,
            "seen": finding.seen,
            "advice": finding.cause.advice(),
        })
    };
    json!({
        "clear": diagnosis.is_clear(),
        "delivered": diagnosis.delivered,
        "waiting": diagnosis.waiting,
        "findings": diagnosis.findings.iter().map(finding).collect::<Vec<_>>(),
    })
}
