//! The boundary from the Rust side: drafts as bytes, and the door with a client behind it.
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
mod host;
mod support;
