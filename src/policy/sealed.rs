//! What a small book looks like in its file: a line of JSON, and its checksum in the next one.
//!
//! A book that is damaged counts as absent, because half of one would decide wrongly. Fields that a
//! later version has added are ignored.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The bytes of a book.
pub(crate) fn seal<T: Serialize>(book: &T) -> Vec<u8> {
    let json = serde_json::to_string(book).unwrap_or_default();
    format!("{json}\n{:08x}\n", crc32c::crc32c(json.as_bytes())).into_bytes()
}

/// The book in these bytes. `None` when they are damaged, or are none.
pub(crate) fn open<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let (json, crc) = std::str::from_utf8(bytes).ok()?.strip_suffix('\n')?.rsplit_once('\n')?;
    let is_whole = crc == format!("{:08x}", crc32c::crc32c(json.as_bytes()));
    is_whole.then(|| serde_json::from_str(json).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_book_is_none_whichever_bit_is_flipped_or_byte_is_missing() {
        let book = (7u32, "text\nof two lines".to_owned());
        let bytes = seal(&book);
        assert_eq!(open(&bytes), Some(book));
        for at in 0..bytes.len() {
            assert_eq!(open::<(u32, String)>(&bytes[..at]), None, "cut at {at}");
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << bit;
                assert_eq!(open::<(u32, String)>(&damaged), None, "bit {bit} of byte {at}");
            }
        }
    }
}
