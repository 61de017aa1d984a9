//! Real user monitoring: the session, views and actions, and what the app reports about itself.

use uuid::Uuid;

use super::client::Telemetry;
use crate::model::event::scrub::{Scrub, TextKind};
use crate::model::event::{Action, ActionType, Custom, EventKind, Vital};
use crate::model::limits::MAX_TEXT_CHARS;
use crate::model::names;
use crate::model::value::Value;

impl Telemetry {
    /// The session's id. `None` when the client is off.
    pub fn session_id(&self) -> Option<Uuid> {
        Some(self.on()?.scopes.session_id())
    }

    /// The installation's id. `None` when the client is off, or when the configuration has
    /// `installation_id(false)`.
    pub fn installation_id(&self) -> Option<Uuid> {
        self.on()?.globals.installation_id()
    }

    /// Ends the session and begins another one, for example when another user signs in. The views
    /// that are open go on in the new session.
    pub fn renew_session(&self) {
        if let Some(shared) = self.on() {
            shared.scopes.renew_session();
        }
    }

    /// Shows a view in place of the one that is shown. Events from now on belong to it. If the
    /// process dies meanwhile, the next start closes the view with
    /// `throughline.ended = process_death`.
    pub fn start_view(&self, name: &str) -> Option<Uuid> {
        let shared = self.on().filter(|_| self.permits(EventKind::View, name, &[]))?;
        Some(shared.scopes.start_view(name))
    }

    /// Shows a view over the one that is shown, such as a sheet or a dialog. When
    /// [`Telemetry::stop_view`] ends it, the one under it is shown again; its time stands still
    /// meanwhile. At most 32 views lie on one another: a further one takes the place of the last.
    pub fn push_view(&self, name: &str) -> Option<Uuid> {
        let shared = self.on().filter(|_| self.permits(EventKind::View, name, &[]))?;
        Some(shared.scopes.push_view(name))
    }

    /// Ends the view that is shown.
    pub fn stop_view(&self) {
        if let Some(shared) = self.on() {
            shared.scopes.stop_view();
        }
    }

    /// The view that is shown is complete and can be used. The time until now becomes its loading
    /// time, and is recorded as the vital `time_to_full_display`. Only the first call of a view has
    /// an effect.
    pub fn mark_interactive(&self) {
        let Some(shared) = self.on() else { return };
        if let Some(loading) = shared.scopes.mark_interactive() {
            self.record_vital(&Vital::new(names::VITAL_FULL_DISPLAY, loading.as_secs_f64(), "s"));
        }
    }

    /// Begins an action that collects the resources, errors, long tasks and state mutations which
    /// follow. It ends when nothing has happened for 100 ms and no resource is under way, after 5 s
    /// at most, or when another action begins. What it causes belongs to one trace.
    ///
    /// Three taps on one target within a second make a rage tap. An error that a tap causes makes
    /// it an error tap.
    pub fn start_action(&self, action: &Action<'_>) -> Option<Uuid> {
        let is_permitted = |_: &&_| self.permits(EventKind::Action, action.name, action.common.attributes);
        let shared = self.on().filter(is_permitted)?;
        Some(shared.scopes.start_action(action))
    }

    /// Begins a tap on `target`. As [`Telemetry::start_action`].
    pub fn tap(&self, target: &str) -> Option<Uuid> {
        self.start_action(&Action::new(ActionType::Tap, target))
    }

    /// Ends an action before it would end by itself. Does nothing when it has ended already.
    pub fn stop_action(&self, id: Uuid) {
        if let Some(shared) = self.on() {
            shared.scopes.stop_action(id);
        }
    }

    /// The user or the app reports a problem. If [`TailSampling`](crate::TailSampling) is
    /// configured, the session is kept, and what of it was kept aside is sent.
    ///
    /// The message is what a person has written, so it is searched like the message of an error.
    pub fn report_problem(&self, message: &str) -> Option<Uuid> {
        let shared = self.on()?;
        shared.scopes.report_problem();
        let kept = message.char_indices().nth(MAX_TEXT_CHARS).map_or(message.len(), |cut| cut.0);
        let message = shared.recorder().redactor().text(TextKind::Free, message, kept);
        let attributes = [(names::PROBLEM_MESSAGE, (&*message).into())];
        self.record_ours(&Custom::new(names::EVENT_PROBLEM).attributes(&attributes))
    }

    /// Records that the *app's own* synchronization failed: which call, with which code, after how
    /// many retries, and whether the device was offline.
    pub fn record_sync_failure(&self, rpc: &str, code: &str, retries: u32, offline: bool) -> Option<Uuid> {
        let attributes = [
            (names::semconv::RPC_METHOD, rpc.into()),
            (names::semconv::ERROR_TYPE, code.into()),
            (names::SYNC_RETRIES, retries.into()),
            (names::SYNC_OFFLINE, offline.into()),
        ];
        self.record_ours(&Custom::new(names::EVENT_SYNC_FAILURE).attributes(&attributes))
    }

    /// Records that the *app's own* queue was flushed: how many entries it held, and whether the
    /// flush succeeded.
    pub fn record_queue_flush(&self, depth: u64, ok: bool) -> Option<Uuid> {
        let attributes = [(names::QUEUE_DEPTH, Value::Int(depth as i64)), (names::QUEUE_FLUSH_OK, ok.into())];
        self.record_ours(&Custom::new(names::EVENT_QUEUE_FLUSH).attributes(&attributes))
    }

    /// Ends coalescing windows and the action now, as if their time were over. For tests, which do
    /// not wait.
    #[cfg(feature = "testing")]
    pub fn finish_collecting(&self) {
        if let Some(shared) = self.on() {
            shared.scopes.finish_collecting();
        }
    }
}
