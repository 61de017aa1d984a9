//! The running client, for a second language of the process.
//!
//! In a React Native app the host, in Swift or Kotlin, starts the client, and JavaScript attaches
//! to it. UniFFI keeps one table of callbacks for each interface and process: if the code that is
//! generated for JavaScript registered its own tables, calls to a Swift or Kotlin object would
//! reach JavaScript. Therefore what JavaScript uses has a namespace of its own, which has no
//! callbacks. It is also small, because the generated code is a part of every app's bundle.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

uniffi::setup_scaffolding!("throughline_attach");

/// What a started client answers. No method may wait, and none may panic.
pub trait Attachable: Send + Sync {
    /// Whether the client was not shut down yet.
    fn is_running(&self) -> bool;
    /// The handle that the door takes, 1 to 2^53.
    fn door(&self) -> u64;
    /// See [`record_tap`].
    fn record_tap(&self, name: &str, attributes: &HashMap<String, String>) -> bool;
    /// See [`ask`].
    fn answer(&self, question: &str, values: &str) -> String;
}

/// The clients that were started, the latest last. They are not kept alive.
static STARTED: Mutex<Vec<Weak<dyn Attachable>>> = Mutex::new(Vec::new());

/// Lets [`running`] find a client, for as long as its owner keeps it.
pub fn offer(client: &Arc<dyn Attachable>) {
    let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
    started.retain(|known| known.strong_count() > 0);
    started.push(Arc::downgrade(client));
}

/// The latest client that fulfils a condition. The lock is not held while a client is asked.
fn find(is_wanted: impl Fn(&dyn Attachable) -> bool) -> Option<Arc<dyn Attachable>> {
    let started = STARTED.lock().unwrap_or_else(PoisonError::into_inner).clone();
    started.iter().rev().filter_map(Weak::upgrade).find(|client| is_wanted(&**client))
}

fn with_handle(handle: f64) -> Option<Arc<dyn Attachable>> {
    find(|client| as_number(client.door()) == handle)
}

/// A handle as JavaScript has it. It is exact, because a handle is at most 2^53.
#[expect(clippy::cast_precision_loss, reason = "see above")]
fn as_number(handle: u64) -> f64 {
    handle as f64
}

/// The handle of the client that runs in this process, whoever has started it. 0 while none runs.
#[uniffi::export]
pub fn running() -> f64 {
    find(|client| client.is_running()).map_or(0.0, |client| as_number(client.door()))
}

/// Asks the client with a handle. The question is a name, its values are an array in JSON, and
/// the answer is JSON. There is one function of texts for all questions because code that converts
/// other types is a large part of the bundle of every app.
///
/// | question | values | answer |
/// |---|---|---|
/// | `isRunning` | | whether the client was not shut down yet |
/// | `traceHeaders` | URL, slot, the app's own headers | the headers for a request, see below |
/// | `traceId` | slot | the id of the trace of the context, 32 hexadecimal digits |
/// | `sessionId`, `installationId` | | the id, 32 hexadecimal digits with hyphens |
/// | `setConsent` | `granted`, `pending` or `denied` | whether it was kept |
/// | `setEnabled` | whether to record | whether it was kept |
/// | `setSessionSampleRate`, `setTraceSampleRate` | 0.0 to 1.0 | whether it was taken |
/// | `pauseDestination`, `resumeDestination` | name | whether a destination has it |
/// | `health` | | the client's own condition |
/// | `diagnose` | a flush's reason or null | what keeps data from arriving |
///
/// Headers are objects. Those for a request are of the request that was started under the slot,
/// else of the context under it, else of the current context.
///
/// The answer is `null` where there is none: while the client is off or has none, for another
/// question, and when no client has the handle.
#[uniffi::export]
pub fn ask(client: f64, question: String, values: String) -> String {
    with_handle(client).map_or_else(|| "null".to_owned(), |client| client.answer(&question, &values))
}

/// Records a tap without the door: the generated code converts every argument. The benchmark
/// measures against this what the door saves, and no app's bundle has it. False when no client has
/// the handle.
#[uniffi::export]
pub fn record_tap(client: f64, name: String, attributes: HashMap<String, String>) -> bool {
    with_handle(client).is_some_and(|client| client.record_tap(&name, &attributes))
}
