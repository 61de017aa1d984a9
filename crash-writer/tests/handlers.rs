//! Handlers of other people around ours. Each test forks a process that does what they do.
#![cfg(any(target_os = "linux", target_os = "android"))]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::undocumented_unsafe_blocks,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test, whose processes are to die of signals"
)]

use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicUsize, Ordering};

use throughline_crash_writer::layout::{FILE_BYTES, MODULE_BYTES, MODULES, MODULES_AT, SLOT_AT, module, slot};
use throughline_crash_writer::{RunFile, Verdict, flags, install, uninstall};

type Handler = extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void);

/// What came of a process: how it ended, and its run file.
struct End {
    status: c_int,
    file: *const u8,
}

impl End {
    fn signal(&self) -> Option<c_int> {
        libc::WIFSIGNALED(self.status).then(|| libc::WTERMSIG(self.status))
    }

    fn half(&self, slot: usize, part: usize) -> u32 {
        unsafe { self.file.add(SLOT_AT[slot] + part).cast::<u32>().read_volatile() }
    }

    /// The verdicts on the slots, and the signals in them.
    fn verdicts(&self) -> [u32; 4] {
        [0, 1, 2, 3].map(|at| self.half(at, slot::VERDICT))
    }

    fn confirmed(&self) -> Vec<u32> {
        let slots = (0..4).filter(|at| self.half(*at, slot::VERDICT) == Verdict::Confirmed as u32);
        slots.map(|at| self.half(at, slot::REGISTERS + 8)).collect()
    }
}

/// Runs a process with a run file that is not yet armed.
fn run(child: impl FnOnce(&RunFile)) -> End {
    unsafe {
        let file = libc::memfd_create(c"run".as_ptr(), 0);
        assert_eq!(libc::ftruncate(file, FILE_BYTES as i64), 0);
        let seen = libc::mmap(std::ptr::null_mut(), FILE_BYTES, libc::PROT_READ, libc::MAP_SHARED, file, 0);
        let id = libc::fork();
        assert!(id >= 0);
        if id == 0 {
            let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
            libc::setrlimit(libc::RLIMIT_CORE, &raw const none);
            // A process that does not end is a failure too.
            libc::alarm(20);
            let Some(mapped) = RunFile::map(file, [1; 16], b"") else { libc::_exit(9) };
            child(&mapped);
            libc::_exit(0);
        }
        let mut status = 0;
        assert_eq!(libc::waitpid(id, &raw mut status, 0), id);
        libc::close(file);
        End { status, file: seen.cast() }
    }
}

fn handle(signal: c_int, handler: Handler) -> libc::sigaction {
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        let mut before: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, &raw const action, &raw mut before);
        before
    }
}

static GUARDED: AtomicUsize = AtomicUsize::new(0);
/// The handler over which another SDK has come, and where it passes everything on to.
static BELOW: AtomicUsize = AtomicUsize::new(0);

/// A page that cannot be written, as a garbage collector makes one to learn who writes.
fn guarded_page() -> *mut u32 {
    let page =
        unsafe { libc::mmap(std::ptr::null_mut(), 4096, libc::PROT_READ, libc::MAP_PRIVATE | libc::MAP_ANON, -1, 0) };
    GUARDED.store(page as usize, Ordering::SeqCst);
    page.cast()
}

/// The collector's handler: it lets the page be written and returns.
extern "C" fn barrier(_: c_int, _: *mut libc::siginfo_t, _: *mut c_void) {
    let page = GUARDED.load(Ordering::SeqCst) as *mut c_void;
    if unsafe { libc::mprotect(page, 4096, libc::PROT_READ | libc::PROT_WRITE) } != 0 {
        unsafe { libc::_exit(8) };
    }
}

/// Another SDK, which passes on what it sees.
extern "C" fn passes_on(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    let below: Handler = unsafe { std::mem::transmute(BELOW.load(Ordering::SeqCst)) };
    below(signal, info, context);
}

fn begin(file: &RunFile) {
    file.arm();
    assert!(install());
}

#[test]
fn a_write_barrier_that_is_hit_again_at_once_is_no_crash() {
    let end = run(|file| {
        handle(libc::SIGSEGV, barrier);
        begin(file);
        let page = guarded_page();
        for _ in 0..100 {
            unsafe {
                libc::mprotect(page.cast(), 4096, libc::PROT_READ);
                page.write_volatile(1);
            }
        }
        // A phone ends apps in this way.
        unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
    });
    assert_eq!(end.signal(), Some(libc::SIGKILL));
    assert_eq!(end.confirmed(), [], "a crash was invented: {:?}", end.verdicts());
}

