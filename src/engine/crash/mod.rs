//! The next launch: from the run file of a run that died to an event of that run.
//!
//! The event has the session, the view, the action and the operation that were current when the
//! process died, because it refers to that run's contexts by their versions. Its id depends on the
//! run and on the slot, so whoever reads the file again makes the same event.
//!
//! - `ended.rs`: how the run ended, by its own word;
//! - `exit.rs`, `diagnosed.rs`: what Android and iOS say of its end;
//! - `unwind.rs`: from registers and a stack to frames;
//! - `text.rs`: the crash in words.

mod diagnosed;
mod ended;
mod exit;
mod text;
mod unwind;

pub(crate) use diagnosed::{record as record_diagnosed, record_counted};
pub(crate) use ended::{ended_run, ended_sessions, previous_run};
pub use exit::SystemExit;
pub(crate) use exit::record as record_exit;

use crate::model::config::RedactRules;
use crate::model::event::breadcrumb::{self, Breadcrumb};
use crate::model::event::encode::{Stamp, encode_scrubbed};
use crate::model::event::scrub::Author;
use crate::model::event::{Common, ErrorEvent, ErrorKind, Event, Lane};
use crate::model::ids::RunKey;
use crate::model::names::semconv::{PROCESS_PID, THREAD_ID, THREAD_NAME};
use crate::model::names::{
    BREADCRUMBS, BREADCRUMBS_DROPPED, CRASH_ADDRESS, CRASH_CODE, CRASH_HANDLER_TIME, CRASH_OTHERS, CRASH_SIGNAL,
    CRASH_TRUNCATED, CRASH_UNWINDING, ERROR_FATAL_ID, OPERATION_NAME,
};
use crate::model::time::BootTime;
use crate::model::value::{AnyValue, Value};
use crate::policy::redact::Redactor;
use crate::storage::crash::{Crash, CrashFile, CrashState, Phase, Stage};
use crate::storage::journal::RunStart;

/// The event of a crash, as the queue takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CrashRecord {
    /// The counter of its id.
    pub(crate) n: u64,
    /// The lane that it goes to.
    pub(crate) lane: Lane,
    /// The canonical record.
    pub(crate) record: Vec<u8>,
}

/// How careful the reader of a run file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Care {
    /// It reads the unwind tables of the modules.
    Tables,
    /// It takes the frames that the handler found: the tables may have killed the last reader.
    FramePointers,
}

/// What was made of a crash.
struct Found {
    stack: String,
    unwinding: &'static str,
    /// How many other threads crashed.
    others: usize,
    /// What happened before, as a list, and how many of the last events are not in it.
    crumbs: AnyValue,
    crumbs_dropped: usize,
}

/// The counter of the id of a run's crash. The counters of other events begin at 1 and never come
/// so far. SQLite's numbers go no further.
fn counter(slot: usize) -> u64 {
    i64::MAX as u64 - slot as u64
}

/// The event of the crash in a run file, if there is one. `start` is that of the run, and `crumbs`
/// are its last events.
pub(crate) fn report(
    file: &CrashFile,
    start: RunStart,
    redactor: &Redactor,
    care: Care,
    crumbs: &[Breadcrumb],
) -> Option<CrashRecord> {
    // A run that has ended as it should may crash while the process ends. It was none of the app's.
    if file.phase() == Some(Phase::CleanExit) {
        return None;
    }
    let crashes = file.crashes();
    let (crash, others) = crashes.split_first()?;
    let others = others.iter().filter(|other| !other.is_nested()).count();
    // By SIGABRT a language ends the process of which it has said before what it died of.
    if crash.signal == libc::SIGABRT && dying_of(&file.state().unwrap_or_default(), crash) {
        return None;
    }
    let modules = file.modules();
    let frames = unwind::unwind(crash, &modules, file.is_native() && care == Care::Tables);
    let stack = text::stack(&frames, &modules);
    let (crumbs, crumbs_dropped) = breadcrumb::to_list(crumbs, start.base_wall);
    let found = Found { unwinding: text::unwinding(&frames), stack, others, crumbs, crumbs_dropped };
    encode(file, crash, &found, start, redactor)
}

