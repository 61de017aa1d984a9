//! What goes over the network: pure encoding, and sending.

pub mod export;
pub mod transport;
