//! What is on disk: the journal, the queue, and the small files beside them.

pub mod dirlock;
pub mod frame;
pub(crate) mod health;
pub(crate) mod installation;
pub mod journal;
pub mod queue;
pub(crate) mod replace;
pub(crate) mod session_file;
pub(crate) mod switches;
