//! Whether a run that has died took the last session with it. A start asks that before it records
//! anything: what it records must not belong to a session that has crashed.

use uuid::Uuid;

use super::ends::Ends;
use crate::engine::crash::{ended_sessions, previous_run};
use crate::model::config::Config;
use crate::model::time::Clock;
use crate::policy::session::Death;
use crate::storage::crash::{CrashFile, beside};
use crate::storage::dirlock::run_files;
use crate::storage::journal::owner;
use crate::storage::journal::run_file::key_of;

/// The death that has ended a session, by the run files that nobody has read yet. `None` also when
/// they cannot be read, because the device is locked: recovery finds it later.
pub(crate) fn death_of(session: Uuid, config: &Config, clock: &Clock) -> Option<Death> {
    run_files(&config.data_dir).find_map(|journal| {
        let key = key_of(&journal.file_name()?.to_string_lossy())?;
        let file = CrashFile::open_without_stacks(&beside(&journal), key).ok()??;
        let now = Ends::now_of(config, clock);
        let sessions = ended_sessions(&file, &previous_run(&file, false), &now);
        let (_, death) = sessions.into_iter().find(|(of, _)| *of == session)?;
        // A process that lives knows what it has survived, and its main thread may go on.
        (!owner::is_alive(&journal)).then_some(death)
    })
}
