//! What a run writes down about itself: what is constant in it, and what it is doing.

use uuid::Uuid;

use super::tlv::{Writer, each};
use crate::model::event::TraceContext;
use crate::model::limits::DYING_TIME;
use crate::model::time::BootTime;

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
    /// The error of a language of which the process was dying.
    pub fatal: Option<Fatal>,
    /// The session that it was in.
    pub session: Option<Uuid>,
}

/// An error of a language that ends the process: an exception, a panic, a fatal error of
/// JavaScript.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fatal {
    /// The id of its event.
    pub id: Uuid,
    /// When it was recorded.
    pub at: BootTime,
    /// The same in wall time, ns since the Unix epoch.
    pub wall: u64,
    /// The session in which it was recorded. If the process lives on, it goes over to another.
    pub session: Option<Uuid>,
}

impl Fatal {
    /// Whether something that happened at `at` is the same death: languages end a process by a
    /// signal, or hand their error on to another language.
    pub fn explains(&self, at: BootTime) -> bool {
        at >= self.at && at.since(self.at) <= DYING_TIME
    }
}

impl CrashState {
    /// The bytes, in place of what a buffer holds.
    pub(super) fn to_bytes(&self, buffer: Vec<u8>) -> Vec<u8> {
        Writer::in_place_of(buffer)
            .number(1, self.context.into())
            .number(2, self.scope.into())
            .id(3, self.action)
            .trace(4, self.operation)
            .bytes(5, self.operation_name.as_bytes())
            .id(6, self.fatal.map(|fatal| fatal.id))
            .number(7, self.fatal.map_or(0, |fatal| fatal.at.0))
            .id(8, self.session)
            .number(9, self.fatal.map_or(0, |fatal| fatal.wall))
            .id(10, self.fatal.and_then(|fatal| fatal.session))
            .end()
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        let mut state = Self::default();
        let mut died = Fatal { id: Uuid::nil(), at: BootTime(0), wall: 0, session: None };
        let mut fatal = None;
        each(bytes, |number, value| match number {
            1 => state.context = value.version(),
            2 => state.scope = value.version(),
            3 => state.action = value.id(),
            4 => state.operation = value.trace(),
            5 => state.operation_name = value.text(),
            6 => fatal = value.id(),
            7 => died.at = BootTime(value.number()),
            8 => state.session = value.id(),
            9 => died.wall = value.number(),
            10 => died.session = value.id(),
            _ => {}
        });
        state.fatal = fatal.map(|id| Fatal { id, ..died });
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
            fatal: Some(Fatal { id: Uuid::from_u128(6), at: BootTime(9), wall: 10, session: Some(Uuid::from_u128(7)) }),
            session: Some(Uuid::from_u128(8)),
        };
        assert_eq!(CrashState::from_bytes(&state.to_bytes(vec![1, 2, 3])), state);
        assert_eq!(CrashState::from_bytes(&CrashState::default().to_bytes(Vec::new())), CrashState::default());
        let facts = Facts { base_wall: 1, boot: 2, started: 3, process: 4, app_version: "1.2".to_owned() };
        assert_eq!(Facts::from_bytes(&facts.to_bytes()), facts);
    }

    #[test]
    fn a_signal_long_after_an_error_that_was_survived_is_a_death_of_its_own() {
        let fatal = Fatal { id: Uuid::from_u128(6), at: BootTime(20_000_000_000), wall: 0, session: None };
        let explained = [19, 20, 30, 31].map(|second| fatal.explains(BootTime(second * 1_000_000_000)));
        assert_eq!(explained, [false, true, true, false]);
    }

    #[test]
    fn a_later_version_may_write_more() {
        let mut bytes = CrashState { scope: 7, ..CrashState::default() }.to_bytes(Vec::new());
        bytes.extend_from_slice(&[200, 2, 0, 1, 1]);
        assert_eq!(CrashState::from_bytes(&bytes).scope, 7);
    }
}
