//! Mutations of traced stores, and what caused them.

use uuid::Uuid;

use crate::model::event::TraceContext;
use crate::model::value::{Attribute, Value};

/// What a mutation did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MutationKind {
    /// A value was set.
    Set,
    /// A key or element was added.
    Insert,
    /// A key or element was removed.
    Delete,
    /// A whole container was replaced.
    Replace,
    /// An array method changed several elements: `sort`, `splice`. One mutation.
    Batch,
}

impl MutationKind {
    /// The value of the attribute `state.mutation`.
    pub fn name(self) -> &'static str {
        match self {
            MutationKind::Set => "set",
            MutationKind::Insert => "insert",
            MutationKind::Delete => "delete",
            MutationKind::Replace => "replace",
            MutationKind::Batch => "batch",
        }
    }

    /// The kind with a name.
    pub fn from_name(name: &str) -> Option<Self> {
        use MutationKind::{Batch, Delete, Insert, Replace, Set};
        [Set, Insert, Delete, Replace, Batch].into_iter().find(|kind| kind.name() == name)
    }
}

/// A mutation of a traced store, as a host reports it.
///
/// ```
/// use throughline::state::{Mutation, MutationKind};
///
/// let attributes = [("currency", "EUR".into())];
/// let price = Mutation::set("items[3].price", 10, 12).attributes(&attributes);
/// let set = Mutation::set("items[4]", 0, 1);
/// let added = Mutation { kind: MutationKind::Insert, old: None, ..set };
/// assert_eq!((price.path, added.kind.name()), ("items[3].price", "insert"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mutation<'a> {
    /// The path of the value: `items[3].price`.
    pub path: &'a str,
    /// What happened to it.
    pub kind: MutationKind,
    /// The value before the mutation, if the host knows it.
    pub old: Option<Value<'a>>,
    /// The value after the mutation, if there is one.
    pub new: Option<Value<'a>>,
    /// What the host says about the store at that moment. If several mutations are one action, the
    /// latest attributes count.
    pub attributes: &'a [Attribute<'a>],
}

impl<'a> Mutation<'a> {
    /// A mutation that set a value.
    pub fn set(path: &'a str, old: impl Into<Value<'a>>, new: impl Into<Value<'a>>) -> Self {
        Self { path, kind: MutationKind::Set, old: Some(old.into()), new: Some(new.into()), attributes: &[] }
    }

    /// Sets what the host says about the store at that moment.
    #[must_use]
    pub fn attributes(self, attributes: &'a [Attribute<'a>]) -> Self {
        Self { attributes, ..self }
    }
}

/// Why a mutation happened, as far as it is certain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CauseKind {
    /// The cause is not known.
    #[default]
    None,
    /// The user action that was open at the moment.
    Action,
    /// The operation that was running at the moment.
    Operation,
    /// Several could have been the cause, so none is named.
    Ambiguous,
}

impl CauseKind {
    /// The value of the attribute `state.cause`.
    pub fn name(self) -> &'static str {
        match self {
            CauseKind::None => "none",
            CauseKind::Action => "action",
            CauseKind::Operation => "operation",
            CauseKind::Ambiguous => "ambiguous",
        }
    }
}

/// A cause, with the ids that refer to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cause {
    /// What kind of cause it is.
    pub kind: CauseKind,
    /// The span that the mutation belongs to.
    pub trace: Option<TraceContext>,
    /// The user action that caused the mutation.
    pub action: Option<Uuid>,
}
