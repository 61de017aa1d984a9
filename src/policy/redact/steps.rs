//! Counts the bytes at which redaction looks, so that a test can tell that it is linear without a
//! clock. Costs nothing outside tests.

#[cfg(test)]
thread_local! {
    static STEPS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Notes that bytes were looked at.
#[inline(always)]
pub(super) fn looked(_bytes: usize) {
    #[cfg(test)]
    STEPS.with(|steps| steps.set(steps.get() + _bytes));
}

/// The bytes that were looked at during `work`.
#[cfg(test)]
pub(super) fn steps(work: impl FnOnce()) -> usize {
    STEPS.with(|steps| steps.set(0));
    work();
    STEPS.with(std::cell::Cell::get)
}
