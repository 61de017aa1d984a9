//! The attributes that every event carries and that seldom change. Those of the resource are what
//! does not change in a process: service, SDK, operating system, installation. Those of the records
//! are the user, feature flags, what the app added, and the offset to server time. Each change
//! journals a new version of them all, and events refer to a version.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use crate::engine::recorder::Recorder;
use crate::model::config::Config;
use crate::model::event::encode::ContextAttributes;
use crate::model::limits::{MAX_ATTRIBUTES, OWN_ATTRIBUTES};
use crate::model::names::{self, semconv};
use crate::model::value::{AnyValue, Attribute, Value};
use crate::storage::installation::{Found, Installation};

/// The attributes that were set at run time. Shared by the callers and the worker.
#[derive(Debug, Default)]
pub(crate) struct GlobalContext(Mutex<GlobalValues>);

/// What became of an attribute that was to be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Set {
    /// Events carry it from now on.
    Changed,
    /// It was set like that already.
    Unchanged,
    /// Nothing has changed: there would be too many attributes, or the client takes none.
    Refused,
}

#[derive(Debug, Default)]
struct GlobalValues {
    attributes: BTreeMap<String, AnyValue>,
    server_offset_ms: Option<i64>,
    installation: Option<Installation>,
    /// Whether the installation has not been saved yet.
    is_new: bool,
    /// Whether it takes the place of one that was erased, whatever the file says.
    is_renewed: bool,
    /// Whether something was set while the client was off. It is journaled when the client is on.
    is_behind: bool,
}

impl GlobalContext {
    /// Journals the first version, with the installation that events belong to, if that is known.
    pub(crate) fn begin(&self, recorder: &Recorder, config: &Config, found: Option<Found>) {
        let mut values = self.lock();
        values.set_installation(found);
        values.journal(recorder, config);
    }

    /// Journals what was set while the client was off.
    pub(crate) fn catch_up(&self, recorder: &Recorder, config: &Config) {
        let mut values = self.lock();
        if values.is_behind {
            values.journal(recorder, config);
        }
    }

    /// Journals the current version once more: the database may have lost it.
    pub(crate) fn repeat(&self, recorder: &Recorder, config: &Config) {
        self.lock().journal(recorder, config);
    }

    /// Looks for the installation if it is not known yet.
    pub(crate) fn find_installation(&self, recorder: &Recorder, config: &Config) {
        if !config.installation_id || self.installation_id().is_some() {
            return;
        }
        // The file is read without the lock, because callers take the lock too.
        if let Some(found) = Installation::find(&config.data_dir, config.device_tag.as_deref()) {
            self.begin(recorder, config, Some(found));
        }
    }

    /// The installation's id.
    pub(crate) fn installation_id(&self) -> Option<Uuid> {
        Some(self.lock().installation.as_ref()?.id)
    }

    /// Saves the installation, if that is necessary. If another process has saved one before,
    /// events belong to that from now on.
    pub(crate) fn save_installation(&self, recorder: &Recorder, config: &Config) -> std::io::Result<()> {
        let (own, is_renewed) = {
            let values = self.lock();
            let Some(own) = values.installation.clone().filter(|_| values.is_new) else { return Ok(()) };
            (own, values.is_renewed)
        };
        // The file is written without the lock, because callers take the lock too.
        let kept = match is_renewed {
            true => own.store(&config.data_dir).map(|()| own.clone())?,
            false => own.clone().keep(&config.data_dir, config.device_tag.as_deref())?,
        };
        let mut values = self.lock();
        if values.installation.as_ref() == Some(&own) {
            (values.is_new, values.is_renewed) = (false, false);
            values.take_installation(kept, recorder, config);
        }
        Ok(())
    }

    /// Takes the installation that the file names, if another process has begun one.
    pub(crate) fn follow_installation(&self, recorder: &Recorder, config: &Config) {
        if !config.installation_id || self.lock().is_new {
            return;
        }
        let found = Installation::find(&config.data_dir, config.device_tag.as_deref());
        let mut values = self.lock();
        if let (Some(Found::Known(other)), false) = (found, values.is_new) {
            values.take_installation(other, recorder, config);
        }
    }

    /// Begins a new installation: what was recorded before has been erased, and nothing may connect
    /// it with what is recorded from now on.
    pub(crate) fn renew_installation(&self, recorder: &Recorder, config: &Config) {
        recorder.forget_moments();
        let mut values = self.lock();
        values.renew_installation(config);
        values.journal(recorder, config);
    }

    /// Forgets the installation: another process has erased it.
    pub(crate) fn forget_installation(&self, recorder: &Recorder, config: &Config) {
        recorder.forget_moments();
        let mut values = self.lock();
        (values.installation, values.is_new, values.is_renewed) = (None, false, false);
        values.journal(recorder, config);
    }

