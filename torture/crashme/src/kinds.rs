//! The ways to crash. Each of them is a function of its own that is not inlined, so that it has a
//! frame.

use std::ffi::c_void;
use std::hint::black_box;

use clap::ValueEnum;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Writes to address 8.
    NullWrite,
    /// Reads address 8.
    NullRead,
    /// Reads an address far above everything.
    High,
    /// Writes into its own code.
    WriteText,
    /// Reads a mapped file behind its end.
    PastEnd,
    /// Divides by zero.
    Divide,
    /// Executes an instruction that is none.
    Illegal,
    /// Stops at a breakpoint.
    Trap,
    /// Calls `abort`.
    Abort,
    /// Frees memory twice.
    DoubleFree,
    /// Panics where a panic cannot unwind.
    Panic,
    /// Calls itself for ever.
    Overflow,
    /// Calls address 0.
    JumpNull,
    /// Overwrites its frame pointer and what it returns to.
    Smash,
    /// Makes a system call that its filter forbids.
    Forbidden,
    /// Another process's `kill -SEGV`, sent by itself.
    Sent,
}

/// Crashes.
#[inline(never)]
pub fn crash(kind: Kind) {
    match kind {
        Kind::NullWrite => null_write(),
        Kind::NullRead => null_read(),
        Kind::High => high(),
        Kind::WriteText => write_text(),
        Kind::PastEnd => past_end(),
        Kind::Divide => divide(),
        Kind::Illegal => illegal(),
        Kind::Trap => trap(),
        Kind::Abort => abort(),
        Kind::DoubleFree => double_free(),
        Kind::Panic => panic_in_c(),
        Kind::Overflow => {
            overflow(1);
        }
        Kind::JumpNull => jump_null(),
        Kind::Smash => smash(),
        Kind::Forbidden => forbidden(),
        Kind::Sent => sent(),
    }
    // So that no call above is the last thing of this function, which would replace its frame.
    black_box(kind);
}

#[inline(never)]
fn null_write() {
    // SAFETY: none, here and below: these are crashes.
    unsafe { black_box(8 as *mut u32).write_volatile(1) };
    black_box(());
}

#[inline(never)]
fn null_read() {
    black_box(unsafe { black_box(8 as *const u32).read_volatile() });
}

#[inline(never)]
fn high() {
    black_box(unsafe { black_box(0x7f00_dead_beef_0000_u64 as *const u32).read_volatile() });
}

#[inline(never)]
fn write_text() {
    unsafe { black_box(write_text as *const () as *mut u32).write_volatile(1) };
    black_box(());
}

#[inline(never)]
fn past_end() {
    unsafe {
        let file = libc::memfd_create(c"past-end".as_ptr(), 0);
        let at = libc::mmap(std::ptr::null_mut(), 4096, libc::PROT_READ, libc::MAP_SHARED, file, 0);
        black_box(at.cast::<u32>().read_volatile());
    }
}

#[inline(never)]
fn divide() {
    #[cfg(target_arch = "x86_64")]
    unsafe {
        std::arch::asm!("xor ecx, ecx", "mov eax, 1", "xor edx, edx", "div ecx", out("ecx") _, out("eax") _, out("edx") _);
    }
    #[cfg(not(target_arch = "x86_64"))]
    unsafe {
        libc::raise(libc::SIGFPE);
    }
}

#[inline(never)]
fn illegal() {
    #[cfg(target_arch = "x86_64")]
    unsafe {
        std::arch::asm!("ud2");
    }
    #[cfg(target_arch = "aarch64")]
    unsafe {
        std::arch::asm!("udf #0");
    }
}

#[inline(never)]
fn trap() {
    #[cfg(target_arch = "x86_64")]
    unsafe {
        std::arch::asm!("int3");
    }
    #[cfg(target_arch = "aarch64")]
    unsafe {
        std::arch::asm!("brk #0");
    }
    black_box(());
}

#[inline(never)]
fn abort() {
    unsafe { libc::abort() };
}

#[inline(never)]
fn double_free() {
    unsafe {
        let at = black_box(libc::malloc(64));
        libc::free(at);
        libc::free(black_box(at));
    }
    black_box(());
}

#[inline(never)]
extern "C" fn panic_in_c() {
    panic!("a panic that cannot unwind");
}

#[inline(never)]
#[allow(unconditional_recursion)]
fn overflow(depth: u64) -> u64 {
    let local = black_box([depth; 32]);
    overflow(depth + 1) + local[(depth % 32) as usize]
}

#[inline(never)]
fn jump_null() {
    let nowhere: extern "C" fn() =
        unsafe { std::mem::transmute(black_box(std::ptr::null::<c_void>().wrapping_add(0x10))) };
    nowhere();
    black_box(());
}

#[inline(never)]
fn smash() {
    #[cfg(target_arch = "x86_64")]
    unsafe {
        // The frame pointer leads nowhere, and the words that are returned to are overwritten.
        std::arch::asm!(
            "mov rax, 0x4141414141414141",
            "mov [rsp], rax",
            "mov [rsp + 8], rax",
            "mov [rsp + 16], rax",
            "mov [rsp + 24], rax",
            "mov rbp, rax",
            "mov [rax], rax",
            options(noreturn)
        );
    }
    #[cfg(not(target_arch = "x86_64"))]
    null_write();
}

/// Forbids a system call that nobody makes otherwise, and makes it.
#[inline(never)]
fn forbidden() {
    const LOAD_NUMBER: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let mut program = [
        step(LOAD_NUMBER, 0, 0, 0),
        step(IF_EQUAL, 0, 1, libc::SYS_swapon as u32),
        step(RETURN, 0, 0, libc::SECCOMP_RET_TRAP),
        step(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1usize, 0usize, 0usize, 0usize);
        let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
        libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER as usize, &raw const program);
        libc::syscall(libc::SYS_swapon, 0usize, 0usize);
    }
    black_box(());
}

#[inline(never)]
fn sent() {
    unsafe {
        libc::kill(libc::getpid(), libc::SIGSEGV);
        // The kernel may choose another thread, which takes a moment.
        for _ in 0..50 {
            libc::usleep(1000);
        }
    }
}
