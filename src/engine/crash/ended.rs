//! How a run ended, by what it has written down itself.

use uuid::Uuid;

use crate::model::names::words::NATIVE_LIBRARIES;
use crate::model::time::{BootId, BootTime};
use crate::policy::crash_loop::EndedRun;
use crate::policy::exits::{self, AppVersion, Class, Fault, Now, PreviousRun, classify};
use crate::policy::session::Death;
use crate::storage::crash::{Beat, Crash, CrashFile, Module, Phase};

/// What is known of the run that wrote a file. `is_last` says whether none came after it.
pub(crate) fn previous_run(file: &CrashFile, is_last: bool) -> PreviousRun {
    let facts = file.facts();
    let phase = file.phase();
    // What a run that has ended as it should crashes of is none of the app's.
    let crash = file.crashes().into_iter().next().filter(|_| phase != Some(Phase::CleanExit));
    let heart = |beat| Some(file.beat(beat)).filter(|at| *at > 0).map(BootTime);
    PreviousRun {
        is_last,
        phase: phase.and_then(|phase| match phase {
            Phase::Starting => Some(exits::Phase::Starting),
            Phase::Running => Some(exits::Phase::Running),
            Phase::Background => Some(exits::Phase::Background),
            Phase::CleanExit => Some(exits::Phase::CleanExit),
            Phase::UpdateRestart => Some(exits::Phase::UpdateRestart),
            _ => None,
        }),
        is_foreground: match phase {
            Some(Phase::Running) => Some(true),
            Some(Phase::Background) => Some(false),
            _ => None,
        },
        boot: facts.as_ref().map(|facts| BootId(facts.boot)),
        app: facts.map(|facts| AppVersion { version: facts.app_version, build: String::new() }),
        has_debugger: false,
        fault: crash.map(|crash| Fault { signal: crash.signal, at: BootTime(crash.boot) }),
        fatal: file.state().and_then(|state| state.fatal).map(|fatal| fatal.at),
        hang: heart(Beat::HangStart),
        memory: None,
        last_beat: heart(Beat::Main),
    }
}

/// The same in the words of the rules by which capture restrains itself. `None` when the file does
/// not even say when the run began.
pub(crate) fn ended_run(file: &CrashFile, run: &PreviousRun, now: &Now) -> Option<EndedRun> {
    let facts = file.facts()?;
    let started = BootTime(facts.started);
    let died = [run.fault.map(|fault| fault.at), run.fatal];
    let crash = file.crashes().into_iter().next().filter(|_| run.fault.is_some());
    Some(EndedRun {
        class: classify(run, now, None).class,
        is_own_fault: crash.is_some_and(|crash| is_ours(&crash, &file.modules())),
        boot: BootId(facts.boot),
        started,
        ended: died.into_iter().flatten().min().or(run.last_beat).unwrap_or(started).max(started),
    })
}

/// The sessions that the run has ended by its death, each with what it died of. A run that has
/// survived an error of a language ended the session of that, too.
pub(crate) fn ended_sessions(file: &CrashFile, run: &PreviousRun, now: &Now) -> Vec<(Uuid, Death)> {
    let (Some(state), false) = (file.state(), run.phase == Some(exits::Phase::CleanExit)) else { return Vec::new() };
    let of_fatal = state.fatal.and_then(|fatal| Some((fatal.session?, Death { is_hang: false, wall: fatal.wall })));
    let class = classify(run, now, None).class;
    let wall = match class {
        Class::NativeCrash => file.crashes().first().map(|crash| crash.wall),
        Class::Hang => run.hang.and_then(|hang| wall_at(file, hang)),
        _ => None,
    };
    let death = wall.map(|wall| Death { is_hang: class == Class::Hang, wall });
    of_fatal.into_iter().chain(state.session.zip(death)).collect()
}

/// A time of the run as wall time. If its file was made anew while it ran, this is too early.
fn wall_at(file: &CrashFile, at: BootTime) -> Option<u64> {
    let facts = file.facts()?;
    Some(facts.base_wall.saturating_add(at.0.saturating_sub(facts.started)))
}

/// Whether our own code was on top of the stack: on a thread of ours, or in one of our libraries.
fn is_ours(crash: &Crash, modules: &[Module]) -> bool {
    let [pc, ..] = crash.core;
    let module = modules.iter().find(|module| module.contains(pc));
    let is_library = module.is_some_and(|module| module.name().starts_with(NATIVE_LIBRARIES));
    is_library || crash.is_on_own_thread()
}
