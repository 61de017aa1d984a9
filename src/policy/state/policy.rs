//! What of a store is recorded: compiled once, asked before anything crosses a language boundary.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::path::{self, Pattern};
use crate::model::error::Error;
use crate::model::limits::{MAX_DECISIONS, MAX_NAME_CHARS, MAX_STATE_NAMES, MAX_STATE_WINDOW};

/// How much of a value is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Capture {
    /// Nothing.
    None,
    /// Booleans and numbers; of texts and bytes the length.
    #[default]
    Primitive,
    /// As `primitive`, and of lists and maps the number of elements.
    Summary,
    /// Texts, and lists and maps as JSON, all within 1,024 characters. Opt in per path.
    Full,
}

/// A capture rule for some paths.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaptureRule {
    /// The paths.
    pub paths: String,
    /// What is captured there.
    pub capture: Capture,
}

/// The policy of a traced store, in the terms of the configuration.
///
/// ```
/// use throughline::state::StorePolicy;
/// let policy = StorePolicy::default().allow(["items[*].price", "user.*.email"]).transient(["**.isLoading"]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StorePolicy {
    /// Paths that may become actions. Default: all.
    pub allow: Vec<String>,
    /// Paths that do not, whatever `allow` says.
    pub deny: Vec<String>,
    /// Paths that never make an action of their own: loading flags, scroll positions.
    pub transient: Vec<String>,
    /// Paths whose values are never captured, whatever the capture rules say.
    pub redact: Vec<String>,
    /// Capture where no rule says otherwise.
    pub capture: Capture,
    /// Capture for some paths; of several rules that match the last counts.
    pub captures: Vec<CaptureRule>,
    /// Mutations of one path and cause within this time are one action. Zero: each is its own. Default: 250 ms. JSON: `coalesce_ms`.
    #[serde(rename = "coalesce_ms", with = "millis")]
    pub coalesce: Duration,
    /// A value that is back where it was within this time leaves no action. Zero (the default): it does. JSON: `ignore_if_reverted_ms`.
    #[serde(rename = "ignore_if_reverted_ms", with = "millis")]
    pub ignore_if_reverted: Duration,
    /// Actions per second; mutations beyond them are counted. Default: 20.
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
            coalesce: Duration::from_millis(250),
            ignore_if_reverted: Duration::ZERO,
            max_actions_per_second: 20,
        }
    }
}

/// A duration in JSON is a whole number of milliseconds.
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

/// One setter of a list of patterns.
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
    /// Sets the paths that may become actions.
    allow;
    /// Sets the paths that do not.
    deny;
    /// Sets the paths that never make an action of their own.
    transient;
    /// Sets the paths whose values are never captured.
    redact;
}

impl StorePolicy {
    /// Sets what is captured on some paths.
    #[must_use]
    pub fn capture(mut self, paths: impl Into<String>, capture: Capture) -> Self {
        self.captures.push(CaptureRule { paths: paths.into(), capture });
        self
    }

    /// Sets the coalescing window.
    #[must_use]
    pub fn coalesce(mut self, window: Duration) -> Self {
        self.coalesce = window;
        self
    }

    /// Sets the time within which a value that is back leaves no action.
    #[must_use]
    pub fn ignore_if_reverted(mut self, window: Duration) -> Self {
        self.ignore_if_reverted = window;
        self
    }

    /// Sets the budget.
    #[must_use]
    pub fn max_actions_per_second(mut self, actions: u32) -> Self {
        self.max_actions_per_second = actions;
        self
    }
}

/// Why a mutation makes no action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Suppressed {
    /// No `allow` pattern covers the path.
    NotAllowed = 0,
    /// A `deny` pattern covers it.
    Denied = 1,
    /// A `transient` pattern covers it.
    Transient = 2,
    /// The path cannot be read.
    BadPath = 3,
    /// The new value equals the old one.
    Unchanged = 4,
    /// The value was back where it had been in time.
    Reverted = 5,
    /// The store's budget was used up.
    Budget = 6,
    /// A facade decided so by the policy that it holds.
    Facade = 7,
    /// A diff found more mutations than it reports, or values too large to compare.
    DiffLimit = 8,
}

