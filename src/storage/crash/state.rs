//! What a run writes down about itself: what is constant in it, and what it is doing.

use uuid::Uuid;

use super::tlv::{Writer, each};
use crate::model::event::TraceContext;

/// What is constant in a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The wall time to which the times of the run's events refer, ns since the Unix epoch.
    pub base_wall: u64,
    /// The boot, as a hash of its id.
    pub boot: u64,
    /// Boot time at the start, ns.
    pub started: u64,
    /// The process's number.
    pub process: u64,
    /// The app's version.
    pub app_version: String,
}

impl Facts {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        Writer::default()
            .number(1, self.base_wall)
            .number(2, self.boot)
            .number(3, self.started)
            .number(4, self.process)
            .bytes(5, self.app_version.as_bytes())
            .end()
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        let mut facts = Self::default();
        each(bytes, |number, value| match number {
            1 => facts.base_wall = value.number(),
            2 => facts.boot = value.number(),
            3 => facts.started = value.number(),
            4 => facts.process = value.number(),
            5 => facts.app_version = value.text(),
            _ => {}
        });
        facts
    }
}

/// What a run is doing: what a crash belongs to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CrashState {
    /// The version of the context record that events refer to. 0 for none.
    pub context: u32,
    /// The version of the scope record that events refer to, which has the session and the view. 0
    /// for none.
    pub scope: u32,
    /// The action that was collecting.
    pub action: Option<Uuid>,
    /// The operation that was running, if it was one.
    pub operation: Option<TraceContext>,
    /// The name of that operation.
    pub operation_name: String,
}

impl CrashState {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        Writer::default()
            .number(1, self.context.into())
            .number(2, self.scope.into())
            .id(3, self.action)
            .trace(4, self.operation)
            .bytes(5, self.operation_name.as_bytes())
            .end()
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        let mut state = Self::default();
        each(bytes, |number, value| match number {
            1 => state.context = value.version(),
            2 => state.scope = value.version(),
            3 => state.action = value.id(),
            4 => state.operation = value.trace(),
            5 => state.operation_name = value.text(),
            _ => {}
        });
        state
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_run_says_of_itself_is_read_back() {
        let state = CrashState {
            context: 3,
            scope: 7,
            action: Some(Uuid::from_u128(5)),
            operation: Some(TraceContext { trace_id: [1; 16], span_id: [2; 8], sampled: true }),
            operation_name: "Checkout".to_owned(),
        };
        assert_eq!(CrashState::from_bytes(&state.to_bytes()), state);
        assert_eq!(CrashState::from_bytes(&CrashState::default().to_bytes()), CrashState::default());
        let facts = Facts { base_wall: 1, boot: 2, started: 3, process: 4, app_version: "1.2".to_owned() };
        assert_eq!(Facts::from_bytes(&facts.to_bytes()), facts);
    }

    #[test]
    fn a_later_version_may_write_more() {
        let mut bytes = CrashState { scope: 7, ..CrashState::default() }.to_bytes();
        bytes.extend_from_slice(&[200, 2, 0, 1, 1]);
        assert_eq!(CrashState::from_bytes(&bytes).scope, 7);
    }
}
