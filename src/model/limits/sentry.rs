//! Limits of Sentry's receiver, Relay, as they were measured with version 0.10.1 of its library.

use std::time::Duration;

use super::DAY;

/// How old an event may be. Relay sets the time of older ones to that of their receipt.
pub(crate) const SENTRY_AGE: Duration = Duration::from_secs(30 * DAY.as_secs());
/// Updates of sessions in one envelope. Relay drops further ones.
pub(crate) const SENTRY_SESSIONS: usize = 100;
/// Logs in one envelope: the documentation of the protocol allows no more.
pub(crate) const SENTRY_LOGS: usize = 100;
/// Bytes of a release. Relay removes a longer one from the event.
pub(crate) const SENTRY_RELEASE_BYTES: usize = 200;
/// Bytes of an environment. Relay removes a longer one from the event.
pub(crate) const SENTRY_ENVIRONMENT_BYTES: usize = 64;
/// Bytes of a `dist`. Relay removes a longer one from the event.
pub(crate) const SENTRY_DIST_BYTES: usize = 64;
/// Characters of a tag's value. Relay cuts a longer one.
pub(crate) const SENTRY_TAG_CHARS: usize = 200;
/// Bytes of a text among the extras. Relay cuts a longer one.
pub(crate) const SENTRY_EXTRA_BYTES: usize = 16_384;
/// Digits of the number of a project: as many as a `u64` has.
pub(crate) const SENTRY_PROJECT_DIGITS: usize = 20;
/// Bytes of the hash that stands for an installation: as many as a UUID has.
pub(crate) const SENTRY_INSTALLATION_BYTES: usize = 16;
