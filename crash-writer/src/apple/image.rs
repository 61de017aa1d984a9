//! What a module says of itself: the header and the load commands of a Mach-O file
//! (`mach-o/loader.h`), of which the build id and the place of the code are read.

use super::numbers::{half, tail, whole};

/// Bytes of the header of a 64-bit file.
pub(crate) const HEADER: usize = 32;

/// What is known of a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Image {
    /// `LC_UUID`.
    pub(crate) uuid: Option<[u8; 16]>,
    /// The address in the file of the segment `__TEXT`, and its length. The other segments of a
    /// module of the system lie far away from it, with those of other modules between them.
    pub(crate) text: Option<(u64, u64)>,
}

/// How many bytes the header and the commands have. `None` if it is none of a 64-bit Mach-O file.
pub(crate) const fn length(header: &[u8]) -> Option<usize> {
    const MAGIC: u32 = 0xfeed_facf;
    match (half(header, 0), half(header, 20)) {
        (Some(MAGIC), Some(commands)) => HEADER.checked_add(commands as usize),
        _ => None,
    }
}

/// Reads a header and the commands behind it. Commands that are cut off are left out.
pub(crate) const fn parse(bytes: &[u8]) -> Option<Image> {
    const SEGMENT: u32 = 0x19;
    const UUID: u32 = 0x1b;
    let (Some(len), Some(count)) = (length(bytes), half(bytes, 16)) else { return None };
    let bytes = match bytes.split_at_checked(len) {
        Some((bytes, _)) => bytes,
        None => bytes,
    };
    let mut image = Image { uuid: None, text: None };
    let mut rest = tail(bytes, HEADER);
    let mut index = 0;
    while index < count
        && let Some(command) = rest
    {
        let (Some(kind), Some(size)) = (half(command, 0), half(command, 4)) else { break };
        // Shorter than its own head: it would be read for ever.
        if size < 8 {
            break;
        }
        match kind {
            UUID => image.uuid = uuid(command),
            SEGMENT if is_text(command) => {
                if let (Some(at), Some(len)) = (whole(command, 24), whole(command, 32)) {
                    image.text = Some((at, len));
                }
            }
            _ => {}
        }
        rest = tail(command, size as usize);
        index = u32::wrapping_add(index, 1);
    }
    Some(image)
}

const fn uuid(command: &[u8]) -> Option<[u8; 16]> {
    match tail(command, 8) {
        Some(tail) => match tail.first_chunk() {
            Some(uuid) => Some(*uuid),
            None => None,
        },
        None => None,
    }
}

/// Whether a segment's name is `__TEXT`, filled up with zeros.
const fn is_text(command: &[u8]) -> bool {
    const NAME: u64 = u64::from_le_bytes(*b"__TEXT\0\0");
    matches!((whole(command, 8), whole(command, 16)), (Some(NAME), Some(0)))
}

#[cfg(test)]
#[allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "the compiler computes it, and would refuse it"
)]
mod tests {
    use super::*;

    /// A header, a segment `__PAGEZERO`, a segment `__TEXT` and a UUID.
    const BYTES: usize = HEADER + 72 + 72 + 24;

    const fn file() -> [u8; BYTES] {
        let mut file = [0u8; BYTES];
        put(&mut file, 0, &0xfeed_facf_u32.to_le_bytes());
        put(&mut file, 16, &3u32.to_le_bytes());
        put(&mut file, 20, &168u32.to_le_bytes());
        segment(&mut file, 32, b"__PAGEZERO", 0, 0x1_0000_0000);
        segment(&mut file, 104, b"__TEXT", 0x1_0000_0000, 0x4000);
        put(&mut file, 176, &0x1bu32.to_le_bytes());
        put(&mut file, 180, &24u32.to_le_bytes());
        put(&mut file, 184, b"0123456789abcdef");
        file
    }

    const fn segment(file: &mut [u8; BYTES], at: usize, name: &[u8], address: u64, len: u64) {
        put(file, at, &0x19u32.to_le_bytes());
        put(file, at + 4, &72u32.to_le_bytes());
        put(file, at + 8, name);
        put(file, at + 24, &address.to_le_bytes());
        put(file, at + 32, &len.to_le_bytes());
    }

    const fn put(file: &mut [u8; BYTES], at: usize, bytes: &[u8]) {
        let mut index = 0;
        while index < bytes.len() {
            file[at + index] = bytes[index];
            index += 1;
        }
    }

    const fn cut(len: usize) -> Option<Image> {
        match FILE.split_at_checked(len) {
            Some((file, _)) => parse(file),
            None => None,
        }
    }

    const FILE: [u8; BYTES] = file();

    // The compiler computes these, so that they hold wherever the file is checked.

    #[test]
    fn a_module_is_known_by_its_uuid_and_by_where_its_code_lies() {
        const IMAGE: Image = parse(&FILE).unwrap();
        const _: () = assert!(
            matches!(IMAGE.uuid, Some(uuid) if u128::from_le_bytes(uuid) == u128::from_le_bytes(*b"0123456789abcdef"))
        );
        const _: () = assert!(matches!(IMAGE.text, Some((0x1_0000_0000, 0x4000))));
        const _: () = assert!(matches!(length(&FILE), Some(BYTES)));
    }

    #[test]
    fn a_file_that_is_cut_off_anywhere_is_read_as_far_as_it_goes() {
        const _: () = assert!(cut(19).is_none() && cut(HEADER).is_some());
        const IN_UUID: Image = cut(BYTES - 1).unwrap();
        const _: () = assert!(IN_UUID.uuid.is_none() && IN_UUID.text.is_some());
        const IN_TEXT: Image = cut(104 + 39).unwrap();
        const _: () = assert!(IN_TEXT.uuid.is_none() && IN_TEXT.text.is_none());
    }

    #[test]
    fn a_command_without_a_length_is_not_read_for_ever() {
        const ENDLESS: [u8; BYTES] = {
            let mut file = FILE;
            put(&mut file, 16, &u32::MAX.to_le_bytes());
            put(&mut file, 36, &0u32.to_le_bytes());
            file
        };
        const IMAGE: Image = parse(&ENDLESS).unwrap();
        const _: () = assert!(IMAGE.uuid.is_none() && IMAGE.text.is_none());
    }

    #[test]
    fn bytes_that_are_no_module_are_none() {
        const _: () = assert!(parse(&[]).is_none() && parse(&[0; 64]).is_none());
    }
}
