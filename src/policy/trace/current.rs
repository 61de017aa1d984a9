//! The context that is current on a thread: what runs inside belongs to it.

use std::cell::RefCell;

use crate::model::event::TraceContext;
use crate::policy::trace::SpanContext;

thread_local! {
    static CURRENT: RefCell<Vec<SpanContext>> = const { RefCell::new(Vec::new()) };
}

/// The context that is current on this thread.
pub(crate) fn current() -> Option<SpanContext> {
    // Unreachable from a destructor of the thread: then there is none.
    CURRENT.try_with(|stack| stack.try_borrow().ok()?.last().cloned()).ok().flatten()
}

/// Its ids alone.
pub(crate) fn current_trace() -> Option<TraceContext> {
    CURRENT.try_with(|stack| Some(stack.try_borrow().ok()?.last()?.trace)).ok().flatten()
}

/// Takes the context back, also when `work` unwinds.
struct Guard;

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = CURRENT.try_with(|stack| stack.try_borrow_mut().map(|mut stack| stack.pop()));
    }
}

/// Runs `work` with a context that is current meanwhile.
pub(crate) fn with_context<R>(context: &SpanContext, work: impl FnOnce() -> R) -> R {
    let pushed = CURRENT.try_with(|stack| stack.try_borrow_mut().map(|mut stack| stack.push(context.clone())).is_ok());
    let _guard = matches!(pushed, Ok(true)).then_some(Guard);
    work()
}
