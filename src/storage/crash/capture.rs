//! The run file of this process, and the handlers that write into it.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use throughline_crash_writer::{Beat, Phase, RunFile, install, layout, set_repair, uninstall};

use super::{CrashState, Facts, Fatal};
use crate::model::event::TraceContext;
use crate::model::ids::RunKey;
use crate::model::time::BootTime;
use crate::storage::journal::{MappingGuard, forked, repair};
use crate::storage::preallocate::preallocate;

/// Whether a client of this process captures crashes: only one can.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Writes down what this run is doing, and how it dies.
///
/// There is one capture in a process. A second client has none: the crash belongs to the first.
#[derive(Debug, Default)]
pub struct Capture {
    noted: Mutex<Noted>,
    open: Mutex<Option<Arc<Open>>>,
}

/// What the run is doing.
#[derive(Debug, Default)]
struct Noted {
    state: CrashState,
    /// The same in bytes. Empty until it is written for the first time.
    bytes: Vec<u8>,
    /// Where the next one is made: it is noted often, so nothing is allocated.
    next: Vec<u8>,
}

/// A capture that has its file.
#[derive(Debug)]
struct Open {
    // Before the guard, so that the file is not mapped any more when its pages are not repaired.
    file: RunFile,
    _guard: MappingGuard,
    path: PathBuf,
}

impl Drop for Open {
    fn drop(&mut self) {
        uninstall();
        TAKEN.store(false, Ordering::Release);
    }
}

impl Capture {
    fn open(&self) -> MutexGuard<'_, Option<Arc<Open>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to capture into the file at `path`. Does nothing when it has begun, or when another
    /// client of this process has.
    ///
    /// # Errors
    /// When the file cannot be made, allocated or mapped: then nothing is captured.
    pub fn begin(&self, path: &Path, run: RunKey, facts: &Facts) -> io::Result<()> {
        if self.is_on() || TAKEN.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        // Without the lock: a caller that says what the run is doing must not wait for a disk.
        match Self::map(path, run, facts) {
            Ok(mapped) => {
                let mut open = self.open();
                self.write(&mapped.file);
                set_repair(repair);
                mapped.file.arm();
                install();
                *open = Some(Arc::new(mapped));
                Ok(())
            }
            Err(error) => {
                let _ = std::fs::remove_file(path);
                TAKEN.store(false, Ordering::Release);
                Err(error)
            }
        }
    }

    fn map(path: &Path, run: RunKey, facts: &Facts) -> io::Result<Open> {
        // Nobody else's file: a link would lead elsewhere.
        let _ = std::fs::remove_file(path);
        let file = File::options().read(true).write(true).create_new(true).open(path)?;
        preallocate(&file, layout::FILE_BYTES)?;
        let mapped = RunFile::map(file.as_raw_fd(), run.0, &facts.to_bytes()).ok_or_else(io::Error::last_os_error)?;
        let (start, len) = mapped.range();
        Ok(Open { file: mapped, _guard: MappingGuard::protect(start, len), path: path.to_owned() })
    }

    /// Whether crashes are captured into a file that is still in its folder. Somebody who took this
    /// process for dead, or has cleaned up, may have removed it.
    pub fn has_file(&self) -> bool {
        let path = self.open().as_ref().map(|open| open.path.clone());
        path.is_some_and(|path| path.exists())
    }

    /// Whether crashes are captured into a file.
    pub fn is_on(&self) -> bool {
        self.open().is_some()
    }

    /// Notes what the run is doing from now on.
    pub fn note(&self, change: impl FnOnce(&mut CrashState)) {
        if forked() {
            // The file is the parent's.
            return;
        }
        {
            let mut noted = self.noted();
            let Noted { state, bytes, next } = &mut *noted;
            change(state);
            *next = state.to_bytes(std::mem::take(next));
            if next == bytes {
                return;
            }
            std::mem::swap(bytes, next);
        }
        if let Some(open) = &*self.open() {
            self.write(&open.file);
        }
    }

    /// The error of a language of which the process is dying at `now`.
    pub fn dying_of(&self, now: BootTime) -> Option<Fatal> {
        self.noted().state.fatal.filter(|fatal| fatal.explains(now))
    }

    /// The operation that is running, if it is one, and its name.
    pub fn operation(&self) -> Option<(TraceContext, String)> {
        let noted = self.noted();
        let state = &noted.state;
        Some((state.operation?, state.operation_name.clone()))
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, file: &RunFile) {
        let mut noted = self.noted();
        if noted.bytes.is_empty() {
            noted.bytes = noted.state.to_bytes(Vec::new());
        }
        file.write_state(&noted.bytes, crc32c::crc32c(&noted.bytes));
    }

    /// Lets a heart beat, or stores a time of another meaning. A beat is left out while the file is
    /// being opened or given up: the main thread must not wait for that.
    pub fn beat(&self, heart: Beat, at: BootTime) {
        if !forked()
            && let Ok(open) = self.open.try_lock()
            && let Some(open) = &*open
        {
            open.file.beat(heart, at.0);
        }
    }

    /// Says whether the app is in the foreground.
    pub fn set_phase(&self, phase: Phase) {
        if !forked()
            && let Some(open) = &*self.open()
        {
            open.file.set_phase(phase);
        }
    }

    /// Looks whether libraries have been loaded, and takes back what the process has survived.
    pub fn look_around(&self) {
        // Without the lock: this waits for the dynamic linker's, and whoever holds that may be
        // about to say what the run is doing.
        let open = self.open().clone();
        if let Some(open) = open {
            open.file.refresh_modules();
            open.file.expire();
        }
    }

    /// Ends the capture: the run is over, or everything is erased. The file is removed.
    pub fn end(&self) {
        if forked() {
            return;
        }
        let open = self.open().take();
        if let Some(open) = open {
            open.file.set_phase(Phase::CleanExit);
            let _ = std::fs::remove_file(&open.path);
        }
    }
}
