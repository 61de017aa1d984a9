//! The user, global attributes and feature flags: what stands on every event from now on.

use std::sync::atomic::Ordering;

use super::client::Telemetry;
use super::hook;
use crate::engine::recorder::Recorder;
use crate::model::names;
use crate::model::value::{Attribute, Value};

/// Who uses the app, in the terms of OpenTelemetry's `user.*` attributes. Give pseudonyms where you can.
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
    /// Says who uses the app; `None`: nobody. Kept in memory alone: say it again at the next start. While the client is
    /// off it waits there; a consent that is withdrawn forgets it. False after the shutdown, or when 112 global attributes would be
    /// exceeded.
    pub fn set_user(&self, user: Option<User<'_>>) -> bool {
        let user = user.unwrap_or_default();
        let own = [("id", user.id), ("name", user.name), ("email", user.email)];
        let mut attributes: Vec<Attribute<'_>> =
            own.into_iter().filter(|(_, text)| !text.is_empty()).map(|(key, text)| (key, text.into())).collect();
        attributes.extend(user.attributes.iter().filter(|(key, _)| !own.iter().any(|(name, _)| name == key)));
        self.says() && self.0.globals.replace(|| self.recorder(), &self.0.config, "user.", &attributes)
    }

    /// Sets an attribute of every event from now on, or removes it. False as in [`Telemetry::set_user`].
    pub fn set_global_attribute(&self, key: &str, value: Option<Value<'_>>) -> bool {
        self.says() && self.0.globals.set(|| self.recorder(), &self.0.config, &names::app_key(key), value)
    }

    /// Says what a feature flag was evaluated to, as `feature_flag.{name}` on every event from now on; `None`: it is not
    /// used any more. False as in [`Telemetry::set_user`].
    pub fn set_feature_flag(&self, name: &str, value: Option<Value<'_>>) -> bool {
        let key = format!("{}{name}", names::FEATURE_FLAG);
        self.says() && self.0.globals.set(|| self.recorder(), &self.0.config, &key, value)
    }

    /// Whether what the app says of itself is heard: not after the shutdown, nor from the app's own hook.
    fn says(&self) -> bool {
        !self.0.closed.load(Ordering::Acquire) && !hook::is_rewriting()
    }

    fn recorder(&self) -> Option<&Recorder> {
        Some(self.on()?.recorder())
    }
}
