//! Plain data: events, values, identifiers, time, configuration. Nothing here needs a clock, a thread or a file.

pub mod config;
pub mod error;
pub mod event;
pub mod ids;
pub mod kill_point;
pub mod ledger;
pub mod limits;
pub mod names;
pub mod time;
pub mod value;
