//! The buffer in which an event is encoded.
//!
//! Most keys and values of an event are a few bytes long. For a key of five bytes, asking a growing
//! vector for room and calling `memcpy` costs several times as much as the copy itself. The scratch
//! buffer therefore lends a *window*: an array of fixed size behind what has been written. The room
//! is checked once. Then whole words are stored at places of which the compiler can prove that they
//! are inside. If a store writes more bytes than are needed, the next store overwrites the excess.

use super::put::{ONE_BYTE, short_word};

/// Bytes of a window: room for an attribute with a short key and a short text, and for the excess
/// of stores.
const WINDOW: usize = 128;
/// Longest text that is written into a window.
pub(super) const SHORT_TEXT: usize = 64;
/// Longest key that is written into a window.
pub(super) const SHORT_KEY: usize = 32;

/// A reusable buffer. [`Scratch::written`] is what has been written since [`Scratch::clear`].
#[derive(Debug, Default)]
pub struct Scratch {
    /// From `len` on there are zeros, or what an earlier store has left.
    bytes: Vec<u8>,
    len: usize,
}

impl Scratch {
    /// An empty buffer that owns no memory.
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), len: 0 }
    }

    /// Makes a buffer that continues after the content of a vector.
    pub(super) fn behind(bytes: Vec<u8>) -> Self {
        let mut scratch = Self { len: bytes.len(), bytes };
        scratch.bytes.resize(scratch.len + 2 * WINDOW, 0);
        scratch
    }

    /// What has been written, as a vector.
    pub(super) fn into_vec(mut self) -> Vec<u8> {
        self.bytes.truncate(self.len);
        self.bytes
    }

    /// Forgets what has been written.
    #[inline]
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Forgets what was written behind the first `len` bytes.
    pub(super) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// What has been written.
    #[inline]
    pub fn written(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// Whether nothing has been written.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many bytes have been written.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Bytes of memory that the buffer holds.
    #[inline]
    pub fn capacity(&self) -> usize {
        self.bytes.len()
    }

    /// Makes room for `more` bytes and a window behind them.
    fn grow(&mut self, more: usize) {
        let wanted = self.len + more + WINDOW;
        if self.bytes.len() < wanted {
            self.bytes.resize(wanted.max(2 * self.bytes.len()), 0);
        }
    }

    /// The next [`WINDOW`] bytes; `None` when there is no room for as many.
    #[inline(always)]
    pub(super) fn window(&mut self) -> Option<Window<'_>> {
        self.bytes.get_mut(self.len..)?.first_chunk_mut::<WINDOW>().map(Window)
    }

    /// Keeps the first `count` bytes of the window that was lent last.
    #[inline(always)]
    pub(super) fn keep(&mut self, count: usize) {
        self.len += count;
    }

    /// Appends the first `count` bytes of `word`, least significant first. `count` is at most 8.
    #[inline(always)]
    pub(super) fn word(&mut self, word: u64, count: usize) {
        match self.window() {
            Some(mut window) => {
                window.word(0, word);
                self.keep(count);
            }
            None => self.bytes_with_room(word.to_le_bytes().get(..count).unwrap_or_default()),
        }
    }

    /// Appends one byte.
    #[inline]
    pub(super) fn byte(&mut self, byte: u8) {
        self.word(u64::from(byte), 1);
    }

    /// Appends a base-128 varint, least significant group first.
    #[inline]
    pub fn varint(&mut self, value: u64) {
        if value < ONE_BYTE as u64 { self.word(value, 1) } else { self.long_varint(value) }
    }

    #[inline(never)]
    fn long_varint(&mut self, value: u64) {
        if value > WIDEST_VARINT_WORD {
            return self.longest_varint(value);
        }
        let (word, count) = varint_word(value);
        self.word(word, count);
    }

    #[cold]
    #[inline(never)]
    fn longest_varint(&mut self, value: u64) {
        self.word(value & 0x7f | 0x80, 1);
        self.varint(value >> 7);
    }

    /// Appends bytes.
    #[inline]
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        match self.window() {
            Some(mut window) if bytes.len() <= SHORT_TEXT => {
                window.bytes(0, bytes);
                self.keep(bytes.len());
            }
            _ => self.bytes_with_room(bytes),
        }
    }

    #[inline(never)]
    fn bytes_with_room(&mut self, bytes: &[u8]) {
        self.grow(bytes.len());
        if let Some(place) = self.bytes.get_mut(self.len..self.len + bytes.len()) {
            place.copy_from_slice(bytes);
            self.len += bytes.len();
        }
    }

    /// Appends zeroed bytes that are filled in later, at most 8.
    #[inline]
    pub(super) fn reserve(&mut self, count: usize) {
        self.word(0, count);
    }

    /// Fills in a varint at `at`, where one byte was reserved for it. A longer one moves what
    /// stands behind.
    #[inline]
    pub(super) fn fill_in(&mut self, at: usize, value: usize) {
        match self.bytes.get_mut(at) {
            Some(place) if value < ONE_BYTE => *place = value as u8,
            _ => self.fill_in_long(at, value),
        }
    }

    #[cold]
    fn fill_in_long(&mut self, at: usize, value: usize) {
        let (word, count) = varint_word(value as u64);
        // Makes room behind, then moves what follows the reserved byte.
        let end = self.len;
        self.word(0, count - 1);
        self.bytes.copy_within(at + 1..end, at + count);
        if let Some(place) = self.bytes.get_mut(at..at + count) {
            place.copy_from_slice(word.to_le_bytes().get(..count).unwrap_or_default());
        }
    }
}

