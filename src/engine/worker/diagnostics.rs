//! What MetricKit says about earlier runs: each diagnostic is reported once ever, and a crash not
//! at all when the run's own report says the same.

use std::io::ErrorKind::NotFound;
use std::path::{Path, PathBuf};
use std::sync::mpsc::SyncSender;

use super::Worker;
use crate::engine::crash::{record_counted, record_diagnosed};
use crate::engine::directory::{Ended, name_of, reported_runs};
use crate::policy::exits::{
    Class, Diagnostic, DiagnosticKind, ExitRecord, Fate, Now, Payload, PreviousRun, RunMark, Stated, Termination, Told,
    classify, weigh,
};
use crate::storage::replace::{Durability, read, replace};

/// What the names of the files begin with that say what was reported: one for each directory,
/// because only its owner writes it.
const TOLD: &str = "diagnostics-";

/// What was made of a payload.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct DiagnosticsOutcome {
    /// Whether the payload is done with: what it says is in SQLite, and it is written down that it
    /// was reported. False: give it to the next start as well.
    pub complete: bool,
    /// How many errors were reported.
    pub reported: u32,
    /// How many diagnostics were known: they were reported before, or the run has reported its end
    /// itself.
    pub known: u32,
    /// How many were left out: of a time before there was a client, too many, not readable, or no
    /// error of the app's.
    pub left: u32,
    /// Why the payload was not read, or not yet.
    pub reason: Option<String>,
}

/// A payload, which waits until every run that is over has been read.
pub(super) struct DiagnosticsJob {
    pub(super) payload: Vec<u8>,
    pub(super) zone_s: i32,
    pub(super) reply: SyncSender<DiagnosticsOutcome>,
}

/// What a payload is compared with.
struct Known {
    told: Told,
    /// Whether nobody knows what an earlier call has told: there was none, or its list is damaged.
    is_first: bool,
    now: Now,
    ended: Vec<Ended>,
}

impl Known {
    /// Whether a diagnostic of no run that is known is of the time since there is a client.
    fn is_of_our_time(&self, stated: &Stated) -> bool {
        let is_late = |since: u64| stated.from_ms.is_none_or(|from| from >= since);
        !self.is_first && self.told.since_ms().is_some_and(is_late)
    }

    fn classify(&self, record: &ExitRecord, mark: Option<&RunMark>) -> Termination {
        let of_mark = |run: &&Ended| Some(&run.mark) == mark;
        let run = self.ended.iter().find(of_mark).map_or_else(PreviousRun::default, |run| run.facts.clone());
        classify(&run, &self.now, Some(record))
    }
}

