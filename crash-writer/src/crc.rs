//! CRC-32C (Castagnoli, RFC 3720 appendix B.4) from a table, for a handler that can call nobody.

const TABLE: [u32; 256] = table();

#[allow(clippy::indexing_slicing, reason = "the compiler does it, and would refuse a place outside")]
const fn table() -> [u32; 256] {
    let mut table = [0u32; 256];
    let mut byte = 0u32;
    while byte < 256 {
        let mut value = byte;
        let mut bit = 0u32;
        while bit < 8 {
            value = if value & 1 == 1 { (value >> 1) ^ 0x82f6_3b78 } else { value >> 1 };
            bit = bit.wrapping_add(1);
        }
        table[byte as usize] = value;
        byte = byte.wrapping_add(1);
    }
    table
}

/// A checksum that grows.
#[derive(Clone, Copy)]
pub(crate) struct Crc(u32);

impl Crc {
    pub(crate) const fn new() -> Self {
        Self(!0)
    }

    #[inline]
    pub(crate) fn byte(&mut self, byte: u8) {
        let at = (self.0 as u8) ^ byte;
        // A place of one byte is always in a table of 256.
        let entry = TABLE.get(at as usize).copied().unwrap_or(0);
        self.0 = entry ^ (self.0 >> 8);
    }

    #[cfg(any(
        target_os = "linux",
        target_os = "android",
        all(feature = "apple", any(target_os = "ios", target_os = "macos"))
    ))]
    pub(crate) fn word(&mut self, word: u64) {
        for byte in word.to_le_bytes() {
            self.byte(byte);
        }
    }

    pub(crate) const fn end(self) -> u32 {
        !self.0
    }
}
