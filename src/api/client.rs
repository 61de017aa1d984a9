//! [`Telemetry`]: the handle that an app holds. This file starts a client and records events; the
//! other files of this folder add the rest of its methods, each for one subject.

use std::sync::Arc;

use uuid::Uuid;

use super::erasure::erase_left_behind;
use super::hook::EventView;
use super::host::Host;
use super::lifecycle::{Lifecycle, is_ignored};
use super::parts::Parts;
use super::unlisted::UnlistedHosts;
use crate::engine::lifecycle::LifecycleCell;
use crate::engine::recorder::{Moment, is_own_thread};
use crate::engine::worker::Shared;
use crate::model::config::{Config, Consent};
use crate::model::error::Error;
use crate::model::event::{Action, Common, Event, EventKind};
use crate::model::limits::DROP_TIMEOUT;
use crate::model::value::Attribute;
use crate::policy::trace::TraceHosts;
use crate::storage::crash::give_main_stack;
use crate::storage::journal::forked;

/// The client. It is cheap to clone, and every clone is the same client.
///
/// Recording never fails and never waits. What cannot be kept is counted by reason, and
/// [`Telemetry::health`] shows the counts. Dropping the last clone shuts the client down, for at
/// most one second; [`Telemetry::shutdown`] lets the caller choose how long.
///
/// A client that is off, whatever the reason, accepts every call and does nothing: recording
/// methods return `None`, spans and requests are empty. `health().hints` says why it is off.
///
/// ```
/// use throughline::{Config, Consent, Telemetry, event::Action};
///
/// let dir = tempfile::tempdir()?;
/// let config = Config::builder("shop", dir.path()).build()?;
/// let telemetry = Telemetry::start(config, Consent::Granted)?;
/// telemetry.record_action(&Action::tap("buy").attributes(&[("sku", "A-17".into())]));
/// assert!(telemetry.health().enabled);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Telemetry {
    pub(super) client: Arc<Client>,
    /// The client's own cell, held here as well so that a call on a client that is off follows one
    /// pointer only.
    cell: Arc<LifecycleCell>,
}

/// What the clones of a [`Telemetry`] share.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) parts: Parts,
    pub(super) lifecycle: Lifecycle,
    /// The hosts that get trace headers.
    pub(super) hosts: TraceHosts,
    /// Some of those that do not.
    pub(super) unlisted: UnlistedHosts,
}

impl Telemetry {
    /// Starts a client.
    ///
    /// Returns at once. The caller's thread creates the data directory and reads two small files,
    /// the installation's and the last session's, of which the very first start writes the former;
    /// the client's own thread opens the database and recovers what an earlier process left.
    ///
    /// With [`Consent::Denied`] the client stays off, and a thread erases what earlier processes
    /// recorded. With `enabled(false)` in the configuration it stays off as well: no thread, no
    /// file. In both cases it can be switched on later.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] when the data directory cannot be created or written, or holds
    /// something else where the client's files belong, and [`Error::Storage`] when neither the
    /// journal nor the thread can be created.
    pub fn start(config: Config, consent: Consent) -> Result<Self, Error> {
        Self::start_with(config, consent, Host::default())
    }

    /// Starts a client with what the [`Host`] brings: a transport, a clock, a hook.
    ///
    /// # Errors
    /// As [`Telemetry::start`].
    pub fn start_with(config: Config, consent: Consent, host: Host) -> Result<Self, Error> {
        let client = Client {
            lifecycle: Lifecycle::new(config.enabled, consent),
            hosts: TraceHosts::new(config.trace_hosts.iter().cloned()),
            unlisted: UnlistedHosts::default(),
            parts: Parts::new(config, host),
        };
        if consent == Consent::Denied {
            erase_left_behind(client.parts.config.data_dir.clone());
        }
        if client.parts.config.enabled && client.parts.config.capture_crashes {
            give_main_stack();
        }
        client.lifecycle.start(&client.parts)?;
        Ok(Self::of(Arc::new(client)))
    }

    /// A handle of a client.
    pub(super) fn of(client: Arc<Client>) -> Self {
        let cell = Arc::clone(client.lifecycle.cell());
        Self { client, cell }
    }

    /// What client and worker share, if the client is on for calls that record. It is off on the
    /// client's own threads: what the host's transport or exporter records there would otherwise
    /// take the first event's place in a view or a session, and be ignored afterwards.
    #[inline]
    pub(super) fn on(&self) -> Option<&Shared> {
        if is_own_thread() { None } else { self.on_any_thread() }
    }

    /// The same for calls that end or describe what was recorded elsewhere. The client is off for
    /// calls that the host makes while it rewrites a text, because these would wait for a lock that
    /// is held meanwhile, and in a forked child, where nobody would give such a lock back.
    #[inline]
    pub(super) fn on_any_thread(&self) -> Option<&Shared> {
        if !self.cell.is_on() || is_ignored() {
            return None;
        }
        self.client.lifecycle.shared()
    }

    /// Whether the host's hook lets the event pass. True when there is no hook.
    #[inline]
    pub(super) fn permits(&self, kind: EventKind, label: &str, attributes: &[Attribute<'_>]) -> bool {
        match &self.client.parts.host.hook {
            Some(hook) => self.client.parts.hook_counts.ask(hook.as_ref(), &EventView { kind, label, attributes }),
            None => true,
        }
    }

    /// Records any event. Returns its id, or `None` when the event was not kept, which has been
    /// counted, or when the client is off.
    ///
    /// Once this returns the event survives the death of the process, except for the first moments
    /// after the start, when `health().journal` is still the heap.
    #[inline(always)]
    pub fn record<E: Event + ?Sized>(&self, event: &E) -> Option<Uuid> {
        // A client that is off does nothing but this test.
        if self.cell.is_on() { self.record_on(event) } else { None }
    }

    #[inline(never)]
    fn record_on<E: Event + ?Sized>(&self, event: &E) -> Option<Uuid> {
        let shared = self.on()?;
        if !self.permits(event.kind(), event.label(), event.common().attributes) {
            return None;
        }
        shared.scopes.record(event)
    }

    /// As [`Telemetry::record`], for an event whose attributes have keys of ours.
    pub(super) fn record_ours<E: Event>(&self, event: &E) -> Option<Uuid> {
        let shared = self.on()?;
        if !self.permits(event.kind(), event.label(), event.common().attributes) {
            return None;
        }
        shared.scopes.record_ours(event)
    }

    /// As [`Telemetry::record`], for an event that began at this moment.
    pub(super) fn record_begun<E: Event>(&self, event: &E, moment: &Moment) -> Option<Uuid> {
        let shared = self.on()?;
        if !self.permits(event.kind(), event.label(), event.common().attributes) {
            return None;
        }
        shared.scopes.record_begun(event, moment)
    }

    /// Records something the user did that is already over. [`Telemetry::start_action`] begins one
    /// that collects what it causes.
    #[inline(always)]
    pub fn record_action(&self, action: &Action<'_>) -> Option<Uuid> {
        if !self.cell.is_on() {
            return None;
        }
        // The action is rebuilt behind the test. The compiler then keeps the caller's fields in
        // registers, and a client that is off never stores them.
        let Action { action_type, name, id, loading_time, common } = *action;
        let Common { attributes, trace, action_id, time } = common;
        self.record_on(&Action {
            action_type,
            name,
            id,
            loading_time,
            common: Common { attributes, trace, action_id, time },
        })
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if !forked() {
            self.lifecycle.shut_down(DROP_TIMEOUT);
        }
    }
}
