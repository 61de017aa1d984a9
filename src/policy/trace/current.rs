//! The current context of a thread: what is recorded while it is current belongs to it.

use std::cell::RefCell;

use crate::model::event::TraceContext;
use crate::policy::trace::SpanContext;

thread_local! {
    static CURRENT: RefCell<Vec<SpanContext>> = const { RefCell::new(Vec::new()) };
}

/// The context that is current on this thread.
pub(crate) fn current() -> Option<SpanContext> {
    // While the thread's locals are being destroyed the stack cannot be reached: then there is
    // none.
    CURRENT.try_with(|stack| stack.try_borrow().ok()?.last().cloned()).ok().flatten()
}

/// The ids of the context that is current on this thread.
pub(crate) fn current_trace() -> Option<TraceContext> {
    CURRENT.try_with(|stack| Some(stack.try_borrow().ok()?.last()?.trace)).ok().flatten()
}

/// Removes the context again, also when the work inside panics.
struct Guard;

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = CURRENT.try_with(|stack| stack.try_borrow_mut().map(|mut stack| stack.pop()));
    }
}

/// Runs `work` with `context` as the current one of this thread.
pub(crate) fn with_context<R>(context: &SpanContext, work: impl FnOnce() -> R) -> R {
    let pushed = CURRENT.try_with(|stack| stack.try_borrow_mut().map(|mut stack| stack.push(context.clone())).is_ok());
    let _guard = matches!(pushed, Ok(true)).then_some(Guard);
    work()
}