#[test]
fn a_write_barrier_below_another_sdk_above_us_is_no_crash() {
    let end = run(|file| {
        handle(libc::SIGSEGV, barrier);
        begin(file);
        let below = handle(libc::SIGSEGV, passes_on);
        BELOW.store(below.sa_sigaction, Ordering::SeqCst);
        let page = guarded_page();
        unsafe {
            page.write_volatile(1);
            libc::kill(libc::getpid(), libc::SIGKILL);
        }
    });
    assert_eq!(end.signal(), Some(libc::SIGKILL));
    assert_eq!(end.confirmed(), [], "a crash was invented: {:?}", end.verdicts());
}

#[test]
fn off_and_on_again_below_another_sdk_does_not_make_the_handlers_call_each_other_for_ever() {
    let end = run(|file| {
        begin(file);
        let below = handle(libc::SIGFPE, passes_on);
        BELOW.store(below.sa_sigaction, Ordering::SeqCst);
        uninstall();
        install();
        uninstall();
        let another = unsafe { libc::fork() };
        if another == 0 {
            // There is no file for a forked child: everything is passed on.
            unsafe { libc::raise(libc::SIGFPE) };
        }
        let mut status = 0;
        unsafe {
            libc::waitpid(another, &raw mut status, 0);
            libc::_exit(if libc::WIFSIGNALED(status) { libc::WTERMSIG(status) } else { 100 });
        }
    });
    assert_eq!(libc::WEXITSTATUS(end.status), libc::SIGFPE, "it died of another signal");
}

extern "C" fn ends_the_thread(_: c_int, _: *mut libc::siginfo_t, _: *mut c_void) {
    // The thread is gone and its handler has not returned, as after `longjmp` and `pthread_exit`.
    unsafe { libc::syscall(libc::SYS_exit, 0usize) };
}

extern "C" fn faults(_: *mut c_void) -> *mut c_void {
    unsafe { std::ptr::without_provenance_mut::<u32>(8).write_volatile(1) };
    std::ptr::null_mut()
}

#[test]
fn a_crash_is_written_after_three_threads_left_the_handler_and_ended() {
    let end = run(|file| {
        handle(libc::SIGSEGV, ends_the_thread);
        begin(file);
        for _ in 0..3 {
            unsafe {
                let mut thread: libc::pthread_t = std::mem::zeroed();
                libc::pthread_create(&raw mut thread, std::ptr::null(), faults, std::ptr::null_mut());
                libc::pthread_join(thread, std::ptr::null_mut());
            }
        }
        unsafe { libc::raise(libc::SIGFPE) };
    });
    assert_eq!(end.signal(), Some(libc::SIGFPE));
    assert_eq!(end.confirmed(), [libc::SIGFPE as u32], "the crash is lost: {:?}", end.verdicts());
    assert_eq!(end.half(0, slot::REGISTERS + 8), libc::SIGFPE as u32, "the crash has not the large slot");
}

#[test]
fn an_ignored_abort_that_was_survived_is_no_crash() {
    let end = run(|file| unsafe {
        libc::signal(libc::SIGABRT, libc::SIG_IGN);
        begin(file);
        libc::raise(libc::SIGABRT);
        // `abort` would have ended the process at once.
        libc::usleep(1_200_000);
        file.expire();
        libc::kill(libc::getpid(), libc::SIGKILL);
    });
    assert_eq!(end.signal(), Some(libc::SIGKILL));
    assert_eq!(end.verdicts(), [Verdict::Survived as u32, 0, 0, 0], "a crash was invented");
}

/// Bytes of the instruction that faults, to step over.
#[cfg(target_arch = "x86_64")]
const STORE_BYTES: i64 = 6;

#[cfg(target_arch = "x86_64")]
extern "C" fn steps_over(_: c_int, _: *mut libc::siginfo_t, context: *mut c_void) {
    let context = unsafe { &mut *context.cast::<libc::ucontext_t>() };
    context.uc_mcontext.gregs[libc::REG_RIP as usize] += STORE_BYTES;
}

#[cfg(target_arch = "x86_64")]
fn store_to_nowhere() {
    // `mov dword ptr [rax], 1` has six bytes.
    unsafe { std::arch::asm!("mov dword ptr [rax], 1", in("rax") 8usize) };
}

/// Code that is in no module, as a virtual machine makes it: the store of [`store_to_nowhere`].
#[cfg(target_arch = "x86_64")]
fn made_code() -> extern "C" fn() {
    // mov eax, 8; mov dword ptr [rax], 1; ret
    const CODE: [u8; 12] = [0xb8, 8, 0, 0, 0, 0xc7, 0, 1, 0, 0, 0, 0xc3];
    unsafe {
        let all = libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC;
        let page = libc::mmap(std::ptr::null_mut(), 4096, all, libc::MAP_PRIVATE | libc::MAP_ANON, -1, 0);
        std::ptr::copy_nonoverlapping(CODE.as_ptr(), page.cast(), CODE.len());
        std::mem::transmute(page)
    }
}

