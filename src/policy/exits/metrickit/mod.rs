//! What iOS says about the app: MetricKit's payloads, as `jsonRepresentation()` writes them.
//!
//! Nothing of a payload is trusted. What has another type than Apple documents is taken for absent,
//! and numbers may be texts.
//!
//! - `json.rs`: values of any depth, without recursion;
//! - `stack.rs`: the frames;
//! - `text.rs`: times and durations.

mod json;
mod stack;
#[cfg(test)]
mod tests;
mod text;

use sha2::{Digest, Sha256};

use super::apple::{AppleCount, AppleExit, AppleExits};
use crate::model::limits::{DIAGNOSTIC_POINT, MAX_DIAGNOSTICS, MAX_MESSAGE_CHARS, MAX_TEXT_CHARS};
use json::{Fault, Json, Value};

/// What a diagnostic is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DiagnosticKind {
    /// The app crashed, or the system ended it.
    Crash,
    /// The main thread did not respond for a while. It does not say that the app ended of it.
    Hang,
    /// The app used too much of the processor.
    Cpu,
    /// The app wrote too much to the disk.
    DiskWrite,
    /// The app took too long to launch.
    Launch,
}

/// A period of time, and by what the record that has it is recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stated {
    /// The beginning: wall time, milliseconds since the Unix epoch. `None` when the payload does
    /// not say, or in a form that is not known.
    pub from_ms: Option<u64>,
    /// The end.
    pub until_ms: Option<u64>,
    /// A hash of what the record says.
    pub hash: u64,
    /// How many records with this hash are before it in its payload.
    pub number: u32,
}

impl Stated {
    /// Whether the period is so short that it is a time.
    pub fn is_point(&self) -> bool {
        let ends = self.from_ms.zip(self.until_ms);
        ends.is_some_and(|(from, until)| u128::from(until.saturating_sub(from)) <= DIAGNOSTIC_POINT.as_millis())
    }
}

/// The end of a process that a crash diagnostic tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AppleCrash {
    /// When it was.
    pub stated: Stated,
    /// The process. iOS says it since version 17.
    pub pid: Option<u32>,
    /// Whether the watchdog ended it because it did not respond (`0x8badf00d`).
    pub is_watchdog: bool,
    /// Whether the system ended it for another reason: it was suspended with a locked file, a task
    /// in the background took too long, the device was too hot.
    pub is_killed: bool,
}

/// One of MetricKit's diagnostics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// What it is about.
    pub kind: DiagnosticKind,
    /// When and of which process.
    pub crash: AppleCrash,
    /// The Mach exception.
    pub exception: Option<i64>,
    /// Its code.
    pub code: Option<i64>,
    /// The signal, by Darwin's numbers.
    pub signal: Option<i32>,
    /// Why the system ended the process, in its words.
    pub termination: String,
    /// Which region of memory was accessed, in the system's words.
    pub region: String,
    /// Name, class and message of the Objective-C exception that nobody has caught.
    pub objc: [String; 3],
    /// Versions: of the app, its build, the system.
    pub versions: [String; 3],
    /// How long a hang or a launch lasted.
    pub duration_ns: Option<u64>,
    /// What was measured, in the system's words: `20 sec`, `1,200 MB`. Empty for a crash.
    pub measured: String,
    /// The stack, as the core writes it.
    pub stack: String,
}

/// What a payload says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Payload {
    /// The diagnostics.
    pub diagnostics: Vec<Diagnostic>,
    /// Diagnostics that are not among them: too many, or not of the form that Apple documents.
    pub unread: u32,
    /// How the app ended how often, and by what this is recognised.
    pub exits: Option<(AppleExits, Stated)>,
}

/// The lists of diagnostics, by their keys.
const LISTS: [(&str, DiagnosticKind); 5] = [
    ("crashDiagnostics", DiagnosticKind::Crash),
    ("hangDiagnostics", DiagnosticKind::Hang),
    ("cpuExceptionDiagnostics", DiagnosticKind::Cpu),
    ("diskWriteExceptionDiagnostics", DiagnosticKind::DiskWrite),
    ("appLaunchDiagnostics", DiagnosticKind::Launch),
];

