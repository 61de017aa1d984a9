//! Stories: what one user did in an app, and what it caused.

use std::time::Duration;

use anyhow::Result;
use throughline::Telemetry;
use throughline::event::{Log, Severity};
use throughline::state::{Capture, StateCounts, StorePolicy};

use super::pace::pause_after;
use super::scenario::Scenario;

/// Mixed into the seed, so that stories do not repeat the choices of the single events.
const SEED: u64 = u64::from_be_bytes(*b"stories\0");
/// The counter of taps, and the histogram of what was bought.
const INSTRUMENTS: [&str; 2] = ["cart.taps", "checkout.items"];
/// Stories between two pauses.
const STORIES_PER_PAUSE: u64 = 50;

/// Records `stories` stories and returns what the traced store has counted.
pub(super) fn record(telemetry: &Telemetry, seed: u64, stories: u64) -> Result<StateCounts> {
    // No window and no budget: the counts then follow from the seed and not from the machine's
    // speed.
    let policy = StorePolicy::default()
        .deny(["**.secret"])
        .transient(["**.isLoading"])
        .capture("items[*].name", Capture::Full)
        .coalesce(Duration::ZERO)
        .max_actions_per_second(u32::MAX);
    let cart = telemetry.traced_store("Cart", &policy)?;
    let taps = telemetry.counter(INSTRUMENTS[0], "{tap}")?;
    let size = telemetry.histogram(INSTRUMENTS[1], "{item}", Some(&[1.0, 5.0, 20.0]))?;
    let mut scenario = Scenario::new(seed ^ SEED);
    for n in 0..stories {
        telemetry.start_view(if n.is_multiple_of(2) { "Cart" } else { "Checkout" });
        let tap = telemetry.tap("checkout");
        let mut operation = telemetry.start_operation("Checkout");
        operation.set_attribute("items", scenario.small_number());
        let fails = scenario.one_in(4);
        operation.scope(|| {
            cart.set("isLoading", false, true);
            for _ in 0..=scenario.below(4) {
                let item = scenario.below(9);
                let old = scenario.small_number();
                cart.set(&format!("items[{item}].quantity"), old, old + 1);
                cart.set(&format!("items[{item}].name"), "old", "new");
                cart.set(&format!("items[{item}].secret"), 1, 2);
            }
            let url = "https://api.example.com/checkout?token=secret";
            let request = telemetry.start_resource("POST", url);
            let _ = if fails { request.fail("timeout") } else { request.stop(200, |resource| resource.size(512)) };
            telemetry.record_log(&Log::new(Severity::Info, "order of ada@mail.example placed"));
            cart.set("isLoading", true, false);
        });
        if fails {
            operation.fail("Timeout", "no answer")
        } else {
            operation.succeed()
        }
        taps.record(1.0, &[("screen", "Cart".into())]);
        size.record(scenario.below(30) as f64, &[]);
        if let Some(tap) = tap {
            telemetry.stop_action(tap);
        }
        pause_after(n, STORIES_PER_PAUSE, telemetry);
    }
    telemetry.stop_view();
    Ok(cart.counts())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::mem::discriminant;

    use super::*;

    #[test]
    fn an_instrument_has_one_name_one_unit_and_one_kind() {
        let mut scenario = Scenario::new(1);
        let mut known = BTreeMap::new();
        for _ in 0..100 {
            let (name, unit, data) = scenario.instrument();
            let kind = discriminant(&data);
            assert_eq!(known.insert(name, (unit, kind)).unwrap_or((unit, kind)), (unit, kind), "{name}");
        }
        assert_eq!(known.len(), 3);
        assert!(INSTRUMENTS.iter().all(|name| !known.contains_key(name)));
    }
}
