//! The handlers that are there before the client's.

use std::ffi::{c_int, c_void};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};

use clap::ValueEnum;
use throughline_crash_writer::SIGNALS;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Chain {
    /// The one of Rust's standard library, which looks for stack overflows; else none.
    None,
    /// One that wants to know everything.
    Info,
    /// One that was installed with `signal`.
    Plain,
    /// The signals are ignored.
    Ignore,
    /// One of another SDK's. It asks who was before it, and installs itself once more after us.
    Again,
}

/// Installs what is to be there before the client.
pub fn install(chain: Chain) {
    for signal in SIGNALS {
        // SAFETY: zero is valid for every field; the handlers are functions of the right types.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            match chain {
                Chain::None => continue,
                Chain::Info => {
                    action.sa_sigaction = with_info as *const () as usize;
                    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
                }
                Chain::Plain => {
                    action.sa_sigaction = plain as *const () as usize;
                    action.sa_flags = libc::SA_ONSTACK;
                }
                Chain::Ignore => action.sa_sigaction = libc::SIG_IGN,
                Chain::Again => {
                    action.sa_sigaction = asking as *const () as usize;
                    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
                }
            }
            libc::sigaction(signal, &raw const action, std::ptr::null_mut());
        }
    }
}

/// Bytes of the roomy alternate stack.
pub const ROOM: usize = 64 * 1024;
/// What it is filled with.
pub const PAINT: u8 = 0xa5;
/// Where it is; 0 when there is none.
pub static STACK: AtomicUsize = AtomicUsize::new(0);

/// How many bytes of the alternate stack have been used: by the kernel, by the handlers before this
/// one, and by this function. 0 when there is none.
#[inline(never)]
fn used() -> usize {
    let at = STACK.load(Ordering::SeqCst);
    if at == 0 {
        return 0;
    }
    // SAFETY: the memory is never freed.
    let untouched = (0..ROOM).take_while(|place| unsafe { (at as *const u8).add(*place).read_volatile() } == PAINT);
    ROOM - untouched.count()
}

/// A text that needs no allocation.
struct Line {
    bytes: [u8; 128],
    len: usize,
}

impl std::fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for byte in text.bytes() {
            let Some(place) = self.bytes.get_mut(self.len) else { return Err(std::fmt::Error) };
            *place = byte;
            self.len += 1;
        }
        Ok(())
    }
}

impl Line {
    fn say(text: std::fmt::Arguments<'_>) {
        let mut line = Line { bytes: [0; 128], len: 0 };
        let _ = line.write_fmt(text);
        // SAFETY: the bytes are ours.
        unsafe { libc::write(1, line.bytes.as_ptr().cast(), line.len) };
    }
}

extern "C" fn with_info(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: what the kernel hands over.
    let (address, code, pc) = unsafe {
        let context = &*context.cast::<libc::ucontext_t>();
        #[cfg(target_arch = "x86_64")]
        let pc = context.uc_mcontext.gregs[libc::REG_RIP as usize];
        #[cfg(target_arch = "aarch64")]
        let pc = context.uc_mcontext.pc;
        ((*info).si_addr() as usize, (*info).si_code, pc)
    };
    // What differs between two runs is left out: where code and stacks lie, and who has sent it.
    let address = if code > 0 && address < 0x10000 { address } else { 0 };
    // First, because printing takes more.
    let used = used();
    Line::say(format_args!("before: signal {signal} code {code} address {address:x} pc {}\n", pc != 0));
    Line::say(format_args!("stack: {used}\n"));
    end(signal);
}

/// What was there when the other SDK installed itself for the second time.
static BEFORE: [AtomicUsize; SIGNALS.len()] = [const { AtomicUsize::new(0) }; SIGNALS.len()];

/// Installs the other SDK once more, on top of what is there now.
pub fn install_again(chain: Chain) {
    if chain != Chain::Again {
        return;
    }
    for (signal, kept) in SIGNALS.into_iter().zip(&BEFORE) {
        // SAFETY: as above.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = asking as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            let mut before: libc::sigaction = std::mem::zeroed();
            libc::sigaction(signal, &raw const action, &raw mut before);
            if before.sa_sigaction != action.sa_sigaction {
                kept.store(before.sa_sigaction, Ordering::SeqCst);
            }
        }
    }
}

extern "C" fn asking(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    Line::say(format_args!("asked\n"));
    let at = SIGNALS.iter().position(|known| *known == signal).unwrap_or(0);
    let before = BEFORE[at].load(Ordering::SeqCst);
    if before != 0 {
        // SAFETY: it was registered with `SA_SIGINFO`.
        let before: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) = unsafe { std::mem::transmute(before) };
        return before(signal, info, context);
    }
    end(signal);
}

extern "C" fn plain(signal: c_int) {
    Line::say(format_args!("before: signal {signal}\n"));
    end(signal);
}

/// Dies of the signal, as handlers do.
fn end(signal: c_int) {
    // SAFETY: as the manual pages ask for.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
}
