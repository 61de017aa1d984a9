//! The user, global attributes and feature flags: what every event carries from now on.

use super::client::Telemetry;
use super::hook;
use crate::engine::globals::Set;
use crate::engine::lifecycle::LifecycleState;
use crate::engine::recorder::Recorder;
use crate::model::event::Custom;
use crate::model::names::{self, semconv};
use crate::model::value::{Attribute, Value};

/// Who uses the app, in the terms of OpenTelemetry's `user.*` attributes. Give pseudonyms where you
/// can.
///
/// ```
/// use throughline::{Config, Consent, Telemetry, User};
///
/// let dir = tempfile::tempdir()?;
/// let telemetry =
///     Telemetry::start(Config::builder("shop", dir.path()).build()?, Consent::Granted)?;
/// let attributes = [("plan", "premium".into())];
/// telemetry.set_user(Some(User { id: "u-4711", attributes: &attributes, ..User::default() }));
/// // After the user has signed out:
/// telemetry.set_user(None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct User<'a> {
    /// `user.id`; empty for none.
    pub id: &'a str,
    /// `user.name`; empty for none.
    pub name: &'a str,
    /// `user.email`; empty for none.
    pub email: &'a str,
    /// What else is known of the user, as `user.{key}`.
    pub attributes: &'a [Attribute<'a>],
}

impl Telemetry {
    /// Sets who uses the app. `None`: nobody is signed in.
    ///
    /// The user is kept in memory alone, so set it again at the next start. A user that is set
    /// while the client is off is kept until it is on. A denial of consent forgets it.
    ///
    /// False after the shutdown, and when there would be more than 112 global attributes; nothing
    /// is changed then.
    pub fn set_user(&self, user: Option<User<'_>>) -> bool {
        let user = user.unwrap_or_default();
        let own = [("id", user.id), ("name", user.name), ("email", user.email)];
        let mut attributes: Vec<Attribute<'_>> =
            own.into_iter().filter(|(_, text)| !text.is_empty()).map(|(key, text)| (key, text.into())).collect();
        attributes.extend(user.attributes.iter().filter(|(key, _)| !own.iter().any(|(name, _)| name == key)));
        let (globals, config) = (&self.client.parts.globals, &self.client.parts.config);
        self.takes_globals() && globals.replace(|| self.recorder(), config, semconv::USER, &attributes) != Set::Refused
    }

    /// Sets an attribute of every event from now on; `None` removes it. False as for
    /// [`Telemetry::set_user`].
    pub fn set_global_attribute(&self, key: &str, value: Option<Value<'_>>) -> bool {
        self.set_global(&names::app_key(key), value) != Set::Refused
    }

    /// Sets what a feature flag was evaluated to. Every event from now on carries it as
    /// `throughline.feature_flag.{name}`; `None` removes it. A value that differs from the one
    /// before is also recorded as an event of its own, `feature_flag.evaluation`. False as for
    /// [`Telemetry::set_user`].
    pub fn set_feature_flag(&self, name: &str, value: Option<Value<'_>>) -> bool {
        let set = self.set_global(&format!("{}{name}", names::FEATURE_FLAG), value);
        if let (Set::Changed, Some(value)) = (set, value) {
            let attributes = [(semconv::FEATURE_FLAG_KEY, name.into()), (semconv::FEATURE_FLAG_VALUE, value)];
            self.record_custom(&Custom::new(semconv::EVENT_FEATURE_FLAG).attributes(&attributes));
        }
        set != Set::Refused
    }

    fn set_global(&self, key: &str, value: Option<Value<'_>>) -> Set {
        let (globals, config) = (&self.client.parts.globals, &self.client.parts.config);
        if !self.takes_globals() {
            return Set::Refused;
        }
        globals.set(|| self.recorder(), config, key, value)
    }

    /// Whether global attributes can be set: not after the shutdown, nor by the app's own hook
    /// while it rewrites a text.
    fn takes_globals(&self) -> bool {
        self.client.lifecycle.state() != LifecycleState::ShutDown && !hook::is_rewriting()
    }

    fn recorder(&self) -> Option<&Recorder> {
        Some(self.on_any_thread()?.recorder())
    }
}