    fn lock(&self) -> MutexGuard<'_, GlobalValues> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the offset to server time, in milliseconds, so that the spans of device and server line
    /// up.
    pub(crate) fn set_server_offset(&self, recorder: &Recorder, config: &Config, offset_ms: i64) {
        let mut values = self.lock();
        values.server_offset_ms = Some(offset_ms);
        values.journal(recorder, config);
    }

    /// Replaces every attribute whose key begins with `prefix` by `attributes`, whose keys get that
    /// prefix.
    ///
    /// `recorder` returns `None` while the client is off. The change then waits in memory.
    pub(crate) fn replace<'r>(
        &self,
        recorder: impl FnOnce() -> Option<&'r Recorder>,
        config: &Config,
        prefix: &str,
        attributes: &[Attribute<'_>],
    ) -> Set {
        let key = |key: &str| format!("{prefix}{key}");
        self.change(recorder, config, |values| {
            values.retain(|key, _| !key.starts_with(prefix));
            values.extend(attributes.iter().map(|(name, value)| (key(name), value.to_any())));
        })
    }

    /// Sets one attribute, or removes it. Otherwise as [`GlobalContext::replace`].
    pub(crate) fn set<'r>(
        &self,
        recorder: impl FnOnce() -> Option<&'r Recorder>,
        config: &Config,
        key: &str,
        value: Option<Value<'_>>,
    ) -> Set {
        self.change(recorder, config, |values| {
            match value {
                Some(value) => values.insert(key.to_owned(), value.to_any()),
                None => values.remove(key),
            };
        })
    }

    fn change<'r>(
        &self,
        recorder: impl FnOnce() -> Option<&'r Recorder>,
        config: &Config,
        change: impl FnOnce(&mut BTreeMap<String, AnyValue>),
    ) -> Set {
        let mut values = self.lock();
        let mut attributes = values.attributes.clone();
        change(&mut attributes);
        if attributes == values.attributes {
            return Set::Unchanged;
        }
        if attributes.len() + config.resource.len() + OWN_ATTRIBUTES > MAX_ATTRIBUTES {
            return Set::Refused;
        }
        values.attributes = attributes;
        // The recorder is asked for under the lock. A thread that switches the client on catches up
        // after that, so no change is missed.
        match recorder() {
            Some(recorder) => values.journal(recorder, config),
            None => values.is_behind = true,
        }
        Set::Changed
    }

    /// Forgets everything that was set, because the user has denied consent.
    pub(crate) fn forget(&self) {
        *self.lock() = GlobalValues { is_behind: true, ..GlobalValues::default() };
    }
}

impl GlobalValues {
    fn set_installation(&mut self, found: Option<Found>) {
        self.is_new = matches!(found, Some(Found::New(_) | Found::Moved(_)));
        self.installation = found.map(|found| match found {
            Found::Known(installation) | Found::New(installation) | Found::Moved(installation) => installation,
        });
    }

    fn renew_installation(&mut self, config: &Config) {
        self.installation = config.installation_id.then(|| Installation::new(config.device_tag.as_deref()));
        (self.is_new, self.is_renewed) = (true, true);
    }

    fn take_installation(&mut self, installation: Installation, recorder: &Recorder, config: &Config) {
        let is_other = self.installation.as_ref().is_none_or(|own| own.id != installation.id);
        self.installation = Some(installation);
        if is_other {
            self.journal(recorder, config);
        }
    }

    /// Journals the attributes as they are.
    fn journal(&mut self, recorder: &Recorder, config: &Config) {
        let values = self;
        values.is_behind = false;
        let mut resource = vec![(semconv::SERVICE_NAME, Value::from(&config.service_name))];
        if !config.service_version.is_empty() {
            resource.push((semconv::SERVICE_VERSION, Value::from(&config.service_version)));
        }
        resource.push((semconv::DEPLOYMENT_ENVIRONMENT, config.environment.name().into()));
        resource.push((semconv::SDK_NAME, names::SCOPE_NAME.into()));
        resource.push((semconv::SDK_LANGUAGE, config.sdk_language.as_str().into()));
        resource.push((semconv::SDK_VERSION, env!("CARGO_PKG_VERSION").into()));
        resource.push((semconv::OS_TYPE, semconv::os_type(std::env::consts::OS).into()));
        resource.push((semconv::HOST_ARCH, semconv::host_arch(std::env::consts::ARCH).into()));
        let installation = values.installation.as_ref().map(|installation| installation.id.to_string());
        resource.extend(installation.iter().map(|id| (semconv::INSTALLATION_ID, Value::from(id))));
        // The app's own values win.
        resource.retain(|(key, _)| !config.resource.iter().any(|(own, _)| own == key));
        resource.extend(config.resource.iter().map(|(key, value)| (key.as_str(), Value::from(value))));
        let offset = values.server_offset_ms.map(|offset| (names::SERVER_OFFSET, offset.into()));
        let set = values.attributes.iter().map(|(key, value)| (key.as_str(), Value::from(value)));
        let records: Vec<Attribute<'_>> = offset.into_iter().chain(set).collect();
        recorder.set_context(ContextAttributes { resource: &resource, records: &records });
    }
}
