//! Deterministic sampling: whether a session or trace is kept depends on its id and the rate alone.
//!
//! What is kept at one rate is kept at every higher one, and by every program that knows the id.
//! The hash is the multiplicative one of Datadog's mobile SDKs, so that both keep the same
//! sessions.

use uuid::Uuid;

/// Knuth's multiplicative hash, with Datadog's factor.
const FACTOR: u64 = 1_111_111_111_111_111_111;

/// Whether `seed` is kept at `rate` (0.0 to 1.0).
pub fn keep(seed: u64, rate: f64) -> bool {
    if rate >= 1.0 {
        return true;
    }
    // The conversion saturates: NaN and negative rates keep nothing.
    seed.wrapping_mul(FACTOR) < (rate * u64::MAX as f64) as u64
}

/// Whether a session is kept: the seed is the last 48 bits of its id.
pub fn keep_session(session: Uuid, rate: f64) -> bool {
    keep(session.as_u128() as u64 & 0xffff_ffff_ffff, rate)
}

/// Whether a trace is kept: the seed is the low 64 bits of its id.
pub fn keep_trace(trace_id: [u8; 16], rate: f64) -> bool {
    keep(u128::from_be_bytes(trace_id) as u64, rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_vectors_hold() {
        for (seed, rate) in [
            (5_577_006_791_947_779_410, 94.0509),
            (15_352_856_648_520_921_629, 43.7714),
            (3_916_589_616_287_113_937, 68.6823),
            (894_385_949_183_117_216, 30.0912),
            (12_156_940_908_066_221_323, 46.889),
        ] {
            assert!(keep(seed, rate / 100.0), "{seed}");
        }
        for (seed, rate) in [
            (9_828_766_684_487_745_566, 15.6519),
            (4_751_997_750_760_398_084, 81.364),
            (11_199_607_447_739_267_382, 38.0657),
            (6_263_450_610_539_110_790, 21.8553),
            (1_874_068_156_324_778_273, 36.0871),
        ] {
            assert!(!keep(seed, rate / 100.0), "{seed}");
        }
        let session = Uuid::parse_str("abcdef01-2345-6789-abcd-ef0123456789").unwrap();
        assert!(keep_session(session, 0.18));
        assert!(!keep_session(session, 0.17));
        assert!(keep(1, 1.0));
        assert!(!keep(1, 0.0));
        assert!(!keep(1, f64::NAN));
    }
}