/// The handler of a virtual machine: the first fault is one of its own, the second a crash.
#[cfg(target_arch = "x86_64")]
extern "C" fn recovers_once(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    if CALLS.fetch_add(1, Ordering::SeqCst) == 0 { steps_over(signal, info, context) } else { std::process::abort() }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn a_crash_where_a_virtual_machine_recovers_from_faults_has_its_stack() {
    let end = run(|file| {
        handle(libc::SIGSEGV, recovers_once);
        begin(file);
        let code = made_code();
        code();
        assert_eq!(file_half(file, slot::VERDICT), Verdict::None as u32);
        code();
    });
    assert_eq!(end.signal(), Some(libc::SIGABRT));
    assert_eq!(end.confirmed(), [libc::SIGSEGV as u32], "one crash, with the first reason: {:?}", end.verdicts());
    assert_eq!(end.half(0, slot::FLAGS) & flags::MERGED, flags::MERGED);
    assert!(end.half(0, slot::STACK_PAGES) > 0, "there is no stack");
    assert!(end.half(0, slot::FRAMES + 4) > 1, "there is no caller");
}

#[cfg(target_arch = "x86_64")]
#[test]
fn a_crash_where_a_virtual_machine_recovers_from_faults_is_kept_if_it_ends_without_a_signal() {
    extern "C" fn recovers_or_exits(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
        static CALLS: AtomicUsize = AtomicUsize::new(0);
        if CALLS.fetch_add(1, Ordering::SeqCst) == 0 {
            steps_over(signal, info, context);
        } else {
            unsafe { libc::_exit(1) }
        }
    }
    let end = run(|file| {
        handle(libc::SIGSEGV, recovers_or_exits);
        begin(file);
        let code = made_code();
        code();
        code();
    });
    assert_eq!(libc::WEXITSTATUS(end.status), 1);
    assert_eq!(end.verdicts(), [Verdict::Provisional as u32, 0, 0, 0]);
    assert_eq!(end.half(0, slot::REGISTERS + 8), libc::SIGSEGV as u32);
}

/// A virtual machine that looks what it can read while it decides, which faults, and then writes a
/// report and aborts.
#[cfg(target_arch = "x86_64")]
extern "C" fn tries_memory(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    static DEPTH: AtomicUsize = AtomicUsize::new(0);
    if DEPTH.load(Ordering::SeqCst) == 1 {
        return steps_over(signal, info, context);
    }
    DEPTH.store(1, Ordering::SeqCst);
    unsafe {
        let mut faults: libc::sigset_t = std::mem::zeroed();
        libc::sigaddset(&raw mut faults, libc::SIGSEGV);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const faults, std::ptr::null_mut());
    }
    (0..3).for_each(|_| store_to_nowhere());
    DEPTH.store(2, Ordering::SeqCst);
    if HAS_RECOVERED.load(Ordering::SeqCst) == 0 {
        std::process::abort();
    }
    steps_over(signal, info, context);
    DEPTH.store(0, Ordering::SeqCst);
}

/// Whether that virtual machine recovers in the end.
static HAS_RECOVERED: AtomicUsize = AtomicUsize::new(0);

#[cfg(target_arch = "x86_64")]
#[test]
fn a_handler_that_tries_memory_before_it_decides_may_decide() {
    let end = run(|file| {
        handle(libc::SIGSEGV, tries_memory);
        begin(file);
        store_to_nowhere();
    });
    assert_eq!(end.signal(), Some(libc::SIGABRT), "it ends in another way than without us");
    assert_eq!(end.confirmed(), [libc::SIGSEGV as u32], "{:?}", end.verdicts());
    let recovers = run(|file| {
        HAS_RECOVERED.store(1, Ordering::SeqCst);
        handle(libc::SIGSEGV, tries_memory);
        begin(file);
        store_to_nowhere();
        unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
    });
    assert_eq!(recovers.signal(), Some(libc::SIGKILL));
    assert_eq!(recovers.verdicts(), [0; 4], "a crash was invented");
}

/// The modules of a run file: the end of a path, the bias, and the build id.
fn modules(end: &End) -> Vec<(String, u64, Vec<u8>)> {
    let entries = (0..MODULES).map(|index| unsafe { end.file.add(MODULES_AT + index * MODULE_BYTES) });
    let bytes = |at: *const u8, len: usize| unsafe { std::slice::from_raw_parts(at, len) }.to_vec();
    let entries = entries.take_while(|at| unsafe { at.add(module::END).cast::<u64>().read() } != 0);
    entries
        .map(|at| {
            let len = |part: usize| unsafe { at.add(part).read() } as usize;
            let path = unsafe { bytes(at.add(module::PATH), len(module::PATH_LEN)) };
            let build_id = unsafe { bytes(at.add(module::BUILD_ID), len(module::BUILD_ID_LEN)) };
            (String::from_utf8(path).unwrap(), unsafe { at.add(module::BIAS).cast::<u64>().read() }, build_id)
        })
        .collect()
}

