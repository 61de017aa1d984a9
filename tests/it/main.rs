//! One integration binary, a module per area. Real files, real sockets, real processes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod delivery;
mod support;
