//! Client reports: what was discarded on the device, by reason and category
//! (<https://develop.sentry.dev/sdk/telemetry/client-reports/>).
//!
//! A report says what is lost for good. What waits, what Sentry's limits hold back, what has no
//! place in Sentry, and what the user has asked to forget is no loss.

use std::collections::BTreeMap;

use super::envelope::append;
use super::{EVENTS, LOGS, SESSIONS};
use crate::model::export::{Loss, Signal};
use crate::model::ledger::DropReason;

/// Sentry's word for a reason. `None`: it is none of Sentry's business.
fn reason(reason: DropReason) -> Option<&'static str> {
    Some(match reason {
        // What waited on the device became too much, or too old.
        DropReason::QuotaBytes | DropReason::QuotaAge | DropReason::DiskFull => "cache_overflow",
        // The answer was one that speaks against the event.
        DropReason::Rejected | DropReason::TooLarge | DropReason::ServerError | DropReason::Undeliverable => {
            "send_error"
        }
        DropReason::RowCorrupt => "internal_sdk_error",
        _ => return None,
    })
}

/// Sentry's word for what is sent with a signal.
fn category(signal: Signal) -> Option<&'static str> {
    match signal {
        EVENTS => Some("error"),
        SESSIONS => Some("session"),
        LOGS => Some("log_item"),
        _ => None,
    }
}

/// Adds a report to an envelope. It has no time: Sentry takes that of its receipt, and the losses
/// may be of many days.
pub(super) fn add(envelope: &mut Vec<u8>, losses: &[Loss]) {
    let mut counts: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for loss in losses {
        if let (Some(reason), Some(category)) = (reason(loss.reason), category(loss.signal)) {
            let count = counts.entry((reason, category)).or_default();
            *count = count.saturating_add(loss.count);
        }
    }
    if counts.is_empty() {
        return;
    }
    append(
        envelope,
        "client_report",
        |_| {},
        |value| {
            value.object(|report| {
                report.value("discarded_events").list(&counts, |value, ((reason, category), quantity)| {
                    value.object(|entry| {
                        entry.text("reason", reason);
                        entry.text("category", category);
                        entry.value("quantity").plain(quantity);
                    });
                });
            });
        },
    );
}
