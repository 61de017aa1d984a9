//! Ids that cost no system call.
//!
//! A run (one life of the process) draws one random key at its start. From then on an id is a
//! keyed, bijective mix of a counter: the ids of a run never collide, their bits are uniform, and
//! the queue stores them as `(run, n)`. Event ids have the layout of UUIDv7 (RFC 9562 §5.7); trace
//! and span ids are never zero (W3C Trace Context §3.2.2).

use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Uuid;

/// The random key of one run of the process. It also names the run's journal file.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RunKey(pub [u8; 16]);

impl std::fmt::Debug for RunKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RunKey({})", self.name())
    }
}

/// Mixes 64 bits well and without collisions (Stafford's variant 13 of the splitmix64 finalizer).
const fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// What an id is for. The same counter value gives unrelated ids in different domains.
#[derive(Clone, Copy)]
enum Domain {
    Event = 1,
    TraceHigh = 2,
    TraceLow = 3,
    Span = 4,
    Object = 5,
}

impl RunKey {
    /// Draws a key: see [`RunKey::draw`].
    pub fn random() -> Self {
        Self::draw().0
    }

    /// Draws a key from the operating system. Where that is refused, the clock and an address take
    /// its place, because ids must differ between runs and are no secrets. The second value says
    /// whether the key is random.
    pub fn draw() -> (Self, bool) {
        Self::draw_from(|bytes| getrandom::fill(bytes).is_ok())
    }

    fn draw_from(source: impl FnOnce(&mut [u8]) -> bool) -> (Self, bool) {
        let mut bytes = [0u8; 16];
        let is_random = source(&mut bytes);
        if !is_random {
            let clock =
                std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_nanos());
            let address = std::ptr::from_ref(&bytes) as usize as u128;
            bytes = (clock ^ (address << 64)).to_le_bytes();
        }
        (Self(bytes), is_random)
    }

    /// The run's name: 32 hex digits.
    pub fn name(&self) -> String {
        Uuid::from_bytes(self.0).simple().to_string()
    }

    /// The two halves of the key.
    pub(crate) fn halves(self) -> (u64, u64) {
        let whole = u128::from_le_bytes(self.0);
        (whole as u64, (whole >> 64) as u64)
    }

    /// A keyed bijection of `n` within a domain: three mixing rounds, each of which is invertible.
    fn scramble(self, n: u64, domain: Domain) -> u64 {
        let (a, b) = self.halves();
        let d = mix((domain as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        mix(mix(mix(n ^ a).wrapping_add(b ^ d)) ^ a.rotate_left(23) ^ d)
    }

    /// The id of event `n`, recorded at `wall_ns` since the Unix epoch.
    pub fn event_id(self, n: u64, wall_ns: u64) -> Uuid {
        let millis = (wall_ns / 1_000_000) & 0xffff_ffff_ffff;
        let low = self.scramble(n, Domain::Event);
        // 62 bits of the mix stand after the variant and two in `rand_a`: together they keep the
        // bijection. The other ten bits of `rand_a` come from another mix of the same counter.
        let extra = self.scramble(n, Domain::Object) & 0x3ff;
        let rand_a = (extra << 2) | (low >> 62);
        let high = (millis << 16) | 0x7000 | rand_a;
        let tail = 0x8000_0000_0000_0000 | (low & 0x3fff_ffff_ffff_ffff);
        Uuid::from_u64_pair(high, tail)
    }

    /// A trace id, never zero.
    pub fn trace_id(self, n: u64) -> [u8; 16] {
        let high = self.scramble(n, Domain::TraceHigh);
        let low = self.scramble(n, Domain::TraceLow) | u64::from(high == 0);
        ((u128::from(high) << 64) | u128::from(low)).to_be_bytes()
    }

    /// A span id, never zero: the one counter value that would give zero takes the id of
    /// `u64::MAX`.
    pub fn span_id(self, n: u64) -> [u8; 8] {
        match self.scramble(n, Domain::Span) {
            0 => self.scramble(u64::MAX, Domain::Span),
            id => id,
        }
        .to_be_bytes()
    }

    /// The id of a session, view, action or request, with the layout of UUIDv4.
    pub fn object_id(self, n: u64) -> Uuid {
        let high = self.scramble(n, Domain::Object);
        let low = self.scramble(n, Domain::TraceLow);
        uuid::Builder::from_random_bytes(((u128::from(high) << 64) | u128::from(low)).to_be_bytes()).into_uuid()
    }
}

/// The counter behind a run's ids. It starts at 1, so that 0 can mean "none".
#[derive(Debug)]
pub struct IdCounter(AtomicU64);

impl IdCounter {
    /// A counter that starts at 1.
    pub const fn new() -> Self {
        Self(AtomicU64::new(1))
    }

    /// The next value: one atomic add.
    pub fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

impl Default for IdCounter {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_million_ids_of_a_run_are_distinct_and_never_zero() {
        let key = RunKey([7; 16]);
        let mut events = HashSet::new();
        let mut spans = HashSet::new();
        for n in 1..=1_000_000u64 {
            assert!(events.insert(key.event_id(n, 1_700_000_000_000_000_000)));
            assert!(spans.insert(key.span_id(n)));
            assert_ne!(key.trace_id(n), [0; 16]);
        }
        assert!(!spans.contains(&[0; 8]));
    }

    #[test]
    fn a_key_that_is_not_random_says_so() {
        let (key, is_random) = RunKey::draw_from(|_| false);
        assert!(!is_random && key.0 != [0; 16] && RunKey::draw().1);
    }

    #[test]
    fn event_ids_have_the_layout_of_version_7() {
        let id = RunKey([9; 16]).event_id(42, 1_700_000_000_123_456_789);
        assert_eq!(id.get_version_num(), 7);
        assert_eq!(id.get_variant(), uuid::Variant::RFC4122);
        let (seconds, nanos) = id.get_timestamp().unwrap().to_unix();
        assert_eq!((seconds, nanos / 1_000_000), (1_700_000_000, 123));
    }

    #[test]
    fn bits_of_ids_are_uniform() {
        let key = RunKey::random();
        let mut ones = [0u32; 64];
        for n in 0..20_000u64 {
            let id = u64::from_be_bytes(key.span_id(n));
            for (bit, count) in ones.iter_mut().enumerate() {
                *count += u32::from(id >> bit & 1 == 1);
            }
        }
        // 20,000 fair coins: 6 sigma is 424.
        assert!(ones.iter().all(|count| count.abs_diff(10_000) < 424), "{key:?} {ones:?}");
    }

    #[test]
    fn two_runs_share_no_id() {
        let (a, b) = (RunKey([1; 16]), RunKey([2; 16]));
        let first: HashSet<_> = (1..10_000).map(|n| a.span_id(n)).collect();
        assert!((1..10_000).all(|n| !first.contains(&b.span_id(n))));
    }
}
