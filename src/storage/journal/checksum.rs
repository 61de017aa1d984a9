//! The CRC-32C of frames, computed with an instruction of the processor.
//!
//! The crate `crc32c` computes the same sums, and is used for long payloads and for processors
//! without the instruction. It is made for long buffers. A usual record has a hundred bytes, and
//! the part that is summed under the journal's lock has twenty: there, setting up the crate's loops
//! would cost more than the sum itself.
#![allow(unsafe_code, reason = "calling a function that needs an instruction of the processor")]

/// Bytes from which the crate sums a payload, because it then works on three parts at once.
const LONG: usize = 768;

/// Computes the CRC-32C of a payload.
#[inline]
pub(in crate::storage) fn of_payload(payload: &[u8]) -> u32 {
    if payload.len() < LONG && has_instruction() {
        // SAFETY: the processor has the instruction.
        unsafe { instruction::append(0, payload) }
    } else {
        crc32c::crc32c(payload)
    }
}

/// Continues the CRC-32C of a payload with the run, the logical offset, and the first half of the
/// header.
#[inline]
pub(in crate::storage) fn seal(payload_crc: u32, run: u64, offset: u64, word: u32) -> u32 {
    if has_instruction() {
        // SAFETY: the processor has the instruction.
        return unsafe { instruction::seal(payload_crc, run, offset, word) };
    }
    let mut bytes = [0u8; 20];
    let (run_bytes, rest) = bytes.split_at_mut(8);
    let (offset_bytes, word_bytes) = rest.split_at_mut(8);
    run_bytes.copy_from_slice(&run.to_le_bytes());
    offset_bytes.copy_from_slice(&offset.to_le_bytes());
    word_bytes.copy_from_slice(&word.to_le_bytes());
    crc32c::crc32c_append(payload_crc, &bytes)
}

#[cfg(target_arch = "x86_64")]
use x86_64 as instruction;
#[cfg(target_arch = "x86_64")]
mod x86_64 {
    use std::arch::x86_64::{_mm_crc32_u8, _mm_crc32_u32, _mm_crc32_u64};

    #[inline]
    pub(super) fn has_instruction() -> bool {
        std::arch::is_x86_feature_detected!("sse4.2")
    }

    #[target_feature(enable = "sse4.2")]
    pub(super) fn append(crc: u32, bytes: &[u8]) -> u32 {
        let (words, rest) = bytes.as_chunks::<8>();
        let sum = words.iter().fold(u64::from(!crc), |sum, word| _mm_crc32_u64(sum, u64::from_le_bytes(*word)));
        let (halves, rest) = rest.as_chunks::<4>();
        let sum = halves.iter().fold(sum as u32, |sum, half| _mm_crc32_u32(sum, u32::from_le_bytes(*half)));
        !rest.iter().fold(sum, |sum, byte| _mm_crc32_u8(sum, *byte))
    }

    #[target_feature(enable = "sse4.2")]
    pub(super) fn seal(payload_crc: u32, run: u64, offset: u64, word: u32) -> u32 {
        let sum = _mm_crc32_u64(_mm_crc32_u64(u64::from(!payload_crc), run), offset);
        !_mm_crc32_u32(sum as u32, word)
    }
}

#[cfg(all(target_arch = "aarch64", target_endian = "little"))]
use aarch64 as instruction;
#[cfg(all(target_arch = "aarch64", target_endian = "little"))]
mod aarch64 {
    use std::arch::aarch64::{__crc32cb, __crc32cd, __crc32cw};

    #[inline]
    pub(super) fn has_instruction() -> bool {
        std::arch::is_aarch64_feature_detected!("crc")
    }

    #[target_feature(enable = "crc")]
    pub(super) fn append(crc: u32, bytes: &[u8]) -> u32 {
        let (words, rest) = bytes.as_chunks::<8>();
        let sum = words.iter().fold(!crc, |sum, word| __crc32cd(sum, u64::from_le_bytes(*word)));
        let (halves, rest) = rest.as_chunks::<4>();
        let sum = halves.iter().fold(sum, |sum, half| __crc32cw(sum, u32::from_le_bytes(*half)));
        !rest.iter().fold(sum, |sum, byte| __crc32cb(sum, *byte))
    }

    #[target_feature(enable = "crc")]
    pub(super) fn seal(payload_crc: u32, run: u64, offset: u64, word: u32) -> u32 {
        !__crc32cw(__crc32cd(__crc32cd(!payload_crc, run), offset), word)
    }
}

#[cfg(not(any(target_arch = "x86_64", all(target_arch = "aarch64", target_endian = "little"))))]
mod instruction {
    pub(super) fn has_instruction() -> bool {
        false
    }

    pub(super) unsafe fn append(crc: u32, bytes: &[u8]) -> u32 {
        crc32c::crc32c_append(crc, bytes)
    }

    pub(super) unsafe fn seal(payload_crc: u32, _: u64, _: u64, _: u32) -> u32 {
        payload_crc
    }
}

use instruction::has_instruction;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sums_are_those_of_the_crate(bytes in prop::collection::vec(any::<u8>(), 0..900), run: u64, offset: u64, word: u32) {
            let crc = crc32c::crc32c(&bytes);
            prop_assert_eq!(of_payload(&bytes), crc);
            let rest = [&run.to_le_bytes()[..], &offset.to_le_bytes(), &word.to_le_bytes()].concat();
            prop_assert_eq!(seal(crc, run, offset, word), crc32c::crc32c_append(crc, &rest));
        }
    }

    /// CRC-32C by its definition, bit by bit.
    fn by_definition(crc: u32, bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!crc, |sum, byte| {
            (0..8).fold(sum ^ u32::from(*byte), |sum, _| sum >> 1 ^ if sum & 1 == 1 { 0x82f6_3b78 } else { 0 })
        })
    }

    #[test]
    fn every_length_is_summed_whole_wherever_it_begins() {
        assert_eq!(by_definition(0, b"123456789"), 0xe306_9283, "the check value of CRC-32C");
        let longest = 4_096;
        let bytes: Vec<u8> = (0..longest + 16).map(|n: usize| (n * 31 + n / 251) as u8).collect();
        for offset in 0..16 {
            let mut expected = 0;
            for length in 0..=longest {
                let payload = &bytes[offset..offset + length];
                assert_eq!(of_payload(payload), expected, "{length} bytes at {offset}");
                expected = by_definition(expected, &bytes[offset + length..][..1.min(bytes.len() - offset - length)]);
            }
        }
    }

    #[test]
    fn a_seal_is_the_sum_of_the_bytes_it_stands_for() {
        for bit in 0..64 {
            let (run, offset, word) = (1u64 << bit, u64::MAX >> bit, (u64::MAX << bit) as u32);
            let bytes = [&run.to_le_bytes()[..], &offset.to_le_bytes(), &word.to_le_bytes()].concat();
            for payload_crc in [0, 1, u32::MAX, 0x1234_5678] {
                assert_eq!(seal(payload_crc, run, offset, word), by_definition(payload_crc, &bytes), "{bit}");
            }
        }
    }
}