impl Worker<'_> {
    /// Reports what is new in the payloads, once it is known how the runs ended.
    pub(super) fn report_diagnostics(&mut self) {
        if self.launch.is_none() || self.diagnostics.is_empty() {
            return;
        }
        for job in std::mem::take(&mut self.diagnostics) {
            let outcome = self.report_payload(&job);
            if let Some(reason) = &outcome.reason {
                self.shared.debug.log(reason);
            }
            let _ = job.reply.send(outcome);
        }
    }

    fn report_payload(&mut self, job: &DiagnosticsJob) -> DiagnosticsOutcome {
        let mut outcome = DiagnosticsOutcome::default();
        let payload = Payload::read(&job.payload, job.zone_s).unwrap_or_else(|reason| {
            outcome.reason = Some(reason);
            outcome.left = 1;
            Payload::default()
        });
        outcome.left += payload.unread;
        let data_dir = &self.shared.config.data_dir;
        let (Some(open), Some((told, is_first))) = (self.storage.open(), told_by_all(data_dir)) else {
            outcome.reason = Some("what was reported before cannot be read at the moment".to_owned());
            return outcome;
        };
        let file = data_dir.join(format!("{TOLD}{}.json", name_of(open.own.dir(), data_dir)));
        let before = told.encode();
        let mut known = Known { told, is_first, now: open.own.now(), ended: open.own.ended() };
        for run in reported_runs(data_dir) {
            known.told.note_run(run);
        }
        for run in known.ended.iter().filter(|run| !run.is_reported) {
            known.told.note_open(run.mark.clone());
        }
        let mut reported_to = 0;
        for diagnostic in &payload.diagnostics {
            let reported = match diagnostic.kind {
                DiagnosticKind::Crash => self.report_crash(diagnostic, &mut known),
                _ => self.report_other(diagnostic, &mut known),
            };
            let is_new = reported == Reported::Yes;
            self.count(reported, &mut outcome, &mut reported_to);
            // The process may be killed before the next one is reported.
            if is_new && self.shared.recorder().journal().drained_to() >= reported_to {
                let _ = replace(&file, &known.told.encode(), Durability::Process);
            }
        }
        if let Some((exits, stated)) = payload.exits {
            let record = ExitRecord::Apple(exits, stated);
            let reported = self.report_counts(&record, &mut known);
            self.count(reported, &mut outcome, &mut reported_to);
        }
        if known.told.since_ms().is_none() {
            known.told.begin(self.shared.clock.wall() / 1_000_000);
        }
        // Only when the reports are in the database is it written down that they were made.
        let is_stored = self.shared.recorder().journal().drained_to() >= reported_to;
        let told = known.told.encode();
        outcome.complete = is_stored && (told == before || replace(&file, &told, Durability::Power).is_ok());
        outcome
    }

    fn count(&mut self, reported: Reported, outcome: &mut DiagnosticsOutcome, reported_to: &mut u64) {
        match reported {
            Reported::Yes => {
                outcome.reported += 1;
                *reported_to = self.shared.recorder().journal().appended_to();
                // One after the other: a stack of all threads is large.
                self.drain_all();
            }
            Reported::Known => outcome.known += 1,
            Reported::Left => outcome.left += 1,
        }
    }

    fn report_crash(&self, diagnostic: &Diagnostic, known: &mut Known) -> Reported {
        let record = ExitRecord::AppleCrash(diagnostic.crash);
        let runs = known.told.open().to_vec();
        let mark = match weigh(&record, "", &runs, &known.told) {
            Fate::Foreign | Fate::Told => return Reported::Known,
            Fate::Late(_) => {
                known.told.note_exit(&record);
                return Reported::Known;
            }
            Fate::Joined(mark) => Some(mark.clone()),
            Fate::Alone if known.is_of_our_time(&diagnostic.crash.stated) => None,
            Fate::Alone => {
                known.told.note_exit(&record);
                return Reported::Left;
            }
        };
        let termination = known.classify(&record, mark.as_ref());
        // An exception is recorded when it happens, if the app wants that at all.
        let is_told = termination.class == Class::LanguageCrash;
        let kind = termination.class.error_kind().filter(|_| !is_told);
        if let Some(kind) = kind {
            record_diagnosed(self.shared.recorder(), diagnostic, Some((&termination, kind)), mark.as_ref());
        }
        if let Some(mark) = mark {
            known.told.note_run(mark);
        }
        known.told.note_exit(&record);
        match kind {
            Some(_) => Reported::Yes,
            None if is_told => Reported::Known,
            None => Reported::Left,
        }
    }

    /// A diagnostic of an app that lived on is no end of a run.
    fn report_other(&self, diagnostic: &Diagnostic, known: &mut Known) -> Reported {
        let stated = &diagnostic.crash.stated;
        if known.told.knows(stated) {
            return Reported::Known;
        }
        known.told.note_stated(stated);
        if !known.is_of_our_time(stated) {
            return Reported::Left;
        }
        record_diagnosed(self.shared.recorder(), diagnostic, None, None);
        Reported::Yes
    }

    /// Of what the system counts, only a lack of memory is reported: MetricKit has diagnostics of
    /// the other ends that are errors, with their stacks, and both would be the same death.
    fn report_counts(&self, record: &ExitRecord, known: &mut Known) -> Reported {
        let ExitRecord::Apple(exits, stated) = record else { return Reported::Left };
        if known.told.knows(stated) {
            return Reported::Known;
        }
        let runs = known.told.open().to_vec();
        let fate = weigh(record, "", &runs, &known.told);
        let reported = match fate {
            Fate::Joined(mark) => {
                let termination = known.classify(record, Some(mark));
                let kind = termination.class.error_kind().filter(|_| termination.class == Class::OutOfMemory);
                kind.map(|kind| {
                    record_counted(self.shared.recorder(), exits, stated, kind, &termination, mark);
                    mark.clone()
                })
            }
            Fate::Late(_) => {
                known.told.note_exit(record);
                return Reported::Known;
            }
            _ => None,
        };
        known.told.note_exit(record);
        let Some(mark) = reported else { return Reported::Left };
        known.told.note_run(mark);
        Reported::Yes
    }
}

/// What became of a diagnostic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reported {
    Yes,
    Known,
    Left,
}

/// What all processes of the app have told, and whether nobody knows that. `None` when it cannot be
/// read at the moment: the device is locked.
fn told_by_all(data_dir: &Path) -> Option<(Told, bool)> {
    let entries = std::fs::read_dir(data_dir).ok()?.flatten();
    let files: Vec<PathBuf> = entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(TOLD))
        .map(|entry| entry.path())
        .collect();
    let mut all = Told::default();
    for file in files {
        match read(&file) {
            Ok(bytes) => all.absorb(Told::decode(Some(&bytes))),
            Err(error) if error.kind() == NotFound => {}
            Err(_) => return None,
        }
    }
    let is_first = all.since_ms().is_none();
    Some((all, is_first))
}
