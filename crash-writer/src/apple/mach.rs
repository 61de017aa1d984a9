//! What `libc` does not declare of Mach and of the dynamic linker, or has marked as old in favour
//! of a crate that we do without. The header of each is named.

use core::ffi::{c_char, c_int, c_void};

use libc::{kern_return_t, mach_msg_type_number_t, mach_port_t, natural_t};

/// `mach/kern_return.h`.
pub(crate) const KERN_SUCCESS: kern_return_t = 0;
pub(crate) const KERN_INVALID_ARGUMENT: kern_return_t = 4;
pub(crate) const KERN_FAILURE: kern_return_t = 5;

/// `mach/port.h`.
pub(crate) const PORT_NULL: mach_port_t = 0;
pub(crate) const RIGHT_RECEIVE: natural_t = 1;

/// `mach/message.h`.
pub(crate) const TYPE_MAKE_SEND: u32 = 20;
pub(crate) const SEND: i32 = 1;
pub(crate) const RECEIVE: i32 = 2;
pub(crate) const NO_TIMEOUT: u32 = 0;

/// `mach/exception_types.h`.
pub(crate) const IDENTITY: c_int = 1;
pub(crate) const IDENTITY_PROTECTED: c_int = 4;
pub(crate) const CODES: c_int = 0x8000_0000_u32 as c_int;
/// `EXC_TYPES_COUNT`: how many ports a task can have for exceptions.
pub(crate) const KINDS: usize = 14;

/// The registers of a thread (`mach/arm/thread_status.h`), their number, and the number of none.
#[cfg(target_arch = "aarch64")]
pub(crate) type State = libc::__darwin_arm_thread_state64;
#[cfg(target_arch = "aarch64")]
pub(crate) const STATE: c_int = 6;
#[cfg(target_arch = "aarch64")]
pub(crate) const NO_STATE: c_int = 5;

/// The registers of a thread (`mach/i386/thread_status.h`), their number, and the number of none.
#[cfg(target_arch = "x86_64")]
pub(crate) type State = libc::__darwin_x86_thread_state64;
#[cfg(target_arch = "x86_64")]
pub(crate) const STATE: c_int = 4;
#[cfg(target_arch = "x86_64")]
pub(crate) const NO_STATE: c_int = 13;

/// How many words of four bytes the registers have.
pub(crate) const STATE_COUNT: mach_msg_type_number_t = (size_of::<State>() / 4) as mach_msg_type_number_t;

/// `sys/sysctl.h` and `sys/proc.h`: the length of a `kinfo_proc`, the place of `kp_proc.p_flag` in
/// it, and the flag of a process with a debugger.
pub(crate) const PROCESS_BYTES: usize = 648;
pub(crate) const PROCESS_FLAGS: usize = 32;
pub(crate) const TRACED: u32 = 0x800;

#[cfg(target_arch = "aarch64")]
const _: () = assert!(STATE_COUNT == 68);
#[cfg(target_arch = "x86_64")]
const _: () = assert!(STATE_COUNT == 42);

/// Ports for exceptions, as the kernel hands them over: one for each group of kinds.
#[derive(Default)]
pub(crate) struct Ports {
    pub(crate) masks: [u32; KINDS],
    pub(crate) ports: [mach_port_t; KINDS],
    pub(crate) behaviors: [c_int; KINDS],
    pub(crate) flavors: [c_int; KINDS],
    pub(crate) count: mach_msg_type_number_t,
}

unsafe extern "C" {
    // mach/mach_port.h
    pub(crate) fn mach_port_allocate(task: mach_port_t, right: natural_t, name: *mut mach_port_t) -> kern_return_t;
    pub(crate) fn mach_port_insert_right(
        task: mach_port_t,
        name: mach_port_t,
        right: mach_port_t,
        kind: u32,
    ) -> kern_return_t;
    pub(crate) fn mach_port_deallocate(task: mach_port_t, name: mach_port_t) -> kern_return_t;

    // mach/message.h
    pub(crate) fn mach_msg(
        message: *mut u32,
        option: i32,
        send_size: u32,
        receive_size: u32,
        receive: mach_port_t,
        timeout: u32,
        notify: mach_port_t,
    ) -> kern_return_t;

    // mach/task.h
    pub(crate) fn task_set_exception_ports(
        task: mach_port_t,
        mask: u32,
        port: mach_port_t,
        behavior: c_int,
        flavor: c_int,
    ) -> kern_return_t;
    pub(crate) fn task_get_exception_ports(
        task: mach_port_t,
        mask: u32,
        masks: *mut u32,
        count: *mut mach_msg_type_number_t,
        ports: *mut mach_port_t,
        behaviors: *mut c_int,
        flavors: *mut c_int,
    ) -> kern_return_t;
    pub(crate) fn task_swap_exception_ports(
        task: mach_port_t,
        mask: u32,
        port: mach_port_t,
        behavior: c_int,
        flavor: c_int,
        masks: *mut u32,
        count: *mut mach_msg_type_number_t,
        ports: *mut mach_port_t,
        behaviors: *mut c_int,
        flavors: *mut c_int,
    ) -> kern_return_t;

    // mach/thread_act.h
    pub(crate) fn thread_get_state(
        thread: mach_port_t,
        flavor: c_int,
        state: *mut natural_t,
        count: *mut mach_msg_type_number_t,
    ) -> kern_return_t;
    pub(crate) fn thread_set_exception_ports(
        thread: mach_port_t,
        mask: u32,
        port: mach_port_t,
        behavior: c_int,
        flavor: c_int,
    ) -> kern_return_t;

    // mach/mach_vm.h, which the iOS SDK leaves out. libSystem has the functions.
    pub(crate) fn mach_vm_read_overwrite(
        task: mach_port_t,
        from: u64,
        len: u64,
        to: u64,
        copied: *mut u64,
    ) -> kern_return_t;
    pub(crate) fn mach_vm_deallocate(task: mach_port_t, at: u64, len: u64) -> kern_return_t;

    // mach/mach_init.h
    static mach_task_self_: mach_port_t;
    pub(crate) fn mach_thread_self() -> mach_port_t;

    // mach-o/dyld.h. The header that each image begins with is read as bytes.
    pub(crate) fn _dyld_image_count() -> u32;
    pub(crate) fn _dyld_get_image_header(index: u32) -> *const c_void;
    pub(crate) fn _dyld_get_image_name(index: u32) -> *const c_char;
    pub(crate) fn _dyld_register_func_for_add_image(
        function: unsafe extern "C" fn(header: *const c_void, slide: isize),
    );
    pub(crate) fn _dyld_register_func_for_remove_image(
        function: unsafe extern "C" fn(header: *const c_void, slide: isize),
    );
}

/// This task.
pub(crate) fn task() -> mach_port_t {
    // SAFETY: the variable is set once, before any code of the app runs.
    unsafe { mach_task_self_ }
}
