//! What the system says about the end of a run, as an event of the run that is told of it.

use super::text;
use crate::engine::recorder::Recorder;
use crate::model::event::{Common, ErrorEvent, ErrorKind};
use crate::model::names::semconv::{PROCESS_NAME, PROCESS_PID};
use crate::model::names::words::ERROR_LOW_MEMORY;
use crate::model::names::{EXIT_IMPORTANCE, EXIT_MEMORY, EXIT_RULE, EXIT_STATUS};
use crate::model::value::Value;
use crate::policy::exits::{AndroidExit, AndroidReason, Termination};

/// A record of Android's about the end of a process of the app, with what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemExit {
    /// The record.
    pub exit: AndroidExit,
    /// What Android says about it in words (`getDescription`). Empty: nothing.
    pub description: String,
    /// The stacks of all threads, for an ANR (`getTraceInputStream`). Empty when there are none.
    pub trace: String,
}

/// Records an end that is an error of the app's. What is refused has been counted.
pub(crate) fn record(recorder: &Recorder, told: &SystemExit, kind: ErrorKind, termination: &Termination) {
    let SystemExit { exit, description, trace } = told;
    let int = |number: u64| Value::Int(number.try_into().unwrap_or(i64::MAX));
    let mut attributes = vec![
        (EXIT_RULE, Value::Text(termination.evidence.rule)),
        (EXIT_STATUS, Value::Int(exit.status.into())),
        (EXIT_IMPORTANCE, Value::Int(exit.importance.into())),
        (EXIT_MEMORY, int(exit.pss_kb.saturating_mul(1_024))),
        (PROCESS_PID, int(exit.pid.into())),
    ];
    if let Some(process) = &exit.process {
        attributes.push((PROCESS_NAME, Value::Text(process)));
    }
    let name = name(exit);
    let mut event = ErrorEvent::new(&name, description).stack(trace);
    event.error_kind = kind;
    event.common =
        Common { attributes: &attributes, time: Some(exit.at_ms.saturating_mul(1_000_000)), ..Common::default() };
    recorder.record_own(&event, recorder.boot());
}

/// The type of the error.
fn name(exit: &AndroidExit) -> String {
    let name = match exit.reason {
        AndroidReason::Anr => "ANR",
        AndroidReason::LowMemory => ERROR_LOW_MEMORY,
        AndroidReason::InitializationFailure => "InitializationFailure",
        AndroidReason::Signaled => return text::signal(exit.status),
        _ => "NativeCrash",
    };
    name.to_owned()
}
