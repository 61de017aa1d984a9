//! Paths into state, and the patterns that select some of them.
//!
//! ```text
//! path      cart.items[3].price    keys with dots, [index]; an odd key as ["a.b"] or a\.b
//! pattern   items[*].price         * one key · [*] one index · ** any number of either
//! ```

mod pattern;
mod syntax;
mod text;

pub use pattern::Pattern;
pub use syntax::{PathError, Segment};
pub use text::{parse, push_segment};

#[cfg(test)]
mod tests;
