//! The messages of an exception and their answers (`mach/message.h`, and what `mig` makes of the
//! kernel's `mach_exc.defs`: its structures are packed to four bytes).

use super::numbers::{half, whole};

/// Bytes that are received at most. A request has 84, and a trailer of the kernel's behind it.
pub(crate) const BYTES: usize = 512;
/// Bytes of an answer.
pub(crate) const ANSWER_BYTES: u32 = 36;

/// The thread that has crashed, as a message says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Thread {
    /// A right to control it.
    Port(u32),
    /// Its number, in the form with a protected identity.
    Number(u64),
}

/// An exception that waits for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) id: u32,
    /// Where the answer goes, and the kind of right that we have to it.
    pub(crate) answer_to: u32,
    pub(crate) right: u32,
    pub(crate) thread: Thread,
    /// The port of the task, or a token for it.
    pub(crate) task: u32,
    pub(crate) kind: i32,
    pub(crate) codes: [i64; 2],
}

/// Reads a message. `None` if it is no exception in one of the two forms that are asked for. They
/// are told apart by how many ports they carry.
pub(crate) const fn parse(bytes: &[u8]) -> Option<Request> {
    /// The first routine of `mach_exc.defs`, and room for those that it may have.
    const FIRST: u32 = 2405;
    const LAST: u32 = 2499;
    const COMPLEX: u32 = 0x8000_0000;
    const REMOTE: u32 = 0x1f;
    let (Some(bits), Some(answer_to), Some(id @ FIRST..=LAST), Some(ports), Some(first)) =
        (half(bytes, 0), half(bytes, 8), half(bytes, 20), half(bytes, 24), half(bytes, 28))
    else {
        return None;
    };
    if bits & COMPLEX == 0 {
        return None;
    }
    // The places of the kind, the count of codes and the codes.
    let (thread, task, kind, count, codes) = match (ports, half(bytes, 40), whole(bytes, 48)) {
        (1, _, Some(number)) => (Thread::Number(number), first, 56, 60, 64),
        (2, Some(task), _) => (Thread::Port(first), task, 60, 64, 68),
        _ => return None,
    };
    let (Some(kind), Some(count)) = (half(bytes, kind), half(bytes, count)) else { return None };
    let code = if count > 0 { whole(bytes, codes) } else { Some(0) };
    let second = if count > 1 { whole(bytes, usize::wrapping_add(codes, 8)) } else { Some(0) };
    let (Some(code), Some(second)) = (code, second) else { return None };
    Some(Request {
        id,
        answer_to,
        right: bits & REMOTE,
        thread,
        task,
        kind: kind as i32,
        codes: [code as i64, second as i64],
    })
}

/// The answer to a request: header, the form of its numbers, and a code. 0: the thread goes on.
/// Everything else: the kernel asks the next one.
pub(crate) const fn answer(id: u32, answer_to: u32, right: u32, code: u32) -> [u32; 9] {
    // The id of an answer is that of the request and 100. The seventh and eighth are an
    // `NDR_record_t`, which says: little endian, ASCII, IEEE.
    [right, ANSWER_BYTES, answer_to, 0, 0, id.wrapping_add(100), 0, 1, code]
}

#[cfg(test)]
#[allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "the compiler computes it, and would refuse it"
)]
mod tests {
    use super::*;

    const fn put<const N: usize>(mut message: [u8; N], words: &[(usize, u32)]) -> [u8; N] {
        let mut word = 0;
        while word < words.len() {
            let (at, value) = words[word];
            let value = value.to_le_bytes();
            let mut index = 0;
            while index < 4 {
                message[at + index] = value[index];
                index += 1;
            }
            word += 1;
        }
        message
    }

    const HEAD: [(usize, u32); 4] = [(0, 0x8000_1112), (4, 84), (8, 0x1203), (12, 0x0b03)];
    /// A null dereference of a thread whose port is 0x907.
    const OLD: [u8; 84] = put(
        put([0; 84], &HEAD),
        &[(20, 2405), (24, 2), (28, 0x907), (40, 0x203), (60, 1), (64, 2), (68, 1), (76, 16), (80, 1)],
    );
    /// The same of the thread with the number 0x1_0000_0007.
    const PROTECTED: [u8; 80] = put(
        put([0; 80], &HEAD),
        &[(20, 2408), (24, 1), (28, 0x705), (48, 7), (52, 1), (56, 1), (60, 2), (64, 1), (72, 16), (76, 1)],
    );

    const fn is(bytes: &[u8], id: u32, task: u32) -> bool {
        matches!(parse(bytes), Some(Request { id: i, answer_to: 0x1203, right: 0x12, task: t, kind: 1, codes: [1, 0x1_0000_0010], .. })
            if i == id && t == task)
    }

    const fn cut(bytes: &[u8], len: usize) -> Option<Request> {
        match bytes.split_at_checked(len) {
            Some((bytes, _)) => parse(bytes),
            None => None,
        }
    }

    // The compiler computes these, so that they hold wherever the file is checked.

    #[test]
    fn both_forms_name_the_thread_that_has_crashed() {
        const _: () = assert!(is(&OLD, 2405, 0x203));
        const _: () = assert!(matches!(parse(&OLD), Some(Request { thread: Thread::Port(0x907), .. })));
        const _: () = assert!(is(&PROTECTED, 2408, 0x705));
        const _: () = assert!(matches!(parse(&PROTECTED), Some(Request { thread: Thread::Number(0x1_0000_0007), .. })));
    }

    #[test]
    fn there_is_room_for_a_request_and_the_largest_trailer() {
        const TRAILER: usize = 68;
        const _: () = assert!(BYTES >= OLD.len() + TRAILER);
    }

    #[test]
    fn a_message_that_is_cut_off_or_of_somebody_else_is_not_answered() {
        const _: () = assert!(cut(&OLD, 83).is_none() && cut(&PROTECTED, 79).is_none() && cut(&OLD, 0).is_none());
        const _: () = assert!(parse(&put(OLD, &[(20, 71)])).is_none());
        const _: () = assert!(parse(&put(OLD, &[(0, 0x12)])).is_none());
        const _: () = assert!(parse(&put(OLD, &[(24, 3)])).is_none());
    }

    #[test]
    fn an_answer_goes_back_by_the_right_that_came_with_the_request() {
        const ANSWER: [u32; 9] = answer(2405, 0x1203, 0x12, 5);
        const _: () = assert!(matches!(ANSWER, [0x12, 36, 0x1203, 0, 0, 2505, 0, 1, 5]));
        const _: () = assert!(size_of_val(&ANSWER) == ANSWER_BYTES as usize);
    }
}