impl Suppressed {
    /// Every reason, in the order of the codes.
    pub const ALL: [Suppressed; 9] = [
        Suppressed::NotAllowed,
        Suppressed::Denied,
        Suppressed::Transient,
        Suppressed::BadPath,
        Suppressed::Unchanged,
        Suppressed::Reverted,
        Suppressed::Budget,
        Suppressed::Facade,
        Suppressed::DiffLimit,
    ];

    /// The name in `health()` and in explanations.
    pub fn name(self) -> &'static str {
        match self {
            Suppressed::NotAllowed => "not_allowed",
            Suppressed::Denied => "denied",
            Suppressed::Transient => "transient",
            Suppressed::BadPath => "bad_path",
            Suppressed::Unchanged => "unchanged",
            Suppressed::Reverted => "reverted",
            Suppressed::Budget => "budget",
            Suppressed::Facade => "facade",
            Suppressed::DiffLimit => "diff_limit",
        }
    }
}

/// The decision about a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathDecision {
    /// Its mutations become actions of this name: `Cart.items[*].price.Update`.
    Record {
        /// The action's name.
        name: Arc<str>,
        /// What is captured of its values.
        capture: Capture,
    },
    /// They do not.
    Ignore(Suppressed),
}

/// A compiled policy. Its version is another one after every update: a facade that has cached a decision compares it.
#[derive(Debug)]
pub struct Policy {
    store: String,
    version: u64,
    allow: Vec<Pattern>,
    deny: Vec<Pattern>,
    transient: Vec<Pattern>,
    redact: Vec<Pattern>,
    capture: Capture,
    captures: Vec<(Pattern, Capture)>,
    pub(super) coalesce: Duration,
    pub(super) revert: Duration,
    pub(super) budget: u32,
    decisions: HashMap<Box<str>, PathDecision>,
    names: HashMap<Box<str>, Arc<str>>,
}

impl Policy {
    /// Compiles a policy.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] with the list, the pattern and the byte at which it breaks.
    pub fn new(store: &str, version: u64, policy: &StorePolicy) -> Result<Self, Error> {
        if store.is_empty() || store.chars().count() > 64 || store.contains(|c: char| c.is_control() || c == '.') {
            return Err(Error::config("state.store", format!("is empty, longer than 64, or has a dot: `{store}`")));
        }
        let bound = |field, window: Duration| match window <= MAX_STATE_WINDOW {
            true => Ok(window),
            false => Err(Error::config(field, "is more than a minute")),
        };
        let captures = policy.captures.iter().map(|rule| Ok((pattern("state.captures", &rule.paths)?, rule.capture)));
        Ok(Self {
            store: store.to_owned(),
            version,
            allow: patterns("state.allow", &policy.allow)?,
            deny: patterns("state.deny", &policy.deny)?,
            transient: patterns("state.transient", &policy.transient)?,
            redact: patterns("state.redact", &policy.redact)?,
            capture: policy.capture,
            captures: captures.collect::<Result<_, _>>()?,
            coalesce: bound("state.coalesce_ms", policy.coalesce)?,
            revert: bound("state.ignore_if_reverted_ms", policy.ignore_if_reverted)?,
            budget: policy.max_actions_per_second,
            decisions: HashMap::new(),
            names: HashMap::new(),
        })
    }

    /// The store's name.
    pub fn store(&self) -> &str {
        &self.store
    }

    /// The version.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Decides about a path, from memory where it can.
    pub fn decide(&mut self, path: &str) -> PathDecision {
        if let Some(known) = self.decisions.get(path) {
            return known.clone();
        }
        let decision = self.consider(path);
        if self.decisions.len() < MAX_DECISIONS {
            self.decisions.insert(path.into(), decision.clone());
        }
        decision
    }