/// Room for [`WINDOW`] bytes. Places are at most 63, so that no store is outside.
pub(super) struct Window<'w>(&'w mut [u8; WINDOW]);

impl Window<'_> {
    /// Writes eight bytes, least significant first.
    #[inline(always)]
    pub(super) fn word(&mut self, at: usize, word: u64) {
        if let Some(place) = self.0.get_mut(at & 63..).and_then(<[u8]>::first_chunk_mut) {
            *place = word.to_le_bytes();
        }
    }

    /// Writes one byte.
    #[inline(always)]
    pub(super) fn byte(&mut self, at: usize, byte: u8) {
        if let Some(place) = self.0.get_mut(at & 63) {
            *place = byte;
        }
    }

    /// Writes at most [`SHORT_TEXT`] bytes by two copies that may overlap. Up to eight bytes behind
    /// them are overwritten.
    #[inline(always)]
    pub(super) fn bytes(&mut self, at: usize, bytes: &[u8]) {
        if bytes.len() <= 8 {
            self.word(at, short_word(bytes));
        } else if bytes.len() < 16 {
            self.ends::<8>(at, bytes);
        } else if bytes.len() < 32 {
            self.ends::<16>(at, bytes);
        } else {
            self.ends::<32>(at, bytes);
        }
    }

    #[inline(always)]
    fn ends<const N: usize>(&mut self, at: usize, bytes: &[u8]) {
        let Some(place) = self.0.get_mut(at & 63..).and_then(|rest| rest.get_mut(..bytes.len())) else { return };
        if let (Some(first), Some(place)) = (bytes.first_chunk::<N>(), place.first_chunk_mut::<N>()) {
            *place = *first;
        }
        if let (Some(last), Some(place)) = (bytes.last_chunk::<N>(), place.last_chunk_mut::<N>()) {
            *place = *last;
        }
    }
}

/// The largest number whose varint fits into a word.
pub(super) const WIDEST_VARINT_WORD: u64 = (1 << 56) - 1;

/// The varint of a number of at most 56 bits, and its length.
#[inline]
pub(super) fn varint_word(value: u64) -> (u64, usize) {
    // Spreads eight groups of seven bits over eight bytes, by halves.
    let spread = (value & 0x0fff_ffff) | (value & 0x00ff_ffff_f000_0000) << 4;
    let spread = (spread & 0x0000_3fff_0000_3fff) | (spread & 0x0fff_c000_0fff_c000) << 2;
    let spread = (spread & 0x007f_007f_007f_007f) | (spread & 0x3f80_3f80_3f80_3f80) << 1;
    let last = (u64::BITS - 1 - (value | 1).leading_zeros()) / 7;
    let go_on = 0x8080_8080_8080_8080 & ((1 << (8 * last)) - 1);
    (spread | go_on, last as usize + 1)
}

#[cfg(test)]
mod tests {
    use super::super::put::put_varint;
    use super::*;
    use proptest::prelude::*;

    fn varint_of(value: u64) -> Vec<u8> {
        let mut scratch = Scratch::new();
        scratch.varint(value);
        scratch.written().to_vec()
    }

    fn plain(value: u64) -> Vec<u8> {
        let mut out = Vec::new();
        put_varint(&mut out, value);
        out
    }

    #[test]
    fn a_varint_at_the_edge_of_a_group_is_not_misread() {
        for bit in 0..64 {
            for value in [1u64 << bit, (1u64 << bit) - 1, (1u64 << bit) + 1, u64::MAX >> bit] {
                assert_eq!(varint_of(value), plain(value), "{value:#x}");
            }
        }
    }

    #[test]
    fn bytes_of_every_length_are_copied_whole_wherever_they_stand() {
        let bytes: Vec<u8> = (1..=200).collect();
        for before in 0..64 {
            for count in 0..=bytes.len() {
                let mut scratch = Scratch::new();
                scratch.bytes(&bytes[..before]);
                scratch.bytes(&bytes[..count]);
                scratch.byte(0xee);
                assert_eq!(scratch.written(), [&bytes[..before], &bytes[..count], &[0xee]].concat());
                if count <= SHORT_TEXT {
                    let mut scratch = Scratch::behind(Vec::new());
                    scratch.window().unwrap().bytes(before, &bytes[..count]);
                    scratch.keep(before + count);
                    assert_eq!(scratch.written()[before..], bytes[..count], "{before} {count}");
                }
            }
        }
    }

    #[test]
    fn a_long_length_moves_what_stands_behind_it() {
        for length in [0, 1, 127, 128, 5_000, 20_000] {
            let inner: Vec<u8> = (0..length).map(|n| n as u8).collect();
            let mut scratch = Scratch::behind(vec![1, 2]);
            let at = scratch.len();
            scratch.reserve(1);
            scratch.bytes(&inner);
            scratch.fill_in(at, length);
            let mut want = vec![1, 2];
            put_varint(&mut want, length as u64);
            want.extend(&inner);
            assert_eq!(scratch.into_vec(), want, "{length}");
        }
    }

    proptest! {
        #[test]
        fn a_varint_is_written_as_the_plain_loop_does(value: u64, shift in 0u32..64) {
            prop_assert_eq!(varint_of(value >> shift), plain(value >> shift));
        }
    }
}
