//! What a directory knows of how its runs ended, and what follows from that for this launch.

use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::model::config::Config;
use crate::model::ids::RunKey;
use crate::model::time::{Clock, nanos};
use crate::policy::crash_loop::{EndedRun, Guard, Launch, StackWork};
use crate::policy::exits::{AppVersion, Now, PreviousRun, RunMark, Told};
use crate::policy::session::Death;
use crate::storage::crash::CrashFile;
use crate::storage::journal::RunStart;
use crate::storage::replace::{Durability, read, replace};

/// The file in which the rules of restraint are kept.
const FILE: &str = "restraint.json";

/// What the names of the files begin with that say which runs have reported their end: one for each
/// directory, because only its owner writes it.
const ENDED: &str = "ended-";

/// By which name a directory's files are told apart that lie where all processes find them.
pub(crate) fn name_of(dir: &Path, data_dir: &Path) -> String {
    let name = dir.file_name().filter(|_| dir != data_dir);
    name.map_or_else(|| "main".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// The runs of all processes that have reported their end themselves.
pub(crate) fn reported_runs(data_dir: &Path) -> Vec<RunMark> {
    let entries = std::fs::read_dir(data_dir).into_iter().flatten().flatten();
    let files = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(ENDED));
    let told = files.map(|entry| Told::decode(read(&entry.path()).ok().as_deref()));
    told.flat_map(|told| told.runs().to_vec()).collect()
}

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
    /// The runs that have reported their end. It lies where all processes of the app find it.
    reported: PathBuf,
    clock: Clock,
    app: AppVersion,
    guard: Guard,
    /// The run that was noted last, and what was decided about its stack.
    last: Option<(RunKey, EndedRun, StackWork)>,
    /// The runs that this process has read.
    ended: Vec<Ended>,
    /// The sessions that they have ended by their deaths, until somebody asks.
    sessions: Vec<(Uuid, Death)>,
}

fn app(config: &Config) -> AppVersion {
    AppVersion { version: config.service_version.clone(), build: String::new() }
}

impl Ends {
    /// What earlier launches have written down in `dir`.
    pub(crate) fn load(dir: &Path, config: &Config, clock: &Clock) -> Self {
        let file = dir.join(FILE);
        let reported = config.data_dir.join(format!("{ENDED}{}.json", name_of(dir, &config.data_dir)));
        let guard = Guard::decode(read(&file).ok().as_deref());
        let clock = clock.clone();
        Self { file, reported, clock, app: app(config), guard, last: None, ended: Vec::new(), sessions: Vec::new() }
    }

    /// The launch that asks.
    pub(crate) fn now(&self) -> Now {
        Now { boot: self.clock.boot_id(), at: self.clock.boot(), app: Some(self.app.clone()) }
    }

    /// The same before a directory is open.
    pub(super) fn now_of(config: &Config, clock: &Clock) -> Now {
        Now { boot: clock.boot_id(), at: clock.boot(), app: Some(app(config)) }
    }

    /// Notes the sessions that a run has ended by its death.
    pub(super) fn note_sessions(&mut self, sessions: Vec<(Uuid, Death)>) {
        self.sessions.extend(sessions);
    }

    /// Takes what was noted so.
    pub(super) fn take_sessions(&mut self) -> Vec<(Uuid, Death)> {
        std::mem::take(&mut self.sessions)
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
        self.ended.push(Ended { mark, facts, is_reported: false });
        let work = self.guard.note(&ended);
        self.last = Some((run, ended, work));
        self.save();
        work
    }

    /// Notes that a run has a report of its own, which is in the queue. Every process of the app
    /// learns of it, and every later launch.
    pub(super) fn note_reported(&mut self, start: RunStart) {
        let mark = match self.ended.iter_mut().find(|ended| ended.mark.run == start.key) {
            Some(ended) => {
                ended.is_reported = true;
                ended.mark.clone()
            }
            // There is no run file, so nothing but the key is known.
            None => {
                let started_ms = start.base_wall / 1_000_000;
                RunMark { run: start.key, pid: 0, process: String::new(), started_ms, seen_ms: started_ms }
            }
        };
        let mut told = Told::decode(read(&self.reported).ok().as_deref());
        told.note_run(mark);
        let _ = replace(&self.reported, &told.encode(), Durability::Power);
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
