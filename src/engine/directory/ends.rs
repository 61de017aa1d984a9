//! What a directory knows of how its runs ended, and what follows from that for this launch.

use std::path::{Path, PathBuf};

use crate::model::config::Config;
use crate::model::ids::RunKey;
use crate::model::time::{Clock, nanos};
use crate::policy::crash_loop::{EndedRun, Guard, Launch, StackWork};
use crate::policy::exits::{AppVersion, Class, Now, PreviousRun, RunMark};
use crate::storage::crash::CrashFile;
use crate::storage::journal::RunStart;
use crate::storage::replace::{Durability, read, replace};

/// The file in which the rules of restraint are kept.
const FILE: &str = "restraint.json";

/// A run that is over, and was read by this process.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    /// By what it is recognised.
    pub(crate) mark: RunMark,
    /// What is known of it.
    pub(crate) facts: PreviousRun,
    /// Whether its own report says how it ended.
    pub(crate) is_reported: bool,
}

/// How the runs of a directory ended.
#[derive(Debug)]
pub(crate) struct Ends {
    file: PathBuf,
    clock: Clock,
    app: AppVersion,
    guard: Guard,
    /// The run that was noted last, and what was decided about its stack.
    last: Option<(RunKey, EndedRun, StackWork)>,
    /// The runs that this process has read.
    ended: Vec<Ended>,
}

impl Ends {
    /// What earlier launches have written down in `dir`.
    pub(crate) fn load(dir: &Path, config: &Config, clock: &Clock) -> Self {
        let file = dir.join(FILE);
        let guard = Guard::decode(read(&file).ok().as_deref());
        let app = AppVersion { version: config.service_version.clone(), build: String::new() };
        Self { file, clock: clock.clone(), app, guard, last: None, ended: Vec::new() }
    }

    /// The launch that asks.
    pub(crate) fn now(&self) -> Now {
        Now { boot: self.clock.boot_id(), at: self.clock.boot(), app: Some(self.app.clone()) }
    }

    /// The runs that this process has read, in the order in which they were.
    pub(crate) fn ended(&self) -> Vec<Ended> {
        let newest = self.ended.last().map(|ended| ended.mark.run);
        let is_last = |ended: &Ended| Some(ended.mark.run) == newest;
        let with_place = |ended: &Ended| Ended {
            facts: PreviousRun { is_last: is_last(ended), ..ended.facts.clone() },
            ..ended.clone()
        };
        self.ended.iter().map(with_place).collect()
    }

    /// Notes how a run ended, and says what is done with its stack. The runs come in the order in
    /// which they were; one that is read again, because it could not be stored, is noted once.
    pub(super) fn note(&mut self, start: RunStart, file: &CrashFile, ended: EndedRun, facts: PreviousRun) -> StackWork {
        let run = start.key;
        if let Some((_, _, work)) = self.last.filter(|(last, ..)| *last == run) {
            return work;
        }
        let started_ms = start.base_wall / 1_000_000;
        let mark = RunMark {
            run,
            pid: file.facts().and_then(|facts| u32::try_from(facts.process).ok()).unwrap_or(0),
            process: String::new(),
            started_ms,
            seen_ms: started_ms + nanos(ended.ended.since(ended.started)) / 1_000_000,
        };
        let is_reported = ended.class == Class::Hang || ended.is_crash();
        self.ended.push(Ended { mark, facts, is_reported });
        let work = self.guard.note(&ended);
        self.last = Some((run, ended, work));
        self.save();
        work
    }

    /// Decides what holds for this launch, once every run that is over has been read.
    pub(crate) fn launch(&mut self) -> Launch {
        let before = self.guard.clone();
        let last = self.last.as_ref().map(|(_, ended, _)| ended);
        let launch = self.guard.launch(last, self.clock.boot_id(), self.clock.boot());
        if self.guard != before {
            self.save();
        }
        launch
    }

    /// Should this fail, the next launch knows less.
    fn save(&self) {
        let _ = replace(&self.file, &self.guard.encode(), Durability::Process);
    }
}
