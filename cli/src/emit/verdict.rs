//! Whether a run has succeeded, and what its user can do if not.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Result, bail, ensure};
use throughline::FlushOutcome;
use throughline::ledger::{DropReason, Ledger};

/// What each data directory of the client holds after its first start.
const MARKS: [&str; 2] = ["queue.db", "runs"];

/// What this run has dropped, by reason: "3 too_large, 1 oversize". `None` if nothing was. The
/// books keep what earlier runs have dropped, which was said at their ends. Events that no
/// destination takes do not count: `--signals` asks for that. Nor do kinds for which a backend's
/// format has no place.
pub(super) fn losses(before: &Ledger, after: &Ledger) -> Option<String> {
    const MEANT: [DropReason; 2] = [DropReason::NoDestination, DropReason::Unsupported];
    let reasons: BTreeSet<DropReason> = after.iter().map(|(_, reason, _)| reason).collect();
    let lost = reasons.into_iter().filter(|reason| !MEANT.contains(reason)).filter_map(|reason| {
        let count = after.of(reason).saturating_sub(before.of(reason));
        (count > 0).then(|| format!("{count} {}", reason.name()))
    });
    let lost: Vec<String> = lost.collect();
    (!lost.is_empty()).then(|| lost.join(", "))
}

/// An outcome that is complete only if no event is lost.
pub(super) fn blame(mut outcome: FlushOutcome, losses: Option<&str>) -> FlushOutcome {
    if let Some(lost) = losses {
        let lost = format!("events were dropped: {lost}");
        outcome.complete = false;
        outcome.reason = Some(outcome.reason.map_or(lost.clone(), |reason| format!("{reason}; {lost}")));
    }
    outcome
}

/// Fails if events were recorded that are in no book. They are in the journal at best, which is
/// smaller than the queue, and nobody has counted what it had no room for.
pub(super) fn ensure_booked(recorded: u64, booked: u64) -> Result<()> {
    let missing = recorded.saturating_sub(booked);
    ensure!(
        missing == 0,
        "{missing} of {recorded} events are not in the queue and may be lost: the disk may be full. Make room, then run \
         the command again"
    );
    Ok(())
}

/// Fails if events are left in the queue, or lost. `kept` is the data directory, unless it is
/// deleted with this run.
pub(super) fn check(outcome: Option<FlushOutcome>, losses: Option<&str>, kept: Option<&Path>) -> Result<()> {
    let Some(outcome) = outcome else {
        ensure!(losses.is_none(), "events were dropped: {}", losses.unwrap_or_default());
        return Ok(());
    };
    if outcome.complete {
        return Ok(());
    }
    let (reason, waiting) = (outcome.reason.unwrap_or_default(), outcome.waiting);
    ensure!(waiting > 0, "{reason}");
    match kept {
        Some(dir) => bail!(
            "{waiting} events are still queued ({reason}). Check the endpoint, then run the command again with \
             --flush-only --data-dir {}",
            quoted(dir)
        ),
        None => bail!(
            "{waiting} events were not delivered, and are deleted with the temporary directory ({reason}). Check the \
             endpoint, then emit them again; the same --seed gives the same events. With --data-dir DIR, what is not \
             delivered is kept"
        ),
    }
}

/// Fails unless a run of the client has left its files in `dir`. Starting a client there would
/// create them.
pub(super) fn ensure_recorded(dir: &Path) -> Result<()> {
    ensure!(
        dir.is_dir(),
        "there is no directory {}: --flush-only sends what an earlier run has recorded there",
        dir.display()
    );
    ensure!(
        MARKS.iter().any(|name| dir.join(name).exists()),
        "no run has recorded anything in {}: --flush-only sends what an earlier run has left",
        dir.display()
    );
    Ok(())
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |character: char| character.is_alphanumeric() || "/._-+=:@,".contains(character);
    if text.chars().all(is_plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use throughline::event::Lane;

    use super::*;

    #[test]
    fn a_loss_of_an_earlier_run_is_no_failure_of_this_one() {
        let mut before = Ledger::default();
        before.add(Lane::Event, DropReason::TooLarge, 3);
        assert_eq!(losses(&before, &before), None);
        let mut after = before.clone();
        after.add(Lane::Crash, DropReason::TooLarge, 1);
        after.add(Lane::Bulk, DropReason::TooLarge, 1);
        after.add(Lane::Bulk, DropReason::QuotaAge, 4);
        after.add(Lane::Bulk, DropReason::NoDestination, 9);
        assert_eq!(losses(&before, &after).as_deref(), Some("4 quota_age, 2 too_large"));
    }

    #[test]
    fn events_that_a_full_disk_has_kept_out_of_the_books_are_no_success() {
        assert!(ensure_booked(0, 0).is_ok() && ensure_booked(20, 20).is_ok());
        // Those of stories are booked as well, and not counted by kind.
        assert!(ensure_booked(20, 100).is_ok());
        let said = ensure_booked(20_000, 17_372).unwrap_err().to_string();
        assert!(said.contains("2628 of 20000 events") && said.contains("disk may be full"), "{said}");
    }

    #[test]
    fn a_path_that_is_advised_can_be_pasted() {
        assert_eq!(quoted(Path::new("/tmp/a-1.b")), "/tmp/a-1.b");
        assert_eq!(quoted(Path::new("/tmp/it's 1 $dir")), "'/tmp/it'\\''s 1 $dir'");
    }
}
