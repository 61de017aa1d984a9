//! Limits of what is on its way to a backend.

use std::time::Duration;

/// Parts of one batch that are frozen at once, where each event is a request of its own. All of
/// them are written down anew for every answer, about 400 bytes each.
pub(crate) const MAX_FROZEN_PARTS: usize = 16;
/// Requests of a signal that a backend refuses in a row for their content before the signal is
/// paused. With one event at fault in a batch, one half of each division is accepted; so many
/// refusals in a row mean that the backend takes nothing, or that most events are at fault.
pub(crate) const REFUSALS_TO_PAUSE: u32 = 16;
/// How long an event waits that was refused twice while the backend accepted nothing else. The next
/// time it is known whether the fault was in the event.
pub(crate) const REFUSED_AGAIN_AFTER: Duration = Duration::from_secs(15 * 60);
