//! From saved registers and a saved stack to frames.

use std::collections::HashMap;

use crate::model::limits::MAX_CRASH_FRAMES;
use crate::storage::crash::{Crash, Module};

/// How a frame was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    /// It is what the thread was doing.
    Context,
    /// By the unwind tables of the frame before.
    Tables,
    /// By the chain of frame pointers.
    FramePointers,
    /// From the link register, or from where a call leaves its return address.
    Return,
}

impl Method {
    /// The word in a stack's text.
    pub(super) fn word(self) -> &'static str {
        match self {
            Method::Context => "context",
            Method::Tables => "cfi",
            Method::FramePointers => "fp",
            Method::Return => "lr",
        }
    }
}

/// A frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    /// An address inside the instruction that the frame was at: for a caller, inside the call.
    pub(super) address: u64,
    pub(super) method: Method,
}

/// The frames of a crash, the innermost first. `is_native` says whether the registers are those of
/// this processor.
pub(super) fn unwind(crash: &Crash, modules: &[Module], is_native: bool) -> Vec<Frame> {
    let by_pointers = by_frame_pointers(crash, modules);
    if !is_native {
        return by_pointers;
    }
    let (by_tables, is_whole) = by_tables(crash, modules);
    if is_whole { by_tables } else { continued(by_tables, by_pointers) }
}

/// The frames of tables that end too early: those of a module are missing, or the copy of the stack
/// is over. The handler has followed the frame pointers further. They go on behind a frame that
/// both have found; they alone would lack callers, such as that of a function which had not set up
/// its frame when its stack was full.
fn continued(mut by_tables: Vec<Frame>, by_pointers: Vec<Frame>) -> Vec<Frame> {
    let last = by_tables.last().filter(|_| by_tables.len() > 1).map(|frame| frame.address);
    // They may lack frames, so a frame has no higher place with them. A function that calls itself
    // has the same address many times: the nearest place is meant.
    let meets = by_pointers.iter().take(by_tables.len()).rposition(|frame| Some(frame.address) == last);
    match meets {
        Some(at) => {
            by_tables.extend(by_pointers.into_iter().skip(at + 1));
            by_tables.truncate(MAX_CRASH_FRAMES);
            by_tables
        }
        None if by_tables.len() >= by_pointers.len() => by_tables,
        None => by_pointers,
    }
}

/// What the handler has found.
fn by_frame_pointers(crash: &Crash, modules: &[Module]) -> Vec<Frame> {
    let [pc, _, _, lr] = crash.core;
    let frames = match crash.frames.split_first() {
        Some((_, callers)) => callers,
        None => &[],
    };
    let is_outside = !modules.iter().any(|module| module.contains(pc));
    let from_return = crash.frames.is_empty() && lr != 0;
    let mut found = vec![Frame { address: pc, method: Method::Context }];
    if from_return {
        found.push(Frame { address: before(lr), method: Method::Return });
    }
    for (at, caller) in frames.iter().enumerate() {
        let method = if at == 0 && is_outside { Method::Return } else { Method::FramePointers };
        found.push(Frame { address: before(*caller), method });
    }
    found
}

/// An address inside the call that returns there.
fn before(returns_to: u64) -> u64 {
    returns_to.saturating_sub(1)
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn by_tables(_: &Crash, _: &[Module]) -> (Vec<Frame>, bool) {
    // There is no unwinder for 32-bit processors: what the handler found has to do.
    (Vec::new(), false)
}

/// The frames by the modules' unwind tables, and whether they end where the stack does.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn by_tables(crash: &Crash, modules: &[Module]) -> (Vec<Frame>, bool) {
    use framehop::{CacheNative, FrameAddress, Unwinder as _, UnwinderNative};

    let [pc, sp, fp, lr] = crash.core;
    let mut known = Known { modules, added: HashMap::new() };
    let mut unwinder = UnwinderNative::new();
    let mut cache = CacheNative::<_>::new();
    let mut read = |address: u64| crash.stack.word(address).ok_or(());
    let mut frames = vec![Frame { address: pc, method: Method::Context }];
    let mut registers = registers(pc, lr, sp, fp);
    let mut at = FrameAddress::from_instruction_pointer(pc);
    if known.module(pc).is_none() {
        // Somebody has jumped to where no code is. The return address of that call is where a call
        // leaves it.
        let Some((returns_to, after)) = returned(crash, lr, sp, fp) else { return (frames, false) };
        if known.module(returns_to).is_none() {
            return (frames, false);
        }
        frames.push(Frame { address: before(returns_to), method: Method::Return });
        let Some(address) = FrameAddress::from_return_address(returns_to) else { return (frames, false) };
        (at, registers) = (address, after);
    }
    while frames.len() < MAX_CRASH_FRAMES {
        let has_tables = known.add(at.address_for_lookup(), &mut unwinder);
        match unwinder.unwind_frame(at, &mut registers, &mut cache, &mut read) {
            Ok(Some(returns_to)) => {
                let method = if has_tables { Method::Tables } else { Method::FramePointers };
                frames.push(Frame { address: before(returns_to), method });
                let Some(address) = FrameAddress::from_return_address(returns_to) else { return (frames, true) };
                at = address;
            }
            Ok(None) => return (frames, true),
            Err(_) => return (frames, false),
        }
    }
    (frames, true)
}

