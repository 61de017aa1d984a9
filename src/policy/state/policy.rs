//! A compiled policy: asked before a mutation crosses a language boundary.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::decision::{PathDecision, Suppressed};
use super::path::{self, Pattern, Segment};
use super::store_policy::{Capture, CaptureRule, StorePolicy};
use crate::model::error::Error;
use crate::model::limits::{MAX_DECISIONS, MAX_NAME_CHARS, MAX_STATE_NAMES, MAX_STATE_WINDOW, MAX_STORE_NAME_CHARS};
use crate::policy::redact::SecretKeys;

/// A compiled policy. Every update has another version, by which a facade notices that the
/// decisions it remembers are old.
#[derive(Debug)]
pub struct Policy {
    store: String,
    version: u64,
    allow: Vec<Pattern>,
    deny: Vec<Pattern>,
    transient: Vec<Pattern>,
    redact: Vec<Pattern>,
    capture: Capture,
    captures: Vec<CompiledRule>,
    pub(super) coalesce: Duration,
    pub(super) revert: Duration,
    pub(super) budget: u32,
    /// Decisions by path.
    decisions: HashMap<Box<str>, PathDecision>,
    /// Keys whose values are never captured.
    secrets: SecretKeys,
    /// Names of actions, by the pattern that they are made of.
    names: HashMap<Box<str>, Arc<str>>,
}

#[derive(Debug)]
struct CompiledRule {
    paths: Pattern,
    capture: Capture,
}

impl Policy {
    /// Compiles a policy.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] that names the list, the pattern and the byte at which it breaks.
    pub fn new(store: &str, version: u64, policy: &StorePolicy) -> Result<Self, Error> {
        if store.is_empty()
            || store.chars().count() > MAX_STORE_NAME_CHARS
            || store.contains(|c: char| c.is_control() || c == '.')
        {
            return Err(Error::config("state.store", format!("is empty, longer than 64, or has a dot: `{store}`")));
        }
        let bound = |field, window: Duration| {
            if window <= MAX_STATE_WINDOW { Ok(window) } else { Err(Error::config(field, "is more than a minute")) }
        };
        let compile = |rule: &CaptureRule| {
            Ok(CompiledRule { paths: pattern("state.captures", &rule.paths)?, capture: rule.capture })
        };
        Ok(Self {
            store: store.to_owned(),
            version,
            allow: patterns("state.allow", &policy.allow)?,
            deny: patterns("state.deny", &policy.deny)?,
            transient: patterns("state.transient", &policy.transient)?,
            redact: patterns("state.redact", &policy.redact)?,
            capture: policy.capture,
            captures: policy.captures.iter().map(compile).collect::<Result<_, Error>>()?,
            coalesce: bound("state.coalesce_ms", policy.coalesce)?,
            revert: bound("state.ignore_if_reverted_ms", policy.ignore_if_reverted)?,
            budget: policy.max_actions_per_second,
            decisions: HashMap::new(),
            secrets: SecretKeys::default(),
            names: HashMap::new(),
        })
    }

    /// The same policy, which hides what a configuration calls secret.
    #[must_use]
    pub fn hiding(mut self, secrets: &SecretKeys) -> Self {
        self.secrets = secrets.clone();
        self
    }

    /// Keys whose values are never captured.
    pub(super) fn secrets(&self) -> &SecretKeys {
        &self.secrets
    }

    /// The store's name.
    pub fn store(&self) -> &str {
        &self.store
    }

    /// The version, which the caller gave.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Decides about a path. A decision is remembered, for the first 1,024 paths.
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
        let is_secret = |segment: &Segment<'_>| matches!(segment, Segment::Key(key) if self.secrets.is_secret(key));
        let capture = if covers(&self.redact) || (path.iter().any(is_secret) && !self.secrets.is_allowed(text)) {
            Capture::None
        } else {
            let rule = self.captures.iter().rev().find(|rule| rule.paths.matches(&path));
            rule.map_or(self.capture, |rule| rule.capture)
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