    fn consider(&mut self, text: &str) -> PathDecision {
        let Ok(path) = path::parse(text) else { return PathDecision::Ignore(Suppressed::BadPath) };
        let covers = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.matches(&path));
        if covers(&self.deny) {
            return PathDecision::Ignore(Suppressed::Denied);
        }
        if covers(&self.transient) {
            return PathDecision::Ignore(Suppressed::Transient);
        }
        let Some(allowed) = self.allow.iter().find(|pattern| pattern.matches(&path)) else {
            return PathDecision::Ignore(Suppressed::NotAllowed);
        };
        let capture = if covers(&self.redact) {
            Capture::None
        } else {
            let rule = self.captures.iter().rev().find(|rule| rule.0.matches(&path));
            rule.map_or(self.capture, |rule| rule.1)
        };
        let mut name = allowed.name(&path);
        if !self.names.contains_key(name.as_str()) && self.names.len() >= MAX_STATE_NAMES {
            name = allowed.text().to_owned();
        }
        let name = match self.names.get(name.as_str()) {
            Some(known) => Arc::clone(known),
            None => {
                let mut full = format!("{}.{name}", self.store);
                full.truncate(full.floor_char_boundary(MAX_NAME_CHARS - ".Update".len()));
                let full: Arc<str> = (full + ".Update").into();
                self.names.insert(name.into(), Arc::clone(&full));
                full
            }
        };
        PathDecision::Record { name, capture }
    }
}

fn patterns(field: &'static str, texts: &[String]) -> Result<Vec<Pattern>, Error> {
    texts.iter().map(|text| pattern(field, text)).collect()
}

fn pattern(field: &'static str, text: &str) -> Result<Pattern, Error> {
    Pattern::new(text).map_err(|error| Error::config(field, format!("`{text}` cannot be read {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(decision: &PathDecision) -> &str {
        match decision {
            PathDecision::Record { name, .. } => name,
            PathDecision::Ignore(reason) => reason.name(),
        }
    }

    #[test]
    fn deny_and_transient_beat_allow() {
        let policy = StorePolicy::default().allow(["items[*].*", "user.**"]).deny(["**.secret"]).transient(["**.open"]);
        let mut policy = Policy::new("Cart", 1, &policy).unwrap();
        for (path, want) in [
            ("items[3].price", "Cart.items[*].*.Update"),
            ("items[3].secret", "denied"),
            ("user.menu.open", "transient"),
            ("other", "not_allowed"),
            ("items[", "bad_path"),
            ("user.name", "Cart.user.name.Update"),
        ] {
            assert_eq!(name(&policy.decide(path)), want, "{path}");
            assert_eq!(name(&policy.decide(path)), want, "{path}, from memory");
        }
    }

    #[test]
    fn redaction_beats_capture_and_the_last_rule_counts() {
        let policy = StorePolicy::default().capture("**", Capture::Summary).capture("a", Capture::Full).redact(["b"]);
        let mut policy = Policy::new("S", 1, &policy).unwrap();
        let mut capture = |path| match policy.decide(path) {
            PathDecision::Record { capture, .. } => capture,
            other => panic!("{other:?}"),
        };
        assert_eq!((capture("a"), capture("b"), capture("c")), (Capture::Full, Capture::None, Capture::Summary));
    }

    #[test]
    fn names_are_bounded_and_paths_that_are_not_remembered_are_decided_too() {
        let mut policy = Policy::new("S", 1, &StorePolicy::default()).unwrap();
        let mut names = std::collections::HashSet::new();
        for n in 0..5_000 {
            names.insert(name(&policy.decide(&format!("k{n}"))).to_owned());
        }
        assert_eq!(names.len(), MAX_STATE_NAMES + 1);
        assert!(names.contains("S.**.Update") && policy.decisions.len() == MAX_DECISIONS);
    }

    #[test]
    fn a_bad_pattern_is_named_with_its_position() {
        let error = Policy::new("S", 1, &StorePolicy::default().deny(["a[x"])).unwrap_err().to_string();
        assert!(error.contains("state.deny") && error.contains("`a[x`") && error.contains("at byte 1"), "{error}");
        assert!(Policy::new("a.b", 1, &StorePolicy::default()).is_err());
        let long = StorePolicy { coalesce: Duration::from_secs(100), ..StorePolicy::default() };
        assert!(Policy::new("S", 1, &long).is_err());
    }
}
