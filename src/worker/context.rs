//! The slowly changing attributes that stand on every event: service, SDK, OS, what the app added, the user, feature
//! flags, and the offset to server time. Each change journals a new version of them all.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::config::Config;
use crate::export::otlp::semconv::SERVER_OFFSET;
use crate::limits::MAX_ATTRIBUTES;
use crate::recorder::Recorder;
use crate::value::{AnyValue, Attribute, Value};

/// Attributes that the configuration and this file may add themselves.
const OWN: usize = 16;

/// What was said at run time.
#[derive(Debug, Default)]
pub(crate) struct GlobalContext(Mutex<Said>);

#[derive(Debug, Default)]
struct Said {
    attributes: BTreeMap<String, AnyValue>,
    server_offset_ms: Option<i64>,
}

impl GlobalContext {
    fn said(&self) -> MutexGuard<'_, Said> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Journals the attributes as they are.
    pub(crate) fn journal(&self, recorder: &Recorder, config: &Config) {
        journal(&self.said(), recorder, config);
    }

    /// The offset to server time, so that both clocks' spans line up.
    pub(crate) fn set_server_offset(&self, recorder: &Recorder, config: &Config, offset_ms: i64) {
        let mut said = self.said();
        said.server_offset_ms = Some(offset_ms);
        journal(&said, recorder, config);
    }

    /// Replaces every attribute whose key begins with `prefix` by `attributes`; their keys are `prefix` and what is given.
    /// False when there are too many: nothing is changed then.
    pub(crate) fn replace(
        &self,
        recorder: &Recorder,
        config: &Config,
        prefix: &str,
        attributes: &[Attribute<'_>],
    ) -> bool {
        let key = |key: &str| format!("{prefix}{key}");
        self.change(recorder, config, |said| {
            said.retain(|key, _| !key.starts_with(prefix));
            said.extend(attributes.iter().map(|(name, value)| (key(name), value.to_any())));
        })
    }

    /// Sets one attribute, or removes it.
    pub(crate) fn set(&self, recorder: &Recorder, config: &Config, key: &str, value: Option<Value<'_>>) -> bool {
        self.change(recorder, config, |said| {
            match value {
                Some(value) => said.insert(key.to_owned(), value.to_any()),
                None => said.remove(key),
            };
        })
    }

    fn change(
        &self,
        recorder: &Recorder,
        config: &Config,
        change: impl FnOnce(&mut BTreeMap<String, AnyValue>),
    ) -> bool {
        let mut said = self.said();
        let mut attributes = said.attributes.clone();
        change(&mut attributes);
        if attributes == said.attributes {
            return true;
        }
        if attributes.len() + config.resource.len() + OWN > MAX_ATTRIBUTES {
            return false;
        }
        said.attributes = attributes;
        journal(&said, recorder, config);
        true
    }

    /// Forgets what was said: the user is another, or wants to be forgotten.
    pub(crate) fn forget(&self, recorder: &Recorder, config: &Config) {
        let mut said = self.said();
        *said = Said::default();
        journal(&said, recorder, config);
    }
}

fn journal(said: &Said, recorder: &Recorder, config: &Config) {
    let mut attributes = vec![("service.name", Value::from(&config.service_name))];
    if !config.service_version.is_empty() {
        attributes.push(("service.version", Value::from(&config.service_version)));
    }
    attributes.push(("deployment.environment.name", config.environment.name().into()));
    attributes.push(("telemetry.sdk.name", "throughline".into()));
    attributes.push(("telemetry.sdk.language", config.sdk_language.as_str().into()));
    attributes.push(("telemetry.sdk.version", env!("CARGO_PKG_VERSION").into()));
    let os = match std::env::consts::OS {
        "ios" | "macos" => "darwin",
        "android" => "linux",
        other => other,
    };
    attributes.push(("os.type", os.into()));
    attributes.push(("host.arch", std::env::consts::ARCH.into()));
    attributes.extend(config.resource.iter().map(|(key, value)| (key.as_str(), Value::from(value))));
    if let Some(offset) = said.server_offset_ms {
        attributes.push((SERVER_OFFSET, offset.into()));
    }
    attributes.extend(said.attributes.iter().map(|(key, value)| (key.as_str(), Value::from(value))));
    recorder.set_context(&attributes);
}