/// Counters, by their keys. One whose value is zero is missing.
const COUNTERS: [(&str, AppleExit); 12] = [
    ("cumulativeNormalAppExitCount", AppleExit::Normal),
    ("cumulativeAbnormalExitCount", AppleExit::Abnormal),
    ("cumulativeBadAccessExitCount", AppleExit::BadAccess),
    ("cumulativeIllegalInstructionExitCount", AppleExit::IllegalInstruction),
    ("cumulativeAppWatchdogExitCount", AppleExit::Watchdog),
    ("cumulativeMemoryResourceLimitExitCount", AppleExit::MemoryLimit),
    ("cumulativeMemoryPressureExitCount", AppleExit::MemoryPressure),
    ("cumulativeCPUResourceLimitExitCount", AppleExit::CpuLimit),
    ("cumulativeSuspendedWithLockedFileExitCount", AppleExit::LockedFile),
    ("cumulativeBackgroundTaskAssertionTimeoutExitCount", AppleExit::TaskTimeout),
    ("cumulativeBackgroundURLSessionCompletionTimeoutExitCount", AppleExit::TaskTimeout),
    ("cumulativeBackgroundFetchCompletionTimeoutExitCount", AppleExit::TaskTimeout),
];

impl Payload {
    /// Reads a payload, of diagnostics or of metrics. `zone_s` is how far the device's local time
    /// is ahead of UTC, in seconds.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence.
    pub fn read(bytes: &[u8], zone_s: i32) -> Result<Self, String> {
        let json = Json::read(bytes).map_err(|fault| match fault {
            Fault::NotJson(at) => format!("the payload is not JSON from byte {at} on"),
            Fault::TooMany => "the payload has too many values".to_owned(),
        })?;
        let root = json.root();
        if !root.is_map() {
            return Err("the payload is not a JSON object".to_owned());
        }
        let times = ["timeStampBegin", "timeStampEnd"].map(|key| texts(root.get(key), 40));
        let [from_ms, until_ms] = times.each_ref().map(|time| text::time_ms(time, zone_s));
        let stated = Stated { from_ms, until_ms: until_ms.max(from_ms), ..Stated::default() };
        let mut payload = Self::default();
        for (key, kind) in LISTS {
            for value in root.get(key).into_iter().flat_map(Value::items) {
                let room = payload.diagnostics.len() < MAX_DIAGNOSTICS;
                let read = value.is_map().then(|| diagnostic(kind, value, stated)).filter(|_| room);
                let Some(mut diagnostic) = read.filter(Diagnostic::says_something) else {
                    payload.unread = payload.unread.saturating_add(1);
                    continue;
                };
                let hash = diagnostic.hash(&times);
                let before = payload.diagnostics.iter().filter(|other| other.crash.stated.hash == hash).count();
                diagnostic.crash.stated.hash = hash;
                diagnostic.crash.stated.number = u32::try_from(before).unwrap_or(u32::MAX);
                payload.diagnostics.push(diagnostic);
            }
        }
        payload.exits = root.get("applicationExitMetrics").and_then(|metrics| exits(metrics, stated, &times));
        Ok(payload)
    }
}

/// A text, cut to so many characters. Empty when there is none.
fn texts(value: Option<Value<'_>>, most: usize) -> String {
    value.and_then(Value::text).map(|text| text.chars().take(most).collect()).unwrap_or_default()
}

