//! What a policy decides about the mutations of a path.

use std::sync::Arc;

use super::store_policy::Capture;

/// Why a mutation became no action. The codes are part of the facades' protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Suppressed {
    /// No `allow` pattern selects the path.
    NotAllowed = 0,
    /// A `deny` pattern selects it.
    Denied = 1,
    /// A `transient` pattern selects it.
    Transient = 2,
    /// The path cannot be read.
    BadPath = 3,
    /// The new value equals the old one.
    Unchanged = 4,
    /// The value was reverted within the policy's time.
    Reverted = 5,
    /// The store had made as many actions in this second as it may.
    Budget = 6,
    /// A facade decided it by the policy's decisions that it remembers.
    Facade = 7,
    /// A diff found more mutations than it reports.
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

    /// The name for people and in JSON.
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

/// What the policy decides about mutations of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathDecision {
    /// They become actions.
    Record {
        /// The name of the actions: `Cart.items[*].price.Update`.
        name: Arc<str>,
        /// What is captured of the values.
        capture: Capture,
    },
    /// They are counted and not recorded.
    Ignore(Suppressed),
}
