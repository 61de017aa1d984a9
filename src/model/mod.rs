//! Plain data: events, values, identifiers, time, configuration. Nothing here needs a clock, a
//! thread or a file.

pub(crate) mod config;
pub mod diagnosis;
pub mod error;
pub(crate) mod event;
pub mod export;
pub(crate) mod http;
pub mod ids;
pub mod kill_point;
pub mod ledger;
pub mod limits;
pub mod names;
pub(crate) mod time;
pub(crate) mod value;
