//! [`Host`]: what the embedding program brings.

use std::sync::Arc;

use super::hook::EventHook;
use crate::engine::debug::DebugOutput;
use crate::model::time::Clock;
use crate::wire::transport::{AuthHeaders, Transport};

/// What the embedding program brings besides the [configuration](crate::Config).
///
/// Everything in it has a default: an app that needs none of it calls
/// [`Telemetry::start`](crate::Telemetry::start).
///
/// ```
/// use std::sync::Arc;
/// use throughline::{Config, Consent, EventHook, EventView, Host, Telemetry, event::Action};
///
/// #[derive(Debug)]
/// struct WithoutDebugScreens;
///
/// impl EventHook for WithoutDebugScreens {
///     fn keep(&self, event: &EventView<'_>) -> bool {
///         !event.label.starts_with("Debug")
///     }
/// }
///
/// let dir = tempfile::tempdir()?;
/// let mut host = Host::default();
/// host.hook = Some(Arc::new(WithoutDebugScreens));
/// let config = Config::builder("shop", dir.path()).build()?;
/// let telemetry = Telemetry::start_with(config, Consent::Granted, host)?;
/// assert!(telemetry.record_action(&Action::tap("DebugMenu")).is_none());
/// assert!(telemetry.record_action(&Action::tap("buy")).is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Host {
    /// Sends requests in place of the built-in HTTP client.
    pub transport: Option<Arc<dyn Transport>>,
    /// Returns headers that authorize requests, for example with a token that expires. Whichever
    /// transport sends them, and whatever the format: see [`AuthHeaders`].
    pub auth: Option<Arc<dyn AuthHeaders>>,
    /// Where time comes from. The default is the operating system; a test may move it by hand.
    pub clock: Clock,
    /// Decides what is recorded, in addition to the configuration.
    pub hook: Option<Arc<dyn EventHook>>,
    /// Runs on each of the client's threads when the thread begins. It does what this crate cannot
    /// do itself, such as setting the quality of service on Darwin. A panic in it is caught.
    pub on_thread_start: Option<fn()>,
    /// Takes the lines of the debug log, if [`ConfigBuilder::debug`](crate::ConfigBuilder::debug)
    /// is on. The default is standard error.
    pub debug_output: Option<Arc<dyn DebugOutput>>,
}
