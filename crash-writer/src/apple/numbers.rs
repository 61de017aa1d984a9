//! Numbers in bytes, as Apple's systems write them: little endian.

/// The bytes from a place on.
pub(crate) const fn tail(bytes: &[u8], at: usize) -> Option<&[u8]> {
    match bytes.split_at_checked(at) {
        Some((_, tail)) => Some(tail),
        None => None,
    }
}

/// Four bytes at a place.
pub(crate) const fn half(bytes: &[u8], at: usize) -> Option<u32> {
    match tail(bytes, at) {
        Some(tail) => match tail.first_chunk() {
            Some(chunk) => Some(u32::from_le_bytes(*chunk)),
            None => None,
        },
        None => None,
    }
}

/// Eight bytes at a place.
pub(crate) const fn whole(bytes: &[u8], at: usize) -> Option<u64> {
    match tail(bytes, at) {
        Some(tail) => match tail.first_chunk() {
            Some(chunk) => Some(u64::from_le_bytes(*chunk)),
            None => None,
        },
        None => None,
    }
}
