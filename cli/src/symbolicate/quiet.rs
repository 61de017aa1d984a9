//! Reading files that may be damaged in any way.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

thread_local! {
    /// Whether this thread reads a file whose damage is reported otherwise.
    static IS_QUIET: Cell<bool> = const { Cell::new(false) };
}

static HOOK: Once = Once::new();

/// Runs a reader of a file. None if it panicked: the libraries that read symbol files have bugs
/// that damaged files find, and one such file must not cost the others. Nothing is printed about
/// it; the caller counts the file.
pub(super) fn quietly<T>(read: impl FnOnce() -> T) -> Option<T> {
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !IS_QUIET.get() {
                before(panic);
            }
        }));
    });
    let was_quiet = IS_QUIET.replace(true);
    let result = catch_unwind(AssertUnwindSafe(read)).ok();
    IS_QUIET.set(was_quiet);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_panics_costs_its_file_alone() {
        assert_eq!(quietly(|| quietly(|| panic!("damaged")).is_none()), Some(true));
        assert_eq!(quietly(|| 1), Some(1));
        assert!(!IS_QUIET.get());
    }
}
