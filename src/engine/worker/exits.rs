//! What the system says about the ends of earlier runs: each record is reported once ever, and not
//! at all when the run's own report says the same.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::mpsc::SyncSender;

use super::Worker;
use crate::engine::crash::{SystemExit, record_exit};
use crate::engine::directory::{Ended, reported_runs};
use crate::model::limits::MAX_PROCESS_NAME_CHARS;
use crate::policy::exits::{Class, ExitRecord, Fate, Now, PreviousRun, RunMark, Told, classify, weigh};
use crate::storage::replace::{Durability, read, replace};

/// Records of the system, which wait until every run that is over has been read.
pub(super) struct ExitsJob {
    pub(super) exits: Vec<SystemExit>,
    /// The name of this process. What the system says of others, they report themselves.
    pub(super) process: String,
    pub(super) reply: SyncSender<bool>,
}

impl Worker<'_> {
    /// Reports what is new in the system's records, once it is known how the runs ended.
    pub(super) fn report_exits(&mut self) {
        if self.launch.is_none() || self.exits.is_empty() {
            return;
        }
        for job in std::mem::take(&mut self.exits) {
            let _ = job.reply.send(self.report_new(&job));
        }
    }

    fn report_new(&mut self, job: &ExitsJob) -> bool {
        let file = self.exits_file(&job.process);
        let (mut told, is_first) = match read(&file) {
            Ok(bytes) => (Told::decode(Some(&bytes)), false),
            Err(error) if error.kind() == ErrorKind::NotFound => (Told::decode(None), true),
            // The device is locked. What was reported is not known, so it is asked again later.
            Err(_) => return false,
        };
        let Some(open) = self.storage.open() else { return false };
        let (now, ended) = (open.own.now(), open.own.ended());
        for run in reported_runs(&self.shared.config.data_dir) {
            told.note_run(run);
        }
        let unreported = ended.iter().filter(|run| !run.is_reported).map(|run| run.mark.clone()).collect::<Vec<_>>();
        let mut exits: Vec<&SystemExit> = job.exits.iter().collect();
        exits.sort_by_key(|told| told.exit.at_ms);
        let mut reported_to = 0;
        for exit in exits {
            let record = ExitRecord::Android(exit.exit.clone());
            let joined = match weigh(&record, &job.process, &unreported, &told) {
                Fate::Foreign | Fate::Told => continue,
                Fate::Late(_) => None,
                Fate::Joined(mark) => Some(Some(mark.clone())),
                // What the system shows to the first launch of all, or to the first one after an
                // erasure, is of a time before there was a client or a consent.
                Fate::Alone => (!is_first).then_some(None),
            };
            if let Some(mark) = &joined {
                self.report(exit, &record, &now, &ended, mark.as_ref());
                reported_to = self.shared.recorder().journal().appended_to();
                // One after the other: a stack of all threads is large.
                self.drain_all();
            }
            if let Some(Some(mark)) = joined {
                told.note_run(mark);
            }
            told.note_exit(&record);
        }
        // Only when the reports are in the database is it written down that they were made. What
        // the app records meanwhile may wait.
        let is_stored = self.shared.recorder().journal().drained_to() >= reported_to;
        is_stored && replace(&file, &told.encode(), Durability::Power).is_ok()
    }

    /// Reports an end, if it is an error of the app's.
    fn report(&self, exit: &SystemExit, record: &ExitRecord, now: &Now, ended: &[Ended], mark: Option<&RunMark>) {
        let of_mark = |run: &&Ended| Some(&run.mark) == mark;
        let run = ended.iter().find(of_mark).map_or_else(PreviousRun::default, |run| run.facts.clone());
        let termination = classify(&run, now, Some(record));
        // An exception is recorded when it happens, if the app wants that at all.
        let is_told = termination.class == Class::LanguageCrash;
        if let Some(kind) = termination.class.error_kind().filter(|_| !is_told) {
            record_exit(self.shared.recorder(), exit, kind, &termination);
        }
    }

    /// What this process has told, in a file of its own: the processes of an app share the folder.
    fn exits_file(&self, process: &str) -> PathBuf {
        let is_harmless = |char: &char| char.is_ascii_alphanumeric() || matches!(char, '.' | '_');
        let name: String = process.chars().map(|char| if is_harmless(&char) { char } else { '_' }).collect();
        let name: String = name.chars().take(MAX_PROCESS_NAME_CHARS).collect();
        self.shared.config.data_dir.join(format!("exits-{name}.json"))
    }
}