/// Whether a language has said what the process died of, so that the signal says it once more.
fn dying_of(state: &CrashState, crash: &Crash) -> bool {
    state.fatal.is_some_and(|fatal| fatal.explains(BootTime(crash.boot)))
}

fn encode(file: &CrashFile, crash: &Crash, found: &Found, start: RunStart, redactor: &Redactor) -> Option<CrashRecord> {
    let (name, message) = (text::signal(crash.signal), text::message(crash));
    let code = text::code(crash.signal, crash.code).map_or_else(|| crash.code.to_string(), str::to_owned);
    let address = text::address(crash.address);
    let state = file.state().unwrap_or_default();
    let truncated = match crash.stage {
        Stage::Done => None,
        Stage::Stack => Some("stack"),
        Stage::Frames => Some("frames"),
        Stage::Registers | Stage::Empty => Some("registers"),
    };
    let mut attributes = vec![
        (CRASH_SIGNAL, Value::Text(&name)),
        (CRASH_CODE, Value::Text(&code)),
        (CRASH_UNWINDING, Value::Text(found.unwinding)),
        (THREAD_ID, Value::Int(crash.thread.into())),
        (PROCESS_PID, Value::Int(crash.process.into())),
    ];
    if !crash.thread_name.is_empty() {
        attributes.push((THREAD_NAME, Value::Text(&crash.thread_name)));
    }
    if text::has_address(crash) {
        attributes.push((CRASH_ADDRESS, Value::Text(&address)));
    }
    if let Some(truncated) = truncated {
        attributes.push((CRASH_TRUNCATED, Value::Text(truncated)));
    }
    if found.others > 0 {
        attributes.push((CRASH_OTHERS, Value::Int(found.others as i64)));
    }
    if crash.took > 0 {
        attributes.push((CRASH_HANDLER_TIME, Value::Int(crash.took.min(i64::MAX as u64) as i64)));
    }
    if !state.operation_name.is_empty() {
        attributes.push((OPERATION_NAME, Value::Text(&state.operation_name)));
    }
    let fatal = state.fatal.map(|fatal| fatal.id.to_string()).filter(|_| dying_of(&state, crash));
    if let Some(fatal) = &fatal {
        attributes.push((ERROR_FATAL_ID, Value::Text(fatal)));
    }
    if !matches!(&found.crumbs, AnyValue::List(list) if list.is_empty()) {
        attributes.push((BREADCRUMBS, (&found.crumbs).into()));
    }
    if found.crumbs_dropped > 0 {
        attributes.push((BREADCRUMBS_DROPPED, Value::Int(found.crumbs_dropped as i64)));
    }
    let common = Common { attributes: &attributes, trace: state.operation, action_id: state.action, time: None };
    let error_kind = if fatal.is_some() { ErrorKind::Handled } else { ErrorKind::Crash };
    let event = ErrorEvent { common, error_kind, ..ErrorEvent::crash(&name, &message, &found.stack) };
    let stamp = Stamp {
        time_delta: crash.wall.wrapping_sub(start.base_wall) as i64,
        context: state.context,
        scope: state.scope,
        action: None,
        trace: None,
    };
    let mut record = Vec::new();
    encode_scrubbed(&event, stamp, redactor.rules(Author::Core), &mut record).then(|| CrashRecord {
        n: counter(crash.slot),
        lane: event.lane(),
        record,
    })
}

/// The canonical record of the crash in a run file's bytes, for the torture and for fuzzing.
pub fn crash_report(bytes: Vec<u8>, key: RunKey) -> Option<Vec<u8>> {
    let file = CrashFile::from_bytes(bytes, key)?;
    let start = RunStart { key, base_wall: 0 };
    report(&file, start, &Redactor::new(RedactRules::default()), Care::Tables, &[]).map(|crash| crash.record)
}

/// Where a run begins whose journal is not there: by its run file.
pub(crate) fn start_of(file: &CrashFile, key: RunKey) -> Option<RunStart> {
    file.facts().map(|facts| RunStart { key, base_wall: facts.base_wall })
}
