//! What the signals say of a row alike: ids, user, device, system, tags, and everything for which
//! a format has no field of its own.

use std::collections::BTreeMap;
use std::ops::Bound;

use sha1::{Digest, Sha1};
use uuid::{Builder, Uuid};

use super::Settings;
use super::json::{self, Object};
use crate::model::event::ActionType;
use crate::model::export::{Details, ExportRow};
use crate::model::limits::{DATADOG_MAX_TAG_CHARS, SESSION_MAX};
use crate::model::names::{self, datadog, semconv, words};
use crate::model::time::nanos;
use crate::model::value::AnyValue;

/// Attributes of the resource that have a field of their own, or that say who has recorded.
const OF_FIELDS: [&str; 15] = [
    semconv::SERVICE_NAME,
    semconv::SERVICE_VERSION,
    semconv::DEPLOYMENT_ENVIRONMENT,
    semconv::SDK_NAME,
    semconv::SDK_LANGUAGE,
    semconv::SDK_VERSION,
    semconv::OS_TYPE,
    semconv::OS_NAME,
    semconv::OS_VERSION,
    semconv::OS_BUILD,
    semconv::HOST_ARCH,
    semconv::DEVICE_MANUFACTURER,
    semconv::DEVICE_MODEL,
    semconv::DEVICE_NAME,
    semconv::INSTALLATION_ID,
];

/// The view that an event belongs to.
pub(super) struct Shown<'a> {
    pub(super) id: Uuid,
    pub(super) name: &'a str,
}

/// A row, and its attributes that have not been given a field yet.
pub(super) struct Facts<'a> {
    pub(super) settings: &'a Settings,
    pub(super) row: &'a ExportRow<'a>,
    /// The user's and the app's attributes and ours, each key once: what the event says goes before
    /// what held for all events, and that before the resource.
    rest: BTreeMap<&'a str, &'a AnyValue>,
    /// Attributes that have no form in JSON, or no key.
    pub(super) lost: u64,
}

impl<'a> Facts<'a> {
    pub(super) fn of(settings: &'a Settings, row: &'a ExportRow<'a>) -> Self {
        let resource = row.resource_attributes().iter().filter(|(key, _)| !OF_FIELDS.contains(&key.as_str()));
        let lent = |(key, value): &'a (String, AnyValue)| (key.as_str(), value);
        let mut rest: BTreeMap<&str, &AnyValue> = resource.map(lent).collect();
        rest.extend(row.global_attributes().iter().map(lent));
        rest.extend(row.attributes().iter().map(|(key, value)| (*key, value)));
        if row.server_offset_ms().is_some() {
            // It is in the times already: nobody is to add it once more.
            rest.remove(names::SERVER_OFFSET);
        }
        let lost = u64::from(rest.remove("").is_some()) + row.dropped_attributes();
        Self { settings, row, rest, lost }
    }

    /// When the event was, by the server's clock: Datadog's formats have no field for the offset.
    pub(super) fn time(&self) -> u64 {
        self.row.by_server_clock(self.row.time_unix_nano())
    }

