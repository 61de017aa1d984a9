//! Random numbers from a seed, so that a failure can be repeated.

/// A splitmix generator.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The generator of the n-th case of a run. Cases do not depend on each other, so that they can
    /// run side by side.
    pub(crate) fn of_case(seed: u64, n: u64) -> Self {
        Self::new(seed ^ n.wrapping_mul(0x5851_f42d_4c95_7f2d))
    }

    /// A seed from the clock, for a run that is given none.
    pub(crate) fn fresh_seed() -> u64 {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Self::new(now.as_nanos() as u64).next() >> 32
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }
}
