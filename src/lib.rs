//! Throughline.

pub mod backoff;
pub mod config;
pub mod dirlock;
pub mod error;
pub mod event;
pub mod export;
pub mod frame;
pub mod ids;
pub mod journal;
pub mod kill_point;
pub mod ledger;
pub mod limits;
pub mod queue;
pub mod sampling;
pub mod schedule;
pub mod time;
pub mod trace;
pub mod transport;
pub mod uploader;
pub mod value;

pub use config::{Config, Environment};
pub use error::Error;
pub use value::Value;
