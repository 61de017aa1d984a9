//! What goes over the network: encoding, which is pure, and sending.

pub(crate) mod export;
pub mod transport;