#[cfg(target_arch = "x86_64")]
fn registers(pc: u64, _lr: u64, sp: u64, fp: u64) -> framehop::UnwindRegsNative {
    framehop::UnwindRegsNative::new(pc, sp, fp)
}

#[cfg(target_arch = "aarch64")]
fn registers(_pc: u64, lr: u64, sp: u64, fp: u64) -> framehop::UnwindRegsNative {
    framehop::UnwindRegsNative::new(lr, sp, fp)
}

/// Where a call returns to whose function has not begun, and the registers there.
#[cfg(target_arch = "x86_64")]
fn returned(crash: &Crash, lr: u64, sp: u64, fp: u64) -> Option<(u64, framehop::UnwindRegsNative)> {
    let to = crash.stack.word(sp)?;
    Some((to, registers(to, lr, sp.checked_add(8)?, fp)))
}

/// Where a call returns to whose function has not begun, and the registers there.
#[cfg(target_arch = "aarch64")]
fn returned(_: &Crash, lr: u64, sp: u64, fp: u64) -> Option<(u64, framehop::UnwindRegsNative)> {
    let to = lr & 0x0000_ffff_ffff_ffff;
    (to != 0).then(|| (to, registers(to, lr, sp, fp)))
}

/// The modules of the process that died, and those whose tables have been looked for.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
struct Known<'m> {
    modules: &'m [Module],
    /// Whether the module that begins there has tables.
    added: HashMap<u64, bool>,
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
impl<'m> Known<'m> {
    fn module(&self, address: u64) -> Option<&'m Module> {
        self.modules.iter().find(|module| module.contains(address))
    }

    /// Adds the tables of the module in which an address lies. Whether it has any.
    fn add(
        &mut self,
        address: u64,
        unwinder: &mut impl framehop::Unwinder<Module = framehop::Module<Vec<u8>>>,
    ) -> bool {
        use crate::storage::crash::UnwindTables;

        let Some(module) = self.module(address) else { return false };
        if let Some(has_tables) = self.added.get(&module.start) {
            return *has_tables;
        }
        let tables = UnwindTables::of(module);
        self.added.insert(module.start, tables.is_some());
        let Some(UnwindTables { base, text, got, header, frames }) = tables else { return false };
        let (eh_frame_hdr_svma, eh_frame_hdr) = header.unzip();
        let (eh_frame_svma, eh_frame) = frames.unzip();
        let sections = framehop::ExplicitModuleSectionInfo {
            base_svma: base,
            text_svma: text,
            got_svma: got,
            eh_frame_svma,
            eh_frame,
            eh_frame_hdr_svma,
            eh_frame_hdr,
            ..Default::default()
        };
        unwinder.add_module(framehop::Module::new(
            module.name().to_owned(),
            module.start..module.end,
            module.bias,
            sections,
        ));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::{Frame, Method, continued};

    fn frames(method: Method, addresses: &[u64]) -> Vec<Frame> {
        addresses.iter().map(|address| Frame { address: *address, method }).collect()
    }

    /// The addresses that come of frames by tables and frames by frame pointers.
    fn addresses(by_tables: &[u64], by_pointers: &[u64]) -> Vec<u64> {
        let found = continued(frames(Method::Tables, by_tables), frames(Method::FramePointers, by_pointers));
        found.iter().map(|frame| frame.address).collect()
    }

    #[test]
    fn the_caller_that_frame_pointers_lack_is_kept_when_the_copy_of_the_stack_ends() {
        assert_eq!(addresses(&[1, 2, 3, 4], &[1, 3, 4, 5, 6, 7]), [1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(addresses(&[1, 2, 3], &[1, 2, 3, 4]), [1, 2, 3, 4]);
    }

    #[test]
    fn a_function_that_calls_itself_is_not_counted_more_often_than_it_was_found() {
        assert_eq!(addresses(&[1, 2, 2, 2], &[1, 2, 2, 2, 2, 2, 3]), [1, 2, 2, 2, 2, 2, 3]);
    }

    #[test]
    fn frames_that_never_meet_are_not_mixed() {
        assert_eq!(addresses(&[1, 2], &[1, 8, 9]), [1, 8, 9]);
        assert_eq!(addresses(&[1, 2, 3, 4], &[1, 8, 9]), [1, 2, 3, 4]);
        // What the thread was doing is the first frame of both, and no caller.
        assert_eq!(addresses(&[1], &[1, 8, 9]), [1, 8, 9]);
        assert_eq!(addresses(&[1], &[]), [1]);
    }
}
