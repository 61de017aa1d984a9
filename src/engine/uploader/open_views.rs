//! What a destination has been told of the views that are open.
//!
//! A view that stays open is one open event, which gets its place in a lane when it ends. Until
//! then its newest snapshot is sent from time to time: when it is new, every 30 s while it changes,
//! when the app goes to the background, and at a flush. A snapshot has the id of its event and a
//! version, and readers keep the highest. It is no event of its own: nothing is frozen, booked or
//! repeated. One that is lost is followed by a newer one, and at last by the view's end.

use std::collections::HashMap;
use std::time::Duration;

use crate::model::config::SendPolicy;
use crate::model::event::decode::Record;
use crate::model::event::encode::field;
use crate::model::limits::{MAX_VIEWS, VIEW_SEND_EVERY};
use crate::model::time::BootTime;
use crate::storage::queue::{Queue, QueueError, RowRef, Rows};

/// A view that is open: the number of its run, and the counter of its id.
pub(crate) type ViewKey = (u32, u64);

/// What a request with snapshots carries: each view with the version that is sent.
pub(crate) type Versions = Vec<(ViewKey, u64)>;

#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    /// When it was seen first, or sent last.
    since: BootTime,
    /// The version that was sent last; 0 for none.
    sent: u64,
}

/// What a destination has been told of the views that are open.
#[derive(Debug, Default)]
pub(super) struct Snapshots {
    views: HashMap<ViewKey, Known>,
    /// The newest version of each view that is open.
    newest: Versions,
    /// The state of the queue's open events to which `newest` belongs.
    seen: Option<u64>,
    /// The app has gone to the background: what has changed is sent now.
    is_urgent: bool,
}

impl Snapshots {
    /// The app has gone to the background.
    pub(super) fn hurry(&mut self) {
        self.is_urgent = true;
    }

    fn look(&mut self, queue: &Queue, now: BootTime) -> Result<(), QueueError> {
        let state = queue.open_state();
        if self.seen == Some(state) {
            return Ok(());
        }
        let rows = queue.open_views(MAX_VIEWS)?;
        self.newest = rows.rows.iter().map(|row| ((row.run, row.n), version(&rows, row))).collect();
        let Self { views, newest, .. } = self;
        views.retain(|key, _| newest.iter().any(|(open, _)| open == key));
        for (key, _) in newest {
            views.entry(*key).or_insert(Known { since: now, sent: 0 });
        }
        self.seen = Some(state);
        Ok(())
    }

    pub(super) fn changed(&self) -> impl Iterator<Item = (ViewKey, u64, Known)> + '_ {
        let known = |(key, version): &(ViewKey, u64)| Some((*key, *version, *self.views.get(key)?));
        self.newest.iter().filter_map(known).filter(|(_, version, known)| *version > known.sent)
    }

    /// How long it is until a snapshot is due; `None` when none has changed. In the background
    /// nothing is due but what has changed on the way there.
    pub(super) fn due(
        &mut self,
        queue: &Queue,
        now: BootTime,
        policy: SendPolicy,
        is_background: bool,
    ) -> Result<Option<Duration>, QueueError> {
        self.look(queue, now)?;
        let wait = |known: &Known| {
            let patience = if known.sent == 0 { policy.flush_interval.min(VIEW_SEND_EVERY) } else { VIEW_SEND_EVERY };
            known.since.after(patience).since(now)
        };
        let left = self.changed().map(|(_, _, known)| wait(&known)).min();
        if left.is_none() || self.is_urgent {
            return Ok(left.map(|_| Duration::ZERO));
        }
        Ok(left.filter(|_| !is_background))
    }

    /// Notes that these versions are sent.
    pub(super) fn sent(&mut self, versions: &[(ViewKey, u64)], now: BootTime) {
        self.is_urgent = false;
        for (key, version) in versions {
            if let Some(known) = self.views.get_mut(key) {
                *known = Known { since: now, sent: known.sent.max(*version) };
            }
        }
    }

    /// These versions were not received: they are due again when the destination is.
    pub(super) fn lost(&mut self, versions: &[(ViewKey, u64)]) {
        for (key, _) in versions {
            if let Some(known) = self.views.get_mut(key) {
                known.sent = 0;
            }
        }
    }
}

/// The version of a view's record.
pub(super) fn version(rows: &Rows, row: &RowRef) -> u64 {
    Record::decode(rows.record(row)).ok().and_then(|record| record.uint(field::DOC_VERSION)).unwrap_or(0)
}
