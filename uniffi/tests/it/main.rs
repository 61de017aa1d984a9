//! The boundary, called from Rust: drafts as bytes, the door, and the exported object.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub
)]

mod door;
mod draft;
mod formats;
mod host;
mod support;
mod uploads;
