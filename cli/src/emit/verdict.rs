//! Whether a run has succeeded, and what its user can do if not.

use std::path::Path;

use anyhow::{Result, bail, ensure};
use throughline::ledger::DropReason;
use throughline::{DestinationBooks, FlushOutcome};

/// What each data directory of the client holds after its first start.
const MARKS: [&str; 2] = ["queue.db", "runs"];

/// What was dropped, by reason: "3 too_large, 1 oversize". `None` if nothing was. Events that no
/// destination takes do not count: `--signals` asks for that.
pub(super) fn losses(books: &DestinationBooks) -> Option<String> {
    let mut lost: Vec<(&str, u64)> = Vec::new();
    for (_, reason, count) in
        books.dropped.iter().filter(|(_, reason, count)| *reason != DropReason::NoDestination && *count > 0)
    {
        match lost.iter_mut().find(|(name, _)| *name == reason.name()) {
            Some((_, sum)) => *sum += count,
            None => lost.push((reason.name(), count)),
        }
    }
    let lost: Vec<String> = lost.into_iter().map(|(name, count)| format!("{count} {name}")).collect();
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
    use super::*;

    #[test]
    fn a_path_that_is_advised_can_be_pasted() {
        assert_eq!(quoted(Path::new("/tmp/a-1.b")), "/tmp/a-1.b");
        assert_eq!(quoted(Path::new("/tmp/it's 1 $dir")), "'/tmp/it'\\''s 1 $dir'");
    }
}
