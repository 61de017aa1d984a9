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
/// Requests of a signal that a backend refuses in a row for their content before what it refuses is
/// set aside instead of divided. Dividing 500 events down to the one at fault takes ten.
pub(crate) const REFUSALS_TO_SET_ASIDE: u32 = 12;
/// Of these, requests whose content had never been refused before the signal is paused: nothing
/// that is new is accepted, so that the fault is hardly in so many events.
pub(crate) const REFUSALS_TO_PAUSE: u32 = 16;
/// Refusals since the last acceptance from which on an event is not dropped: the backend may have
/// begun to refuse everything.
pub(crate) const REFUSALS_TO_DOUBT: u32 = 3;
/// How long something is set aside that was refused while nothing says whether it is at fault.
/// While nothing is accepted, each further refusal doubles it, up to a day.
pub(crate) const SET_ASIDE_FOR: Duration = Duration::from_secs(15 * 60);
