//! What MetricKit says, as an event of the run that is told of it.

use crate::engine::recorder::Recorder;
use crate::model::event::{Common, ErrorEvent, ErrorKind};
use crate::model::names::semconv::PROCESS_PID;
use crate::model::names::words::{
    ERROR_HANG, ERROR_LOW_MEMORY, ERROR_METRICKIT_CPU, ERROR_METRICKIT_DISK_WRITE, ERROR_METRICKIT_HANG,
    ERROR_METRICKIT_LAUNCH,
};
use crate::model::names::{
    CRASH_CLASS, CRASH_CODE, CRASH_EXCEPTION, CRASH_REGION, CRASH_SIGNAL, CRASH_TERMINATION, EXIT_APP_BUILD,
    EXIT_APP_VERSION, EXIT_OS_VERSION, EXIT_PERIOD, EXIT_RULE, HANG_DURATION,
};
use crate::model::value::Value;
use crate::policy::exits::{AppleExits, Diagnostic, DiagnosticKind, RunMark, Stated, Termination};

/// When something happened, as far as that is known.
struct Time {
    at_ms: u64,
    /// The length of the period in which it happened. `None`: it is a time.
    period_ms: Option<u64>,
}

impl Time {
    fn of(stated: &Stated, now_ms: u64, run: Option<&RunMark>) -> Self {
        let Some((from, until)) = stated.from_ms.zip(stated.until_ms) else {
            return Self { at_ms: now_ms, period_ms: None };
        };
        if stated.is_point() {
            return Self { at_ms: from, period_ms: None };
        }
        let at_ms = run.map_or(until, |run| run.seen_ms.clamp(from, until));
        Self { at_ms, period_ms: Some(until - from) }
    }
}

fn int(number: u64) -> Value<'static> {
    Value::Int(number.try_into().unwrap_or(i64::MAX))
}

/// Records a crash that is an error of the app's, or a diagnostic of an app that lived on:
/// `termination` is that of a crash. What is refused has been counted.
pub(crate) fn record(
    recorder: &Recorder,
    told: &Diagnostic,
    termination: Option<(&Termination, ErrorKind)>,
    run: Option<&RunMark>,
) {
    let now = recorder.boot();
    let time = Time::of(&told.crash.stated, recorder.wall(now) / 1_000_000, run);
    let [objc_name, objc_class, _] = &told.objc;
    let [app_version, app_build, os_version] = &told.versions;
    let signal = told.signal.map(signal).unwrap_or_default();
    let exception = told.exception.map(exception).unwrap_or_default();
    let code = told.code.map(|code| code.to_string()).unwrap_or_default();
    let mut attributes = vec![];
    if let Some((termination, _)) = termination {
        attributes.push((EXIT_RULE, Value::Text(termination.evidence.rule)));
    }
    let texts = [
        (CRASH_EXCEPTION, &exception),
        (CRASH_CODE, &code),
        (CRASH_SIGNAL, &signal),
        (CRASH_CLASS, objc_class),
        (CRASH_TERMINATION, &told.termination),
        (CRASH_REGION, &told.region),
        (EXIT_APP_VERSION, app_version),
        (EXIT_APP_BUILD, app_build),
        (EXIT_OS_VERSION, os_version),
    ];
    attributes.extend(texts.into_iter().filter(|(_, text)| !text.is_empty()).map(|(key, text)| (key, text.into())));
    attributes.extend(told.crash.pid.map(|pid| (PROCESS_PID, int(pid.into()))));
    attributes.extend(time.period_ms.map(|period| (EXIT_PERIOD, int(period.saturating_mul(1_000_000)))));
    if told.kind == DiagnosticKind::Hang {
        attributes.extend(told.duration_ns.map(|duration| (HANG_DURATION, int(duration))));
    }
    let is_hang = termination.is_some_and(|(_, kind)| kind == ErrorKind::Hang);
    let error_type = match told.kind {
        DiagnosticKind::Crash if is_hang => ERROR_HANG,
        DiagnosticKind::Crash => {
            let names = [objc_name, &signal, &exception];
            names.into_iter().find(|name| !name.is_empty()).map_or("NativeCrash", |name| name)
        }
        DiagnosticKind::Hang => ERROR_METRICKIT_HANG,
        DiagnosticKind::Cpu => ERROR_METRICKIT_CPU,
        DiagnosticKind::DiskWrite => ERROR_METRICKIT_DISK_WRITE,
        DiagnosticKind::Launch => ERROR_METRICKIT_LAUNCH,
    };
    let message = message(told, &exception);
    let mut event = ErrorEvent::new(error_type, &message).stack(&told.stack);
    event.error_kind = termination.map_or(ErrorKind::Handled, |(_, kind)| kind);
    event.common =
        Common { attributes: &attributes, time: Some(time.at_ms.saturating_mul(1_000_000)), ..Common::default() };
    recorder.record_own(&event, now);
}

