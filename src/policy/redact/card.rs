//! Card numbers in a text, found while it is read once.
//!
//! The digits of a number may stand together, in groups of at least four of which the last may be
//! shorter, or each by itself, with a space or a dash between them. What follows a number, such as
//! its expiry, may look like one more group; so every end of a group is tried. A number has the
//! check digit (Luhn, ISO/IEC 7812), the length and the first digits that the card networks use:
//! an order number, a time in milliseconds or a date has not.

use super::steps::looked;
use crate::model::limits::{BESIDE_CARD_BYTES, CARD_DIGITS};

/// What is known of a digit.
#[derive(Debug, Clone, Copy, Default)]
struct Digit {
    value: u8,
    /// Where its group begins.
    group: usize,
    /// The sums of all digits before it, with those at even places doubled, and those at odd ones.
    sums: [u32; 2],
}

/// How the digits of a number are grouped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Grouping {
    #[default]
    None,
    /// Groups of at least four digits.
    Long,
    /// Digits that stand by themselves.
    Single,
}

/// The digits that were read last.
#[derive(Debug, Default)]
pub(super) struct Digits {
    /// The last digits, each at the place of its number modulo the length.
    ring: [Digit; 32],
    count: usize,
    /// Which of the last digits begin a group: the last one is bit 0.
    starts: u32,
    sums: [u32; 2],
    grouping: Grouping,
    /// Where the last group ended.
    end: usize,
}

impl Digits {
    /// Whether the group of digits from `from` to `to` can be no part of a number, as with nearly
    /// all: it stands alone, and is too short or too long.
    #[inline(always)]
    pub(super) fn are_idle(&self, bytes: &[u8], from: usize, to: usize) -> bool {
        let is_alone = from != self.end + 1 && !has_next(bytes, to);
        is_alone && !CARD_DIGITS.contains(&(to - from))
    }

    /// Reads the group of digits from `from` to `to`. Returns where a card number begins that ends
    /// with it.
    pub(super) fn group(&mut self, bytes: &[u8], from: usize, to: usize) -> Option<usize> {
        let length = to - from;
        let is_next = from == self.end + 1 && matches!(bytes.get(self.end), Some(b' ' | b'-'));
        let goes_on = is_next
            && match self.grouping {
                Grouping::None => false,
                Grouping::Long => true,
                Grouping::Single => length == 1,
            };
        let has_next = has_next(bytes, to);
        if !goes_on {
            // Nearly all groups stand alone, and are too short or too long.
            if length > *CARD_DIGITS.end() || (length < *CARD_DIGITS.start() && !has_next) {
                self.grouping = Grouping::None;
                return None;
            }
            self.begin(length);
        }
        self.end = to;
        if self.grouping == Grouping::None {
            return None;
        }
        looked(length);
        for (at, byte) in bytes.get(from..to).unwrap_or_default().iter().enumerate() {
            let value = byte - b'0';
            if let Some(digit) = self.ring.get_mut(self.count % 32) {
                *digit = Digit { value, group: from, sums: self.sums };
            }
            let doubled = u32::from(value) * 2 - if value > 4 { 9 } else { 0 };
            let [even, odd] = &mut self.sums;
            let (doubles, keeps) = if self.count.is_multiple_of(2) { (even, odd) } else { (odd, even) };
            (*doubles, *keeps) = (*doubles + doubled, *keeps + u32::from(value));
            self.count += 1;
            self.starts = self.starts << 1 | u32::from(at == 0);
        }
        // Digits that stand by themselves are a number as a whole only.
        let found = if self.grouping == Grouping::Single && has_next { None } else { self.number(bytes) };
        // A short group can only be the last one.
        if found.is_some() || (self.grouping == Grouping::Long && length < 4) {
            self.grouping = Grouping::None;
        }
        found
    }

