//! What the door answers: one number for every call.

use throughline::state::PathDecision;

use crate::draft::rows::constants;

constants! {
    /// What the core answers to a draft. Three calls answer a version or a `PathAnswer` instead of
    /// `DONE`.
    pub(crate) ANSWERS as "Answer" {
        /// It was recorded.
        DONE: i64 = 1;
        /// It was not kept: sampled out, no room, switched off. The core has counted it.
        NOT_KEPT: i64 = 0;
        /// There is no such client, or it is shut down.
        CLOSED: i64 = -1;
        /// The bytes are not a draft.
        MALFORMED: i64 = -2;
        /// It names a store or a slot that is not there, or a policy that cannot work. `health`
        /// says which.
        UNKNOWN: i64 = -3;
    }
}

constants! {
    /// The answer to "decide", if it is positive: the version of the store's policy, shifted to the
    /// left, and a code.
    pub(crate) PATH_ANSWERS as "PathAnswerLayout" {
        /// How far the version is shifted.
        VERSION_SHIFT: u32 = 8;
        /// The bits of the code.
        CODE_MASK: i64 = 0xff;
        /// The code of a path whose mutations are recorded. Every other code ignores them, and says
        /// why: it is 1 + the reason.
        RECORDS: i64 = 0;
    }
}

/// What the core answers to a draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answer(i64);

impl Answer {
    /// It was recorded.
    pub(crate) const DONE: Self = Self(DONE);
    /// It was not kept, and the core has counted it.
    pub(crate) const NOT_KEPT: Self = Self(NOT_KEPT);
    /// There is no such client, or it is shut down.
    pub(crate) const CLOSED: Self = Self(CLOSED);
    /// The bytes are not a draft.
    pub(crate) const MALFORMED: Self = Self(MALFORMED);
    /// It names something that is not there.
    pub(crate) const UNKNOWN: Self = Self(UNKNOWN);

    /// `DONE`, or `NOT_KEPT`.
    pub(crate) fn kept(is_kept: bool) -> Self {
        if is_kept { Self::DONE } else { Self::NOT_KEPT }
    }

    /// The version of a store's policy.
    pub(crate) fn version(version: u64) -> Self {
        Self(version as i64)
    }

    /// What the policy with a version says about a path.
    pub(crate) fn path(version: u64, decision: PathDecision) -> Self {
        let code = match decision {
            PathDecision::Record { .. } => RECORDS,
            PathDecision::Ignore(reason) => 1 + i64::from(reason as u8),
        };
        Self((version as i64) << VERSION_SHIFT | code)
    }

    /// The number that crosses.
    pub(crate) fn code(self) -> i64 {
        self.0
    }
}
