//! Where storage, wire and time meet. Events are recorded on the caller's thread. Everything else
//! happens on the worker's.

pub(crate) mod crash;
pub(crate) mod debug;
pub(crate) mod directory;
pub(crate) mod globals;
pub(crate) mod lifecycle;
pub(crate) mod main_thread;
pub(crate) mod observed;
pub(crate) mod pauses;
pub mod recorder;
pub(crate) mod scopes;
pub mod uploader;
pub(crate) mod worker;