    fn begin(&mut self, length: usize) {
        (self.count, self.starts, self.sums) = (0, 0, [0; 2]);
        self.grouping = match length {
            1 => Grouping::Single,
            2 | 3 => Grouping::None,
            _ => Grouping::Long,
        };
    }

    /// Where the longest number begins that ends here.
    fn number(&self, bytes: &[u8]) -> Option<usize> {
        // Those at which a number of a legal length begins.
        let (least, most) = (*CARD_DIGITS.start(), *CARD_DIGITS.end());
        let mut starts = self.starts & ((1 << most) - 1) & !((1 << (least - 1)) - 1);
        while starts != 0 {
            looked(1);
            let length = u32::BITS as usize - starts.leading_zeros() as usize;
            starts &= !(1 << (length - 1));
            if let Some(from) = self.number_of(bytes, length) {
                return Some(from);
            }
        }
        None
    }

    /// Where the number of `length` digits begins that ends here.
    fn number_of(&self, bytes: &[u8], length: usize) -> Option<usize> {
        let first = self.count.checked_sub(length)?;
        let digit = self.ring.get(first % 32)?;
        let from = digit.group;
        let second = self.ring.get((first + 1) % 32)?.value;
        // The last digit is not doubled, and every other one is.
        let parity = self.count % 2;
        let sum = self.sums.get(parity)? - digit.sums.get(parity)?;
        let is_number = is_issued(length, digit.value, second) && sum.is_multiple_of(10) && sum > 0;
        (is_number && !is_in_hash(bytes, from, self.end) && !is_in_uuid(bytes, from)).then_some(from)
    }
}

/// Whether another group of digits follows.
#[inline(always)]
fn has_next(bytes: &[u8], to: usize) -> bool {
    matches!(bytes.get(to), Some(b' ' | b'-')) && bytes.get(to + 1).is_some_and(u8::is_ascii_digit)
}

/// Whether card networks issue numbers of this length with these first digits.
fn is_issued(length: usize, first: u8, second: u8) -> bool {
    match length {
        13 => first == 4,
        14 => first == 3 && matches!(second, 0 | 6 | 8 | 9),
        15 => first == 3 && matches!(second, 4 | 7),
        16 => (2..=6).contains(&first),
        17 | 18 => matches!(first, 5 | 6),
        _ => (3..=6).contains(&first),
    }
}

/// Whether a group of a UUID begins at a place. One that happens to have no letters may look like a
/// number.
fn is_in_uuid(bytes: &[u8], at: usize) -> bool {
    let is_uuid = |from: usize| {
        let groups = bytes.get(from..from + 36).unwrap_or_default().split(|byte| *byte == b'-');
        let is_hex = |group: &[u8]| group.iter().all(u8::is_ascii_hexdigit);
        groups.clone().map(<[u8]>::len).eq([8, 4, 4, 4, 12]) && groups.into_iter().all(is_hex)
    };
    looked(36);
    // The places of its groups.
    [0, 9, 14, 19, 24].into_iter().filter_map(|place| at.checked_sub(place)).any(is_uuid)
}

/// Whether letters beside a number connect it with other digits, as in a hash.
fn is_in_hash(bytes: &[u8], from: usize, to: usize) -> bool {
    let before = bytes.get(..from).unwrap_or_default().iter().rev();
    let after = bytes.get(to..).unwrap_or_default().iter();
    let beyond = |mut beside: std::iter::Take<&mut dyn Iterator<Item = &u8>>| {
        let beyond = beside.find(|byte| !byte.is_ascii_alphabetic());
        beyond.is_some_and(u8::is_ascii_digit)
    };
    looked(2 * BESIDE_CARD_BYTES);
    let (mut before, mut after) = (before, after);
    let (before, after): (&mut dyn Iterator<Item = &u8>, &mut dyn Iterator<Item = &u8>) = (&mut before, &mut after);
    beyond(before.take(BESIDE_CARD_BYTES)) || beyond(after.take(BESIDE_CARD_BYTES))
}