#[test]
fn a_library_that_was_loaded_just_before_it_crashed_is_known() {
    // Of the libraries that the system has, one that no test program loads by itself.
    const NAME: &str = "libthread_db.so.1";
    let end = run(|file| {
        begin(file);
        unsafe {
            let library = libc::dlopen(c"libthread_db.so.1".as_ptr(), libc::RTLD_NOW);
            if library.is_null() {
                libc::_exit(77);
            }
            libc::raise(libc::SIGFPE);
        }
    });
    if libc::WIFEXITED(end.status) && libc::WEXITSTATUS(end.status) == 77 {
        eprintln!("SKIPPED: there is no {NAME}");
        return;
    }
    assert_eq!(end.signal(), Some(libc::SIGFPE));
    let found = modules(&end);
    // As the dynamic linker says it, in a process that asks it.
    let again = run(|file| unsafe {
        libc::dlopen(c"libthread_db.so.1".as_ptr(), libc::RTLD_NOW);
        file.refresh_modules();
        libc::_exit(0);
    });
    let by_linker = modules(&again);
    let of = |all: &[(String, u64, Vec<u8>)]| all.iter().find(|(path, ..)| path.contains("libthread_db")).cloned();
    let (ours, linkers) = (of(&found).expect("it is missing"), of(&by_linker).unwrap());
    assert_eq!((ours.1 % 4096, &ours.2), (linkers.1 % 4096, &linkers.2), "its bias and its build id");
    assert!(!ours.2.is_empty());
    let twice = found.iter().filter(|(path, ..)| path.contains("libc.so")).count();
    assert_eq!(twice, 1, "what was known is entered again: {found:?}");
}

/// The run file of the process, for a handler.
static RUN_FILE: AtomicUsize = AtomicUsize::new(0);

fn file_half(file: &RunFile, part: usize) -> u32 {
    unsafe { (file.range().0 as *const u8).add(SLOT_AT[0] + part).cast::<u32>().read_volatile() }
}

#[test]
fn a_virtual_machine_that_writes_its_own_report_for_long_before_it_aborts_has_one_crash() {
    extern "C" fn reports_for_long(_: c_int, _: *mut libc::siginfo_t, _: *mut c_void) {
        let file = unsafe { &*(RUN_FILE.load(Ordering::SeqCst) as *const RunFile) };
        // The client's thread looks around meanwhile, an hour later.
        file.expire_at(u64::MAX / 2);
        assert_eq!(file_half(file, slot::VERDICT), Verdict::Survived as u32);
        std::process::abort();
    }
    let end = run(|file| {
        handle(libc::SIGSEGV, reports_for_long);
        RUN_FILE.store(std::ptr::from_ref(file) as usize, Ordering::SeqCst);
        begin(file);
        faults(std::ptr::null_mut());
    });
    assert_eq!(end.signal(), Some(libc::SIGABRT));
    assert_eq!(end.confirmed(), [libc::SIGSEGV as u32], "the crash is lost: {:?}", end.verdicts());
}

#[cfg(target_arch = "x86_64")]
#[test]
fn a_handler_that_wanted_to_be_called_once_does_not_take_ours_with_it() {
    let end = run(|file| {
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = steps_over as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_RESETHAND;
            libc::sigaction(libc::SIGSEGV, &raw const action, std::ptr::null_mut());
        }
        begin(file);
        store_to_nowhere();
        store_to_nowhere();
    });
    assert_eq!(end.signal(), Some(libc::SIGSEGV), "the second fault was to end it");
    assert_eq!(end.confirmed(), [libc::SIGSEGV as u32], "the crash is lost: {:?}", end.verdicts());
}

#[test]
fn a_forked_child_does_not_write_into_its_parents_file() {
    let end = run(|file| {
        begin(file);
        unsafe {
            let child = libc::fork();
            if child == 0 {
                faults(std::ptr::null_mut());
            }
            let mut status = 0;
            libc::waitpid(child, &raw mut status, 0);
            let died = libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGSEGV;
            libc::_exit(if died { 0 } else { 1 });
        }
    });
    assert!(libc::WIFEXITED(end.status) && libc::WEXITSTATUS(end.status) == 0, "the child ended otherwise");
    assert_eq!(end.verdicts(), [0; 4], "the parent has not crashed");
}
