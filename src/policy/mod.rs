//! Pure decisions: what is kept, when something is sent, what a mutation means. Time is passed in.

pub mod backoff;
pub mod metrics;
pub mod redact;
pub mod sampling;
pub mod schedule;
pub mod session;
pub mod state;
pub mod trace;
