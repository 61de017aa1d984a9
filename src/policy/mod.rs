//! Pure decisions: what is kept, when something is sent, what a mutation means.
//!
//! Nothing here reads a clock, a file or the network: time and everything else is passed in, so
//! that a decision can be tested without waiting.

pub mod backoff;
pub mod crash_loop;
pub mod exits;
pub mod hangs;
pub(crate) mod metrics;
pub mod redact;
pub(crate) mod repeats;
pub mod sampling;
pub mod schedule;
pub(crate) mod sealed;
pub mod session;
pub mod state;
pub mod trace;
