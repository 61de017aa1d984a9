//! Limits of what is on its way to a backend.

/// Parts of one batch that are frozen at once, where each event is a request of its own. All of
/// them are written down anew for every answer, about 400 bytes each.
pub(crate) const MAX_FROZEN_PARTS: usize = 16;
