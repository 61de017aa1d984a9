//! Whose event it is: the release, the environment and the installation.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use super::json::hex;
use super::words;
use crate::model::export::ExportRow;
use crate::model::limits::SENTRY_INSTALLATION_BYTES;
use crate::model::names::semconv;
use crate::model::names::sentry::{ORIGINAL_DIST, ORIGINAL_ENVIRONMENT, ORIGINAL_RELEASE};
use crate::model::value::AnyValue;

/// What the app has said instead of the resource.
#[derive(Debug, Clone, Default)]
pub(super) struct Settings {
    pub(super) release: Option<String>,
    pub(super) environment: Option<String>,
}

/// Whose event it is, in texts that Relay takes. Empty: not known.
#[derive(Debug, Default)]
pub(super) struct Identity {
    pub(super) release: String,
    pub(super) environment: String,
    pub(super) dist: String,
    /// What was changed, by the tags that keep it.
    pub(super) originals: Vec<(&'static str, String)>,
    /// A hash of the installation's id. Sentry counts users by it, and nobody can look for the id.
    pub(super) installation: Option<String>,
}

impl Identity {
    pub(super) fn of(settings: &Settings, row: &ExportRow<'_>) -> Self {
        let resource = row.resource_attributes();
        let known = |key| find(resource, key).and_then(scalar).unwrap_or_default();
        let mut identity = Self::default();
        // An event keeps the release of the app that has recorded it, whichever app sends it.
        let recorded = known(semconv::SERVICE_VERSION);
        let release = settings.release.clone().filter(|_| recorded.is_empty());
        let release = release.unwrap_or_else(|| release_of(&known(semconv::SERVICE_NAME), &recorded));
        let environment = settings.environment.clone();
        let environment = environment.unwrap_or_else(|| known(semconv::DEPLOYMENT_ENVIRONMENT).into_owned());
        identity.release = identity.keep(ORIGINAL_RELEASE, &release, words::release);
        identity.environment = identity.keep(ORIGINAL_ENVIRONMENT, &environment, words::environment);
        identity.dist = identity.keep(ORIGINAL_DIST, &known(semconv::BUILD_ID), words::dist);
        let id = known(semconv::INSTALLATION_ID);
        identity.installation = (!id.is_empty()).then(|| {
            let hash = Sha256::digest(id.as_bytes());
            hex(hash.get(..SENTRY_INSTALLATION_BYTES).unwrap_or(&hash))
        });
        identity
    }

    /// A text as Relay takes it. Notes what it was, if it is another.
    fn keep(&mut self, tag: &'static str, text: &str, clean: fn(&str) -> Cow<'_, str>) -> String {
        let cleaned = clean(text).into_owned();
        if cleaned != text {
            self.originals.push((tag, text.to_owned()));
        }
        cleaned
    }
}

/// `shop@1.2.3`, the form in which Sentry compares versions. Without a version it is the name,
/// because a session without a release is refused. A version with an `@` is a release already.
fn release_of(name: &str, version: &str) -> String {
    match (name, version) {
        (name, "") => name.to_owned(),
        ("", version) => version.to_owned(),
        (_, version) if version.contains('@') => version.to_owned(),
        (name, version) => format!("{name}@{version}"),
    }
}

/// The value of an attribute: the last one, if there are several.
pub(super) fn find<'r, K: AsRef<str>>(entries: &'r [(K, AnyValue)], key: &str) -> Option<&'r AnyValue> {
    entries.iter().rev().find(|(known, _)| known.as_ref() == key).map(|(_, value)| value)
}

/// A value that is one word: a text, a number or a boolean.
pub(super) fn scalar(value: &AnyValue) -> Option<Cow<'_, str>> {
    Some(match value {
        AnyValue::Text(text) => text.into(),
        AnyValue::Int(number) => number.to_string().into(),
        AnyValue::Double(number) => number.to_string().into(),
        AnyValue::Bool(flag) => flag.to_string().into(),
        _ => return None,
    })
}
