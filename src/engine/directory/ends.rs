//! What a directory knows of how its runs ended, and what follows from that for this launch.

use std::path::{Path, PathBuf};

use crate::model::config::Config;
use crate::model::ids::RunKey;
use crate::model::time::Clock;
use crate::policy::crash_loop::{EndedRun, Guard, Launch, StackWork};
use crate::policy::exits::{AppVersion, Now};
use crate::storage::replace::{Durability, read, replace};

/// The file in which the rules of restraint are kept.
const FILE: &str = "restraint.json";

/// How the runs of a directory ended.
#[derive(Debug)]
pub(crate) struct Ends {
    file: PathBuf,
    clock: Clock,
    app: AppVersion,
    guard: Guard,
    /// The run that was noted last, and what was decided about its stack.
    last: Option<(RunKey, EndedRun, StackWork)>,
}

impl Ends {
    /// What earlier launches have written down in `dir`.
    pub(crate) fn load(dir: &Path, config: &Config, clock: &Clock) -> Self {
        let file = dir.join(FILE);
        let guard = Guard::decode(read(&file).ok().as_deref());
        let app = AppVersion { version: config.service_version.clone(), build: String::new() };
        Self { file, clock: clock.clone(), app, guard, last: None }
    }

    /// The launch that asks.
    pub(super) fn now(&self) -> Now {
        Now { boot: self.clock.boot_id(), at: self.clock.boot(), app: Some(self.app.clone()) }
    }

    /// Notes how a run ended, and says what is done with its stack. The runs come in the order in
    /// which they were; one that is read again, because it could not be stored, is noted once.
    pub(super) fn note(&mut self, run: RunKey, ended: EndedRun) -> StackWork {
        if let Some((_, _, work)) = self.last.filter(|(last, ..)| *last == run) {
            return work;
        }
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
