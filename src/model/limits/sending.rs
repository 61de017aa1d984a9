//! Limits of what is on its way to a backend.

use std::time::Duration;

use super::DAY;

/// Time for a host to say with which headers it authorizes a request. It is no time of the
/// request's: what was never handed to a transport has cost no bytes.
pub(crate) const AUTH_TIMEOUT: Duration = Duration::from_secs(20);
/// Parts of one batch that are frozen at once, where each event is a request of its own. All of
/// them are written down anew for every answer, about 400 bytes each.
pub(crate) const MAX_FROZEN_PARTS: usize = 16;
/// After this time bodies are compressed again for a backend that could not read one: a proxy that
/// was replaced must not cost ten times the bytes until the app ends. It costs one refused request
/// a day where nothing has changed.
pub(crate) const COMPRESS_AGAIN_AFTER: Duration = DAY;
/// Requests of a signal that a backend refuses in a row for their content before the signal is
/// paused. With one event at fault in a batch, one half of each division is accepted; so many
/// refusals in a row mean that the backend takes nothing, or that most events are at fault.
pub(crate) const REFUSALS_TO_PAUSE: u32 = 16;
/// How long an event waits that was refused twice while the backend accepted nothing else. The next
/// time it is known whether the fault was in the event.
pub(crate) const REFUSED_AGAIN_AFTER: Duration = Duration::from_secs(15 * 60);
