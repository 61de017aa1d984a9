//! The running client, for a second language of the process.
//!
//! In a React Native app the host, in Swift or Kotlin, starts the client, and JavaScript attaches
//! to it. UniFFI keeps one table of callbacks for each interface and process: if the code that is
//! generated for JavaScript registered its own tables, calls to a Swift or Kotlin object would
//! reach JavaScript. Therefore what JavaScript uses has a namespace of its own, which has no
//! callbacks. It is also small, because the generated code is a part of every app's bundle.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

uniffi::setup_scaffolding!("throughline_attach");

/// What a started client answers. No method may wait, and none may panic.
pub trait Attachable: Send + Sync {
    /// Whether the client was not shut down yet.
    fn is_running(&self) -> bool;
    /// See [`AttachedClient::door`].
    fn door(&self) -> u64;
    /// See [`AttachedClient::record_tap`].
    fn record_tap(&self, name: &str, attributes: &HashMap<String, String>) -> bool;
    /// See [`AttachedClient::trace_headers`].
    fn trace_headers(&self, url: &str, slot: u64, existing: &HashMap<String, String>) -> HashMap<String, String>;
    /// See [`AttachedClient::trace_id`].
    fn trace_id(&self, slot: u64) -> Option<String>;
    /// See [`AttachedClient::session_id`].
    fn session_id(&self) -> Option<String>;
    /// See [`AttachedClient::installation_id`].
    fn installation_id(&self) -> Option<String>;
    /// See [`AttachedClient::set_consent`].
    fn set_consent(&self, consent: &str) -> bool;
    /// See [`AttachedClient::set_enabled`].
    fn set_enabled(&self, enabled: bool) -> bool;
    /// See [`AttachedClient::set_session_sample_rate`].
    fn set_session_sample_rate(&self, rate: f64) -> bool;
    /// See [`AttachedClient::set_trace_sample_rate`].
    fn set_trace_sample_rate(&self, rate: f64) -> bool;
    /// See [`AttachedClient::health`].
    fn health(&self) -> String;
}

/// The clients that were started, the latest last. They are not kept alive.
static STARTED: Mutex<Vec<Weak<dyn Attachable>>> = Mutex::new(Vec::new());

/// Lets [`attach`] find a client, for as long as its owner keeps it.
pub fn offer(client: &Arc<dyn Attachable>) {
    let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
    started.retain(|known| known.strong_count() > 0);
    started.push(Arc::downgrade(client));
}

/// The client that runs in this process, whoever has started it. None while no client runs.
#[uniffi::export]
pub fn attach() -> Option<Arc<AttachedClient>> {
    let started: Vec<_> = STARTED.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let client = started.iter().rev().filter_map(Weak::upgrade).find(|client| client.is_running())?;
    Some(Arc::new(AttachedClient(client)))
}

/// A client that somebody else has started. After its shutdown every call does nothing.
#[derive(uniffi::Object)]
pub struct AttachedClient(Arc<dyn Attachable>);

impl fmt::Debug for AttachedClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AttachedClient").field(&self.0.door()).finish()
    }
}

#[uniffi::export]
impl AttachedClient {
    /// The handle that the door takes.
    pub fn door(&self) -> u64 {
        self.0.door()
    }

    /// Whether the client was not shut down yet.
    pub fn is_running(&self) -> bool {
        self.0.is_running()
    }

    /// Records a tap without the door: the generated code converts every argument. The benchmark
    /// measures against this what the door saves.
    pub fn record_tap(&self, name: String, attributes: HashMap<String, String>) -> bool {
        self.0.record_tap(&name, &attributes)
    }

    /// The headers for a request to a URL: those of the request that was started under `slot`, else
    /// those of the context under it, else those of the current context. `existing` are the app's
    /// own headers.
    pub fn trace_headers(&self, url: String, slot: u64, existing: HashMap<String, String>) -> HashMap<String, String> {
        self.0.trace_headers(&url, slot, &existing)
    }

    /// The id of the trace of the context under a slot, 32 hexadecimal digits. None when there is
    /// no such context.
    pub fn trace_id(&self, slot: u64) -> Option<String> {
        self.0.trace_id(slot)
    }

    /// The session's id, 32 hexadecimal digits with hyphens. None while the client is off.
    pub fn session_id(&self) -> Option<String> {
        self.0.session_id()
    }

    /// The installation's id, in the same form. None while the client is off, or when the
    /// configuration wants none.
    pub fn installation_id(&self) -> Option<String> {
        self.0.installation_id()
    }

    /// Sets what the user has decided: `granted`, `pending` or `denied`. False for another text,
    /// and when the decision could not be kept.
    pub fn set_consent(&self, consent: String) -> bool {
        self.0.set_consent(&consent)
    }

    /// Switches recording on or off, and keeps that for later starts. False when it could not be
    /// kept.
    pub fn set_enabled(&self, enabled: bool) -> bool {
        self.0.set_enabled(enabled)
    }

    /// Sets the share of sessions that is recorded, 0.0 to 1.0. False for another number.
    pub fn set_session_sample_rate(&self, rate: f64) -> bool {
        self.0.set_session_sample_rate(rate)
    }

    /// Sets the share of traces that is recorded, 0.0 to 1.0. False for another number.
    pub fn set_trace_sample_rate(&self, rate: f64) -> bool {
        self.0.set_trace_sample_rate(rate)
    }

    /// The client's own condition, as JSON. It is a text because generated code that converts a
    /// record is a large part of a bundle.
    pub fn health(&self) -> String {
        self.0.health()
    }
}
