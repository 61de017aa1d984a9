//! Throughline: mobile client telemetry that is durable when the call returns.
//!
//! An app records typed [events](event). Each one lies in a crash-safe journal when the call
//! returns, is in SQLite within 100 ms, and is delivered effectively once to every configured
//! backend. Losses are counted by [reason](ledger::DropReason), so that the books can be checked at
//! any time.
//!
//! ```
//! use std::time::Duration;
//! use throughline::{Config, Consent, Environment, Telemetry, event::Action};
//!
//! let dir = tempfile::tempdir()?;
//! let config = Config::builder("shop", dir.path())
//!     .environment(Environment::Development)
//!     .build()?; // with `.endpoint(url)`, events are also sent
//! let telemetry = Telemetry::start(config, Consent::Granted)?;
//! telemetry.start_view("Cart");
//! telemetry.record_action(&Action::tap("checkout").attributes(&[("items", 3.into())]));
//!
//! assert!(telemetry.drain(Duration::from_secs(5)));
//! assert!(telemetry.health().queued() >= 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Concepts
//!
//! | term | meaning |
//! |---|---|
//! | event | one record of a closed set of kinds, with attributes: see [`event`] |
//! | session | a user's visit: ends after 15 minutes without activity, or after 4 hours |
//! | view | a screen; events belong to the view that is shown when they happen |
//! | action | what the user did, and what it caused: requests, errors, mutations of state |
//! | operation | a unit of work that a user would name; it is one trace: see [`ActiveSpan`] |
//! | traced store | app state whose mutations become actions, by a policy: see [`state`] |
//! | lane | how an event is kept and sent: crash, error, event, bulk; see [`event::Lane`] |
//! | destination | a backend with a name and a cursor into the queue: see [`Destination`] |
//! | books | `accepted = delivered + queued + Σ dropped`, by destination: see [`ledger`] |
//!
//! # What survives what
//!
//! | what happens | what is left |
//! |---|---|
//! | `kill -9`, abort, out-of-memory kill | every event whose call returned |
//! | power loss | crashes, which are synced to disk; the newest other commits may be undone |
//! | full disk | lower lanes give way first, crashes last; what cannot be kept is counted |
//! | damaged database | every row whose checksum holds; the others are counted |
//! | locked device | up to 256 KiB wait in memory until the files can be opened |
//!
//! In the first milliseconds after the start, until the worker has mapped the journal, events are
//! in memory only; `health().journal` then says [`Starting`](health::JournalMode::Starting).
//!
//! # Threads
//!
//! Recording happens on the caller's thread: the event is encoded into a thread-local buffer and
//! copied into the journal under one short lock. There is no system call in the steady state and no
//! wait for another thread. One background thread, `throughline`, does everything else on a
//! current-thread tokio runtime; a second, `throughline-io`, exists while names are resolved or the
//! host's transport works. [`Telemetry`] is `Send`, `Sync` and cheap to clone. A client that is
//! disabled has no thread and no file, and a call costs a branch. A forked child records nothing.
//!
//! # Limits
//!
//! Every limit is in one file with its unit and its reason; those that an app can meet are in
//! [`limits`]. What a limit costs is marked on the event or counted in the [`ledger`].
//!
//! # Errors
//!
//! Recording cannot fail. Setting up can: [`Error`] names the configuration field or says what
//! could not be opened.
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `http` (default) | the built-in HTTP client; without it, bring a [`transport::Transport`] |
//! | `tracing` | `throughline::tracing`: records spans and events of the `tracing` crate |
//! | `testing` | `throughline::testing`: a faulty backend, kill points. Never ship it |
//!
//! # How the crate is built
//!
//! The source is divided into floors, each a folder that imports only from itself and the floors
//! before it: `model` (plain data), `policy` (pure decisions), `storage` (bytes on disk), `wire`
//! (encoding and sending), `engine` (where they meet) and `api` (what is called). A test refuses
//! imports from a higher floor.

// The floors, from the lowest to the highest: a file imports from its own floor or a lower one. A
// test reads the floors from here. Blank lines keep rustfmt from sorting them.
mod model;

mod policy;

mod storage;

mod wire;

mod engine;

mod api;

pub use api::client::Telemetry;
pub use api::hook::{EventHook, EventView};
pub use api::host::Host;
pub use api::metrics::Meter;
pub use api::resources::ActiveResource;
pub use api::spans::ActiveSpan;
pub use api::stores::{PathHandle, TracedStore};
pub use api::user::User;
pub use engine::debug::DebugOutput;
pub use engine::main_thread::MainThread;
pub use engine::worker::{DiagnosticsOutcome, FlushOutcome};
pub use model::config::{
    Config, ConfigBuilder, Consent, Destination, Encoding, Environment, MeteredUploads, OtlpSignal, TailSampling,
};
pub use model::error::Error;
pub use model::value::{AnyValue, Attribute, Value};
pub use policy::schedule::{Conditions, Network};
pub use storage::health::{Health, StorageState};
pub use storage::queue::DestinationBooks;

pub use api::public::{backends, config, event, exits, health, limits, metrics, state, time, value};
#[cfg(feature = "testing")]
pub use api::testing;
#[cfg(feature = "tracing")]
pub use api::tracing;
pub use model::{diagnosis, error, export, ledger, names};
pub use policy::trace;
pub use wire::transport;

/// What tests, fuzz targets, benches and the command line reach into. It is not API: it changes
/// without notice.
#[doc(hidden)]
pub mod internals {
    pub use crate::engine::crash::crash_report;
    pub use crate::engine::{recorder, uploader};
    pub use crate::model::config::{Filter, SendPolicy};
    pub use crate::model::event::{breadcrumb, decode, encode, scrub};
    pub use crate::model::value::lend;
    pub use crate::model::{ids, kill_point, limits};
    pub use crate::policy::{backoff, crash_loop, exits, hangs, redact, sampling, schedule, session, state};
    pub use crate::storage::switches::switches;
    pub use crate::storage::{crash, dirlock, frame, journal, queue};
    pub use crate::wire::export::otlp;
    pub use crate::wire::transport::classify::cause_of;
}

/// Compiles the program of the page for a first event.
#[cfg(doctest)]
#[doc = include_str!("../docs/first-event-rust.md")]
struct FirstEventPage;
