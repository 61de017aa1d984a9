//! Where handlers that were there before ours have recovered from faults: in the code that a
//! virtual machine has made.

use core::sync::atomic::{AtomicU64, Ordering};

/// How many regions are remembered. A region beyond them takes the place of another one.
const REGIONS: usize = 64;
/// A region is as many bytes as this power of two.
const REGION: u32 = 16;

/// The numbers of the regions. That with the number 0 has no code.
static KNOWN: [AtomicU64; REGIONS] = [const { AtomicU64::new(0) }; REGIONS];

fn place(region: u64) -> Option<&'static AtomicU64> {
    KNOWN.get((region as usize) & REGIONS.wrapping_sub(1))
}

/// Notes that a fault of the instruction at an address was no crash.
pub(crate) fn note(address: u64) {
    let region = address.wrapping_shr(REGION);
    if let Some(place) = place(region) {
        place.store(region, Ordering::Relaxed);
    }
}

/// Whether a fault near an address was no crash before.
pub(crate) fn is_known(address: u64) -> bool {
    let region = address.wrapping_shr(REGION);
    region != 0 && place(region).is_some_and(|place| place.load(Ordering::Relaxed) == region)
}
