//! What `explain` is given: a part of the client's configuration, and one event.

use std::collections::BTreeMap;

use anyhow::{Result, bail, ensure};
use serde::Deserialize;
use serde_json::{Map, Value as Json};
use throughline::internals::redact::RedactRules;
use throughline::state::StorePolicy;
use throughline::trace::TraceHost;
use uuid::Uuid;

/// The settings that decide about single events. The defaults are the client's.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Settings {
    pub(super) session_sample_rate: f64,
    pub(super) trace_sample_rate: f64,
    pub(super) trace_hosts: Vec<TraceHost>,
    pub(super) stores: BTreeMap<String, StorePolicy>,
    pub(super) redact: RedactRules,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            session_sample_rate: 1.0,
            trace_sample_rate: 1.0,
            trace_hosts: Vec::new(),
            stores: BTreeMap::new(),
            redact: RedactRules::default(),
        }
    }
}

/// The event in question. Which fields it needs depends on its kind.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Event {
    pub(super) kind: String,
    pub(super) store: Option<String>,
    pub(super) path: Option<String>,
    pub(super) old: Option<Json>,
    pub(super) new: Option<Json>,
    pub(super) name: Option<String>,
    pub(super) url: Option<String>,
    pub(super) message: Option<String>,
    #[serde(default)]
    pub(super) attributes: Map<String, Json>,
    pub(super) session_id: Option<Uuid>,
    pub(super) trace_id: Option<String>,
}

/// The kinds of events whose treatment differs.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Mutation,
    Action,
    Resource,
    Error,
    Log,
    Span,
}

impl Kind {
    const ALL: [(&'static str, Self); 6] = [
        ("mutation", Self::Mutation),
        ("action", Self::Action),
        ("resource", Self::Resource),
        ("error", Self::Error),
        ("log", Self::Log),
        ("span", Self::Span),
    ];

    /// Fails if the event lacks what its kind is judged by, or has what belongs to mutations alone:
    /// the answer would be about something else than what was asked.
    pub(super) fn check(self, event: &Event) -> Result<()> {
        ensure!(!matches!(self, Self::Resource) || event.url.is_some(), "a resource needs `url`");
        let of_a_mutation = [
            ("store", event.store.is_some()),
            ("path", event.path.is_some()),
            ("old", event.old.is_some()),
            ("new", event.new.is_some()),
        ];
        for (field, is_there) in of_a_mutation {
            let is_wrong = is_there && !matches!(self, Self::Mutation);
            ensure!(!is_wrong, "`{field}` belongs to events of the kind `mutation`, and this one is `{}`", event.kind);
        }
        Ok(())
    }

    pub(super) fn from_name(name: &str) -> Result<Self> {
        let found = Self::ALL.iter().find(|(known, _)| *known == name);
        match found {
            Some((_, kind)) => Ok(*kind),
            None => bail!("unknown kind `{name}`; known are {}", Self::ALL.map(|(name, _)| name).join(", ")),
        }
    }
}
