//! The public modules of which only a part is public.
//!
//! Most modules of the lower floors hold public types beside internal ones. Each file here lists
//! what an app, a host or an exporter may name, and documents it for them. A module that is public
//! as a whole is re-exported by `lib.rs` directly. What tests, fuzz targets, benches and the
//! command line need in addition is in `throughline::internals`.

pub mod backends;
pub mod config;
pub mod event;
pub mod exits;
pub mod health;
pub mod limits;
pub mod metrics;
pub mod state;
pub mod time;
pub mod value;
