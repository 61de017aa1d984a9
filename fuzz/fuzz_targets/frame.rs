//! A header of any bits, a payload of any bytes: no panic, and nothing passes that was not sealed
//! for its place.
#![no_main]

use libfuzzer_sys::fuzz_target;
use throughline::internals::frame;

fuzz_target!(|input: (u64, u64, u64, &[u8])| {
    let (header, run, offset, payload) = input;
    if let Some((kind, length)) = frame::parse(header) {
        let sealed = frame::sealed(run, offset, frame::word(kind, length), throughline_crc(payload));
        let passes = frame::check(header, run, offset, payload);
        assert_eq!(passes, sealed == header);
    }
    let _ = frame::split(payload);
});

/// CRC-32C, bit by bit: a second opinion on the library's.
fn throughline_crc(bytes: &[u8]) -> u32 {
    let mut crc = !0u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
        }
    }
    !crc
}