    /// Takes an attribute that gets a field of its own.
    pub(super) fn take(&mut self, key: &str) -> Option<&'a AnyValue> {
        self.rest.remove(key)
    }

    /// Takes an attribute that is a number which counts something. Another value stays where it
    /// is.
    pub(super) fn take_count(&mut self, key: &str) -> Option<u64> {
        match self.rest.get(key)? {
            AnyValue::Int(number) => {
                let number = u64::try_from(*number).ok()?;
                self.rest.remove(key);
                Some(number)
            }
            _ => None,
        }
    }

    /// Takes an attribute as a text.
    pub(super) fn take_text(&mut self, key: &str) -> String {
        self.take(key).map(json::plain).unwrap_or_default()
    }

    /// An attribute that is a text, which stays where it is.
    pub(super) fn peek_text(&self, key: &str) -> &'a str {
        match self.rest.get(key) {
            Some(AnyValue::Text(text)) => text,
            _ => "",
        }
    }

    /// Takes all attributes with a prefix: the rest of each key, and the value.
    pub(super) fn take_all(&mut self, prefix: &str) -> Vec<(&'a str, &'a AnyValue)> {
        let from = (Bound::Excluded(prefix), Bound::Unbounded);
        let found = self.rest.range::<str, _>(from).take_while(|(key, _)| key.starts_with(prefix));
        let keys: Vec<&'a str> = found.map(|(key, _)| *key).collect();
        let taken = keys.into_iter().filter_map(|key| Some((key.get(prefix.len()..)?, self.rest.remove(key)?)));
        taken.collect()
    }

    /// A text attribute of the resource; empty when there is none.
    pub(super) fn resource(&self, key: &str) -> &'a str {
        let found = self.row.resource_attributes().iter().rev().find(|(known, _)| known == key);
        match found {
            Some((_, AnyValue::Text(text))) => text,
            _ => "",
        }
    }

    /// The name of the service, as the settings have it or the resource.
    pub(super) fn service(&self) -> &'a str {
        self.settings.service.as_deref().unwrap_or_else(|| self.resource(semconv::SERVICE_NAME))
    }

    /// The version of the app that has recorded the event: not that of the app which sends it.
    pub(super) fn version(&self) -> &'a str {
        let recorded = self.resource(semconv::SERVICE_VERSION);
        if recorded.is_empty() { self.settings.version.as_deref().unwrap_or_default() } else { recorded }
    }

    /// Where the app runs.
    pub(super) fn env(&self) -> &'a str {
        self.settings.env.as_deref().unwrap_or_else(|| self.resource(semconv::DEPLOYMENT_ENVIRONMENT))
    }

    /// The platform that the event is from, in Datadog's words.
    pub(super) fn source(&self) -> &'a str {
        self.settings.source.as_deref().unwrap_or_else(|| platform(self.system()))
    }

    /// The operating system's name; its family, where no name is known.
    pub(super) fn system(&self) -> &'a str {
        let name = self.resource(semconv::OS_NAME);
        if name.is_empty() { self.resource(semconv::OS_TYPE) } else { name }
    }

    /// The tags of an event, as Datadog's own SDKs set them.
    pub(super) fn tags(&self) -> String {
        let pairs = [
            ("service", self.service()),
            ("version", self.version()),
            ("env", self.env()),
            ("sdk_version", env!("CARGO_PKG_VERSION")),
        ];
        let tags = pairs.iter().filter(|(_, value)| !value.is_empty());
        tags.map(|(key, value)| format!("{key}:{}", tag(value))).collect::<Vec<_>>().join(",")
    }

    /// The session. Datadog requires one: what has none belongs to a session of its installation
    /// and of the hours around it.
    pub(super) fn session(&self) -> Uuid {
        if let Details::Session(session) = self.row.details()
            && let Some(id) = session.id
        {
            return id;
        }
        self.row.session_id().unwrap_or_else(|| {
            let window = self.row.time_unix_nano() / nanos(SESSION_MAX).max(1);
            derived(&[
                "session",
                &self.settings.application,
                self.resource(semconv::INSTALLATION_ID),
                &window.to_string(),
            ])
        })
    }

    /// The view. RUM requires one: what has none belongs to one of its session that nothing else
    /// tells of.
    pub(super) fn view(&self) -> Shown<'a> {
        if let Some(id) = self.row.view_id() {
            return Shown { id, name: self.row.view_name() };
        }
        let name = if self.is_launch() { words::VIEW_LAUNCH } else { words::VIEW_BACKGROUND };
        Shown { id: derived(&["view", &self.session().to_string(), name]), name }
    }

    /// Whether the event tells of the app's start.
    fn is_launch(&self) -> bool {
        match self.row.details() {
            Details::Action(action) => action.action_type == ActionType::ApplicationStart,
            Details::Vital(vital) => {
                [names::VITAL_PROCESS_START, names::VITAL_INITIAL_DISPLAY, names::VITAL_FULL_DISPLAY]
                    .contains(&vital.name)
            }
            _ => false,
        }
    }

    /// The user. The installation is Datadog's anonymous user.
    pub(super) fn user(&mut self) -> Object {
        let mut user = Object::new();
        json::text(&mut user, "anonymous_id", self.resource(semconv::INSTALLATION_ID));
        for (key, value) in self.take_all(semconv::USER) {
            if ["id", "name", "email", "anonymous_id"].contains(&key) {
                json::text(&mut user, key, &json::plain(value));
            } else if let Some(value) = json::any(value, &mut self.lost) {
                json::set(&mut user, key, value);
            }
        }
        user
    }

    /// The device.
    pub(super) fn device(&self) -> Object {
        let mut device = Object::new();
        json::text(&mut device, "brand", self.resource(semconv::DEVICE_MANUFACTURER));
        json::text(&mut device, "model", self.resource(semconv::DEVICE_MODEL));
        json::text(&mut device, "name", self.resource(semconv::DEVICE_NAME));
        json::text(&mut device, "architecture", self.resource(semconv::HOST_ARCH));
        let is_tablet = self.resource(semconv::DEVICE_MODEL).starts_with("iPad");
        let kind = match self.system().to_ascii_lowercase().as_str() {
            _ if is_tablet => "tablet",
            "ios" | "ipados" | "android" => "mobile",
            "" => "other",
            _ => "desktop",
        };
        json::set(&mut device, "type", kind);
        device
    }

    /// The operating system. Datadog requires all three parts.
    pub(super) fn os(&self) -> Object {
        let known = |text: &'a str| if text.is_empty() { "unknown" } else { text };
        let version = known(self.resource(semconv::OS_VERSION));
        let mut os = Object::new();
        json::set(&mut os, "name", known(self.system()));
        json::set(&mut os, "version", version);
        json::set(&mut os, "version_major", version.split('.').next().unwrap_or(version));
        json::text(&mut os, "build", self.resource(semconv::OS_BUILD));
        os
    }

    /// Everything that has got no field of its own, and what was lost. `own` is ours.
    pub(super) fn context(&mut self, own: Object) -> Object {
        let mut context = own;
        if self.row.truncated_values() > 0 {
            json::set(&mut context, names::TRUNCATED, json::whole(self.row.truncated_values()));
        }
        json::text(&mut context, names::ENDED, self.row.ended().unwrap_or_default());
        for (key, value) in std::mem::take(&mut self.rest) {
            if let Some(value) = json::any(value, &mut self.lost) {
                let key = free(key, |taken| context.contains_key(taken));
                context.insert(key, value);
            }
        }
        if self.lost > 0 {
            json::set(&mut context, names::DROPPED_ATTRIBUTES, json::whole(self.lost));
        }
        context
    }

    /// The members of the context for the trace of an event whose schema has no field for it.
    pub(super) fn trace_context(&self) -> Object {
        let mut context = Object::new();
        if let Some(trace) = self.row.trace() {
            json::set(&mut context, "trace_id", json::hex(&trace.trace_id));
            json::set(&mut context, "span_id", json::decimal(trace.span_id));
        }
        context
    }

    /// The action that caused the event: a list, as Datadog's SDKs have it for what several may
    /// have caused.
    pub(super) fn cause(&self) -> Object {
        let mut action = Object::new();
        if let Some(id) = self.row.action_id() {
            json::set(&mut action, "id", vec![id.to_string()]);
        }
        action
    }

    /// The id of something that the row also tells, which is always the same.
    pub(super) fn id_of(&self, part: &str) -> String {
        derived(&[part, &self.row.id().to_string()]).to_string()
    }
}

