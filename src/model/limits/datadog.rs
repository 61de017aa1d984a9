//! Limits of Datadog's intakes, and what they ask of the exporter.

use std::time::Duration;

use super::HOUR;

/// The age that the intakes take: they document 18 hours for logs, and Datadog's own mobile SDKs
/// throw away what is older of every kind.
pub(crate) const DATADOG_MAX_AGE: Duration = HOUR.saturating_mul(18);
/// Bytes of one event of the RUM intake, as both of Datadog's mobile SDKs cut it.
pub(crate) const DATADOG_MAX_EVENT_BYTES: usize = 1_000_000;
/// Bytes of a stack that is sent a second time, as that of its thread. The longest stack is twice
/// as long; both copies of it might be more than an event may have.
pub(crate) const DATADOG_MAX_THREAD_STACK_BYTES: usize = 32 * 1_024;
/// Characters of a tag's value: Datadog cuts a tag at 200, and the key has to fit as well.
pub(crate) const DATADOG_MAX_TAG_CHARS: usize = 180;
