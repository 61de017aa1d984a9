//! A crash in words.

use std::fmt::Write;

use super::unwind::{Frame, Method};
use crate::storage::crash::{Crash, Module};

/// The name of a signal.
pub(super) fn signal(number: i32) -> String {
    let name = match number {
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGBUS => "SIGBUS",
        libc::SIGFPE => "SIGFPE",
        libc::SIGILL => "SIGILL",
        libc::SIGTRAP => "SIGTRAP",
        libc::SIGABRT => "SIGABRT",
        libc::SIGSYS => "SIGSYS",
        other => return format!("signal {other}"),
    };
    name.to_owned()
}

/// Why a signal was raised, by the name that the system's headers give it: `sigaction(2)`.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn code(signal: i32, code: i32) -> Option<&'static str> {
    Some(match (signal, code) {
        (_, 0) => "SI_USER",
        (_, 0x80) => "SI_KERNEL",
        (_, -1) => "SI_QUEUE",
        (_, -6) => "SI_TKILL",
        (libc::SIGSEGV, 1) => "SEGV_MAPERR",
        (libc::SIGSEGV, 2) => "SEGV_ACCERR",
        (libc::SIGSEGV, 3) => "SEGV_BNDERR",
        (libc::SIGSEGV, 4) => "SEGV_PKUERR",
        (libc::SIGSEGV, 8) => "SEGV_MTEAERR",
        (libc::SIGSEGV, 9) => "SEGV_MTESERR",
        (libc::SIGBUS, 1) => "BUS_ADRALN",
        (libc::SIGBUS, 2) => "BUS_ADRERR",
        (libc::SIGBUS, 3) => "BUS_OBJERR",
        (libc::SIGFPE, 1) => "FPE_INTDIV",
        (libc::SIGFPE, 2) => "FPE_INTOVF",
        (libc::SIGFPE, 3) => "FPE_FLTDIV",
        (libc::SIGILL, 1) => "ILL_ILLOPC",
        (libc::SIGILL, 2) => "ILL_ILLOPN",
        (libc::SIGTRAP, 1) => "TRAP_BRKPT",
        (libc::SIGTRAP, 2) => "TRAP_TRACE",
        (libc::SIGSYS, 1) => "SYS_SECCOMP",
        _ => return None,
    })
}

/// Why a signal was raised. Other systems have other numbers.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn code(_: i32, _: i32) -> Option<&'static str> {
    None
}

/// Whether the signal is that of a processor that refused to go on, with an address.
pub(super) fn has_address(crash: &Crash) -> bool {
    crash.code > 0 && matches!(crash.signal, libc::SIGSEGV | libc::SIGBUS | libc::SIGFPE | libc::SIGILL)
}

/// What happened, in a sentence.
pub(super) fn message(crash: &Crash) -> String {
    let mut text = match crash.signal {
        libc::SIGSEGV if crash.code == 2 => "The memory must not be accessed in this way".to_owned(),
        libc::SIGSEGV => "There is no memory at the address".to_owned(),
        libc::SIGBUS => "The memory at the address cannot be reached".to_owned(),
        libc::SIGFPE => "A number was divided by zero, or a result is out of range".to_owned(),
        libc::SIGILL => "The program stopped at a trap, or the processor does not know the instruction".to_owned(),
        libc::SIGTRAP => "The program stopped at a trap".to_owned(),
        libc::SIGABRT => "The program ended itself".to_owned(),
        libc::SIGSYS => "The program made a system call that it is not permitted".to_owned(),
        other => format!("The program received the signal {other}"),
    };
    if crash.code <= 0 && crash.signal != libc::SIGABRT {
        text = match crash.sender {
            sender if sender == crash.process => "The program sent the signal to itself".to_owned(),
            sender => format!("Process {sender} sent the signal"),
        };
    } else if has_address(crash) && matches!(crash.signal, libc::SIGSEGV | libc::SIGBUS) {
        let _ = write!(text, " {}", address(crash.address));
    }
    text
}

/// An address as it is written.
pub(super) fn address(address: u64) -> String {
    format!("0x{address:x}")
}

/// The stack, a line for each frame, in the form of Android's tombstones.
pub(super) fn stack(frames: &[Frame], modules: &[Module]) -> String {
    let mut text = String::with_capacity(frames.len() * 96);
    for (number, frame) in frames.iter().enumerate() {
        if number > 0 {
            text.push('\n');
        }
        let _ = match modules.iter().find(|module| module.contains(frame.address)) {
            Some(module) => write!(
                text,
                "#{number:02} pc {:016x}  {} ({}) [{}]",
                frame.address.wrapping_sub(module.bias),
                module.name(),
                build_id(module),
                frame.method.word(),
            ),
            None => write!(text, "#{number:02} pc {:016x}  <unknown> [{}]", frame.address, frame.method.word()),
        };
    }
    text
}

fn build_id(module: &Module) -> String {
    if module.build_id.is_empty() {
        return "no BuildId".to_owned();
    }
    let mut text = "BuildId: ".to_owned();
    for byte in &module.build_id {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// How the frames were found, in a word for the whole stack.
pub(super) fn unwinding(frames: &[Frame]) -> &'static str {
    let has = |method: Method| frames.iter().any(|frame| frame.method == method);
    if has(Method::Tables) {
        "cfi"
    } else if has(Method::FramePointers) {
        "frame_pointers"
    } else {
        "registers"
    }
}
