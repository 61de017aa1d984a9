//! What is on disk: the journal, the queue, and the small files beside them.

pub mod crash;
pub mod dirlock;
pub mod frame;
pub(crate) mod health;
pub(crate) mod installation;
pub mod journal;
mod preallocate;
pub mod queue;
pub(crate) mod replace;
pub(crate) mod session_file;
pub(crate) mod switches;