/// A key of the app's that takes nobody's place.
pub(super) fn free(key: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let mut key = key.to_owned();
    while is_taken(&key) {
        key.insert_str(0, datadog::OF_THE_APP);
    }
    key
}

/// An id that the same texts always give.
fn derived(parts: &[&str]) -> Uuid {
    let mut hash = Sha1::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    let digest = hash.finalize();
    let bytes = digest.first_chunk::<16>().copied().unwrap_or_default();
    Builder::from_sha1_bytes(bytes).into_uuid()
}

/// The platform of an operating system, in Datadog's words. The families of Android and iOS are
/// also those of other systems, so this device's own platform decides for what is no name.
fn platform(system: &str) -> &'static str {
    match system.to_ascii_lowercase().as_str() {
        "android" => "android",
        "ios" | "ipados" | "tvos" | "watchos" | "visionos" => "ios",
        _ => own_platform(),
    }
}

/// The platform of the device that this runs on. `rum-cpp` is what Datadog calls a program of a
/// desktop.
pub(super) fn own_platform() -> &'static str {
    match std::env::consts::OS {
        "android" => "android",
        "ios" | "tvos" | "watchos" | "visionos" => "ios",
        _ => "rum-cpp",
    }
}

/// A text as the value of a tag: a comma would begin another tag.
fn tag(value: &str) -> String {
    let sign = |sign: char| if sign == ',' || sign.is_whitespace() || sign.is_control() { '_' } else { sign };
    value.chars().take(DATADOG_MAX_TAG_CHARS).map(sign).collect()
}
