//! The policy of a traced store, as an app configures it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::limits::{DEFAULT_ACTIONS_PER_SECOND, DEFAULT_COALESCE};

/// How much of a value is recorded.
///
/// ```
/// use throughline::state::{Capture, StorePolicy};
///
/// // Numbers as they are, sizes of everything else; the text of one path, and nothing of another.
/// let policy = StorePolicy { capture: Capture::Summary, ..StorePolicy::default() }
///     .capture("status", Capture::Full)
///     .capture("user.**", Capture::None);
/// # let _ = policy;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Capture {
    /// Nothing is recorded.
    None,
    /// Booleans and numbers as they are; of texts and bytes the length.
    #[default]
    Primitive,
    /// As [`Capture::Primitive`], and of lists and maps the number of elements.
    Summary,
    /// Texts as they are, lists and maps as JSON, all cut to 1,024 characters. Texts may hold
    /// personal data, so choose this only for paths whose values are known.
    Full,
}

/// What is captured on the paths that match a pattern. [`StorePolicy::capture`] makes one.
///
/// ```
/// use throughline::state::{Capture, CaptureRule};
///
/// let rule = CaptureRule { paths: "items[*].price".to_owned(), capture: Capture::Full };
/// # let _ = rule;
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaptureRule {
    /// The pattern of the paths.
    pub paths: String,
    /// What is captured there.
    pub capture: Capture,
}

/// Which mutations of a traced store become actions, and what they carry.
///
/// A policy can also be read from JSON, with the field names below; durations are then whole
/// milliseconds.
///
/// ```
/// use std::time::Duration;
/// use throughline::state::{Capture, StorePolicy};
///
/// let policy = StorePolicy::default()
///     .allow(["items[*].price", "user.*.email"])
///     .transient(["**.isLoading"])
///     .redact(["user.*.email"])
///     .capture("items[*].price", Capture::Full)
///     .ignore_if_reverted(Duration::from_millis(500))
///     .max_actions_per_second(10);
/// # let _ = policy;
/// ```
///
/// The methods are named like the fields: a field is read, a method sets it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StorePolicy {
    /// Patterns of paths whose mutations become actions. Default: `**`, all.
    pub allow: Vec<String>,
    /// Patterns of paths whose mutations do not, whatever `allow` says. Default: none.
    pub deny: Vec<String>,
    /// Patterns of paths that change all the time and are never an action of their own: loading
    /// flags, scroll positions. Default: none.
    pub transient: Vec<String>,
    /// Patterns of paths whose values are never captured, whatever the capture rules say. Default:
    /// none.
    pub redact: Vec<String>,
    /// What is captured where no rule says otherwise. Default: [`Capture::Primitive`].
    pub capture: Capture,
    /// What is captured on some paths. Of several rules that match, the last counts.
    pub captures: Vec<CaptureRule>,
    /// Mutations of one path with one cause within this time are one action, at most a minute. With
    /// zero, each is an action of its own. Default: 250 ms. In JSON: `coalesce_ms`.
    #[serde(rename = "coalesce_ms", with = "millis")]
    pub coalesce: Duration,
    /// A value that has its old value again within this time leaves no action, at most a minute.
    /// With zero, it does. Default: zero. In JSON: `ignore_if_reverted_ms`.
    #[serde(rename = "ignore_if_reverted_ms", with = "millis")]
    pub ignore_if_reverted: Duration,
    /// The store's actions in a second; further mutations are only counted. Default: 20.
    pub max_actions_per_second: u32,
}

impl Default for StorePolicy {
    fn default() -> Self {
        Self {
            allow: vec!["**".to_owned()],
            deny: Vec::new(),
            transient: Vec::new(),
            redact: Vec::new(),
            capture: Capture::Primitive,
            captures: Vec::new(),
            coalesce: DEFAULT_COALESCE,
            ignore_if_reverted: Duration::ZERO,
            max_actions_per_second: DEFAULT_ACTIONS_PER_SECOND,
        }
    }
}

/// In JSON a duration is a whole number of milliseconds.
mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(u64::try_from(value.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_millis)
    }
}

/// Writes the setters of lists of patterns.
macro_rules! lists {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        impl StorePolicy {
            $($(#[$doc])* #[must_use] pub fn $name<S: Into<String>>(mut self, paths: impl IntoIterator<Item = S>) -> Self {
                self.$name = paths.into_iter().map(Into::into).collect();
                self
            })*
        }
    };
}

lists! {
    /// Sets the patterns of paths whose mutations become actions.
    allow;
    /// Sets the patterns of paths whose mutations do not.
    deny;
    /// Sets the patterns of paths that are never an action of their own.
    transient;
    /// Sets the patterns of paths whose values are never captured.
    redact;
}

impl StorePolicy {
    /// Sets what is captured on the paths that a pattern selects.
    #[must_use]
    pub fn capture(mut self, paths: impl Into<String>, capture: Capture) -> Self {
        self.captures.push(CaptureRule { paths: paths.into(), capture });
        self
    }

    /// Sets the time within which mutations of one path are one action.
    #[must_use]
    pub fn coalesce(mut self, window: Duration) -> Self {
        self.coalesce = window;
        self
    }

    /// Sets the time within which a value that is reverted leaves no action.
    #[must_use]
    pub fn ignore_if_reverted(mut self, window: Duration) -> Self {
        self.ignore_if_reverted = window;
        self
    }

    /// Sets how many actions the store may make in a second.
    #[must_use]
    pub fn max_actions_per_second(mut self, actions: u32) -> Self {
        self.max_actions_per_second = actions;
        self
    }
}