fn diagnostic(kind: DiagnosticKind, value: Value<'_>, stated: Stated) -> Diagnostic {
    let meta = value.get("diagnosticMetaData");
    let of = |key: &str| meta.and_then(|meta| meta.get(key)).or_else(|| value.get(key));
    let text = |key: &str| texts(of(key), MAX_TEXT_CHARS);
    let objc = of("objectiveCexceptionReason");
    let of_objc = |key: &str, most| texts(objc.and_then(|objc| objc.get(key)), most);
    let termination = text("terminationReason");
    let measured = match kind {
        DiagnosticKind::Crash => String::new(),
        DiagnosticKind::Hang => text("hangDuration"),
        DiagnosticKind::Cpu => text("totalCPUTime"),
        DiagnosticKind::DiskWrite => text("writesCaused"),
        DiagnosticKind::Launch => text("launchDuration"),
    };
    let is_watchdog = ["8badf00d", "2343432205"].iter().any(|code| termination.to_ascii_lowercase().contains(code));
    let pid = of("pid").and_then(Value::number::<u32>).filter(|pid| *pid > 0);
    let tree = value.get("callStackTree");
    let is_crash = kind == DiagnosticKind::Crash;
    Diagnostic {
        kind,
        crash: AppleCrash {
            stated,
            pid,
            is_watchdog: is_crash && is_watchdog,
            is_killed: is_crash && !is_watchdog && of("signal").and_then(Value::number) == Some(libc::SIGKILL),
        },
        exception: of("exceptionType").and_then(Value::number),
        code: of("exceptionCode").and_then(Value::number),
        signal: of("signal").and_then(Value::number),
        termination,
        region: text("virtualMemoryRegionInfo"),
        objc: [
            of_objc("exceptionName", MAX_TEXT_CHARS),
            of_objc("className", MAX_TEXT_CHARS),
            of_objc("composedMessage", MAX_MESSAGE_CHARS),
        ],
        versions: ["appVersion", "appBuildVersion", "osVersion"].map(text),
        duration_ns: matches!(kind, DiagnosticKind::Hang | DiagnosticKind::Launch)
            .then(|| text::duration_ns(&measured))
            .flatten(),
        measured,
        stack: tree.map(|tree| stack::stack(tree, is_crash)).unwrap_or_default(),
    }
}

impl Diagnostic {
    /// Whether there is anything to report. An empty map is no crash.
    fn says_something(&self) -> bool {
        let is_text =
            [&self.stack, &self.measured, &self.termination].into_iter().chain(&self.objc).any(|t| !t.is_empty());
        is_text || self.signal.is_some() || self.exception.is_some()
    }

    /// A hash of what it says. It does not depend on the order in which a map is written, which
    /// changes from process to process, nor on the zone in which the device is.
    fn hash(&self, times: &[String; 2]) -> u64 {
        let Self { kind, crash, exception, code, signal, .. } = self;
        let numbers = format!("{kind:?} {:?} {exception:?} {code:?} {signal:?}", crash.pid);
        let texts = [&numbers, &self.termination, &self.region, &self.measured, &self.stack];
        hash(texts.into_iter().chain(times).chain(&self.objc).chain(&self.versions))
    }
}

fn hash<'t>(texts: impl Iterator<Item = &'t String>) -> u64 {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    }
    hash.finalize().first_chunk().copied().map_or(0, u64::from_le_bytes)
}

/// The counts, if there are any.
fn exits(metrics: Value<'_>, stated: Stated, times: &[String; 2]) -> Option<(AppleExits, Stated)> {
    let mut counts = Vec::new();
    for (key, is_background) in [("foregroundExitData", false), ("backgroundExitData", true)] {
        for (name, value) in metrics.get(key).into_iter().flat_map(Value::pairs) {
            let count = value.number::<u64>().filter(|count| *count > 0);
            let known = COUNTERS.iter().find(|(counter, _)| *counter == name).map(|(_, exit)| *exit);
            // A counter of a later version says at least that there were further ends.
            let exit = known.or_else(|| name.starts_with("cumulative").then_some(AppleExit::Later));
            counts.extend(exit.zip(count).map(|(exit, count)| AppleCount { exit, is_background, count }));
        }
    }
    counts.sort_by_key(|count| (count.exit as u8, count.is_background, count.count));
    let (from_ms, until_ms) = stated.from_ms.zip(stated.until_ms)?;
    let text = format!("{counts:?}");
    let stated = Stated { hash: hash(times.iter().chain([&text])), ..stated };
    (!counts.is_empty()).then_some((AppleExits { from_ms, until_ms, counts }, stated))
}