/// Records the end of a run that the system's counts tell of.
pub(crate) fn record_counted(
    recorder: &Recorder,
    exits: &AppleExits,
    stated: &Stated,
    kind: ErrorKind,
    termination: &Termination,
    run: &RunMark,
) {
    let time = Time::of(stated, exits.until_ms, Some(run));
    let mut attributes = vec![(EXIT_RULE, Value::Text(termination.evidence.rule)), (PROCESS_PID, int(run.pid.into()))];
    attributes.extend(time.period_ms.map(|period| (EXIT_PERIOD, int(period.saturating_mul(1_000_000)))));
    let mut event = ErrorEvent::new(ERROR_LOW_MEMORY, "");
    event.error_kind = kind;
    event.common =
        Common { attributes: &attributes, time: Some(time.at_ms.saturating_mul(1_000_000)), ..Common::default() };
    recorder.record_own(&event, recorder.boot());
}

/// What happened, in the system's words as far as there are any.
fn message(told: &Diagnostic, exception: &str) -> String {
    let [_, _, objc] = &told.objc;
    let measured = |what: &str| format!("{what} {}", told.measured).trim_end().to_owned();
    match told.kind {
        DiagnosticKind::Crash => {
            let words = [objc, &told.termination, &told.region].into_iter().find(|text| !text.is_empty());
            words.map_or_else(|| exception.to_owned(), Clone::clone)
        }
        DiagnosticKind::Hang => measured("The main thread did not respond for"),
        DiagnosticKind::Cpu => measured("The app used too much of the processor:"),
        DiagnosticKind::DiskWrite => measured("The app wrote too much to the disk:"),
        DiagnosticKind::Launch => measured("The launch of the app took too long:"),
    }
}

/// The name of a signal by Darwin's numbers, which are not those of the system that this runs on.
fn signal(number: i32) -> String {
    let name = match number {
        4 => "SIGILL",
        5 => "SIGTRAP",
        6 => "SIGABRT",
        7 => "SIGEMT",
        8 => "SIGFPE",
        9 => "SIGKILL",
        10 => "SIGBUS",
        11 => "SIGSEGV",
        12 => "SIGSYS",
        13 => "SIGPIPE",
        15 => "SIGTERM",
        other => return format!("signal {other}"),
    };
    name.to_owned()
}

/// The name of a Mach exception: `mach/exception_types.h`.
fn exception(number: i64) -> String {
    let name = match number {
        1 => "EXC_BAD_ACCESS",
        2 => "EXC_BAD_INSTRUCTION",
        3 => "EXC_ARITHMETIC",
        4 => "EXC_EMULATION",
        5 => "EXC_SOFTWARE",
        6 => "EXC_BREAKPOINT",
        7 => "EXC_SYSCALL",
        8 => "EXC_MACH_SYSCALL",
        9 => "EXC_RPC_ALERT",
        10 => "EXC_CRASH",
        11 => "EXC_RESOURCE",
        12 => "EXC_GUARD",
        13 => "EXC_CORPSE_NOTIFY",
        other => return format!("exception {other}"),
    };
    name.to_owned()
}
