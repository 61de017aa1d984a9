//! CRC-32C (Castagnoli, RFC 3720 appendix B.4) from a table, for a handler that can call nobody.

/// One table for each place of a byte in a word, so that eight bytes are looked up at once.
static TABLES: [[u32; 256]; 8] = tables();

#[allow(clippy::indexing_slicing, reason = "the compiler does it, and would refuse a place outside")]
const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0u32; 256]; 8];
    let mut byte = 0u32;
    while byte < 256 {
        let mut value = byte;
        let mut bit = 0u32;
        while bit < 8 {
            value = if value & 1 == 1 { (value >> 1) ^ 0x82f6_3b78 } else { value >> 1 };
            bit = bit.wrapping_add(1);
        }
        tables[0][byte as usize] = value;
        byte = byte.wrapping_add(1);
    }
    let mut place = 1usize;
    while place < 8 {
        let mut byte = 0usize;
        while byte < 256 {
            let before = tables[place.wrapping_sub(1)][byte];
            tables[place][byte] = tables[0][(before & 0xff) as usize] ^ (before >> 8);
            byte = byte.wrapping_add(1);
        }
        place = place.wrapping_add(1);
    }
    tables
}

/// What a byte at a place of a word adds.
#[inline]
fn entry(table: &[u32; 256], byte: u8) -> u32 {
    // A place of one byte is always in a table of 256.
    table.get(byte as usize).copied().unwrap_or(0)
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
        let [first, ..] = &TABLES;
        self.0 = entry(first, (self.0 as u8) ^ byte) ^ (self.0 >> 8);
    }

    #[cfg(any(
        target_os = "linux",
        target_os = "android",
        all(feature = "apple", any(target_os = "ios", target_os = "macos"))
    ))]
    #[inline]
    pub(crate) fn word(&mut self, word: u64) {
        let [a, b, c, d, e, f, g, h] = (word ^ u64::from(self.0)).to_le_bytes();
        let [t0, t1, t2, t3, t4, t5, t6, t7] = &TABLES;
        self.0 = entry(t7, a)
            ^ entry(t6, b)
            ^ entry(t5, c)
            ^ entry(t4, d)
            ^ entry(t3, e)
            ^ entry(t2, f)
            ^ entry(t1, g)
            ^ entry(t0, h);
    }

    pub(crate) const fn end(self) -> u32 {
        !self.0
    }
}

#[cfg(test)]
mod tests {
    use super::Crc;

    #[test]
    fn a_word_is_eight_bytes() {
        let (mut by_bytes, mut by_words) = (Crc::new(), Crc::new());
        for word in [0u64, 1, u64::MAX, 0x0123_4567_89ab_cdef] {
            by_words.word(word);
            for byte in word.to_le_bytes() {
                by_bytes.byte(byte);
            }
            assert_eq!(by_bytes.end(), by_words.end(), "after {word:x}");
        }
        // The check value of RFC 3720, appendix B.4: 32 bytes of zeros.
        let mut zeros = Crc::new();
        (0..4).for_each(|_| zeros.word(0));
        assert_eq!(zeros.end(), 0x8a91_36aa);
    }
}
