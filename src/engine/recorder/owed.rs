//! Contexts and scopes that the full journal has refused. They are owed: no event is recorded
//! before they are, because it would belong to the user or the view before.

use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use super::{Moment, Recorder, Versions, Watch};
use crate::model::event::Lane;
use crate::model::event::encode::{ContextAttributes, encode_context, encode_scope};
use crate::model::event::scrub::Author;
use crate::model::ledger::DropReason;
use crate::model::time::BootTime;
use crate::storage::frame::{self, FrameType};

/// What a version is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// The slowly changing attributes.
    Context,
    /// The session and the view.
    Scope,
}

/// The newest records that were refused.
#[derive(Debug, Default)]
struct Debts {
    context: Option<Vec<u8>>,
    scope: Option<Vec<u8>>,
}

impl Debts {
    /// The record of this part that is owed.
    fn of(&mut self, part: Part) -> &mut Option<Vec<u8>> {
        match part {
            Part::Context => &mut self.context,
            Part::Scope => &mut self.scope,
        }
    }

    fn is_any(&self) -> bool {
        self.context.is_some() || self.scope.is_some()
    }
}

/// Behind its lock, a version is written and becomes the current one.
#[derive(Debug, Default)]
pub(super) struct Owed(Mutex<Debts>);

impl Owed {
    fn lock(&self) -> MutexGuard<'_, Debts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recorder {
    /// Journals a new version of the slowly changing attributes; events from now on refer to it.
    pub fn set_context(&self, attributes: ContextAttributes<'_>) {
        let mut record = Vec::new();
        encode_context(attributes, self.redactor.rules(Author::Core), &mut record);
        self.set_version(Part::Context, record);
    }

    /// Journals a new session or view; events from now on belong to it.
    pub fn set_scope(&self, session: Uuid, view: Option<(Uuid, &str)>, session_rate: f64) {
        self.keeping.begin(session);
        self.keeping.decide(session_rate);
        let mut record = Vec::new();
        let name = view.map(|(_, name)| self.redactor.name(name));
        let view = view.zip(name.as_deref()).map(|((id, _), name)| (id, name));
        encode_scope(session, view, &mut record);
        self.set_version(Part::Scope, record);
        self.crash.note(|state| state.session = Some(session));
    }

    /// The moment of a session that is not the current one. `None` when the journal has no room for
    /// its scope; that has been counted.
    pub(crate) fn moment_of(&self, session: Uuid) -> Option<Moment> {
        self.pay();
        let mut record = Vec::new();
        encode_scope(session, None, &mut record);
        let version = self.next_version.fetch_add(1, Ordering::Relaxed);
        let mut payload = Vec::with_capacity(record.len() + 5);
        frame::put_counter(&mut payload, u64::from(version));
        payload.extend_from_slice(&record);
        let versions = Versions { scope: version, ..self.versions.get() };
        if !self.push(FrameType::Context, &payload) {
            self.journal.refuse(Lane::Event, DropReason::JournalFull);
            return None;
        }
        Some(self.moments.now(versions))
    }

    /// Whether a session is kept that is not the current one, as far as its id says.
    pub(crate) fn keeps(&self, session: Uuid, rate: f64) -> bool {
        self.keeping.keeps(session, rate)
    }

    fn set_version(&self, part: Part, record: Vec<u8>) {
        let mut owed = self.owed.lock();
        *owed.of(part) = Some(record);
        self.pay_locked(&mut owed, self.boot());
    }

    /// Writes the contexts that are owed, if there is room for them now.
    pub(super) fn pay(&self) {
        if self.is_owed() {
            // Now, also for a call of the past: that one was made before what is owed.
            self.pay_locked(&mut self.owed.lock(), self.clock.boot());
        }
    }

    fn pay_locked(&self, owed: &mut Debts, since: BootTime) {
        for part in [Part::Context, Part::Scope] {
            let Some(record) = owed.of(part) else { continue };
            let version = self.next_version.fetch_add(1, Ordering::Relaxed);
            let mut payload = Vec::with_capacity(record.len() + 5);
            frame::put_counter(&mut payload, u64::from(version));
            payload.extend_from_slice(record);
            // Journaled before its first use.
            if self.push(FrameType::Context, &payload) {
                *owed.of(part) = None;
                self.versions.change(|versions| match part {
                    Part::Context => versions.context = version,
                    Part::Scope => versions.scope = version,
                });
                self.note_change(since);
            }
        }
        self.set_watch(Watch::Owed, owed.is_any());
    }
}
