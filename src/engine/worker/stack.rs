//! The alternate stack of a thread of ours: on it, a stack overflow is written down.

use crate::storage::crash::AlternateStack;

thread_local! {
    /// The stack on which this thread's crash is written when its own has overflowed.
    static STACK: Option<AlternateStack> = AlternateStack::give();
}

/// Gives this thread an alternate stack, if it has none.
pub(super) fn give_stack() {
    let _ = STACK.try_with(|_| {});
}
