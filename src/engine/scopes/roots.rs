//! Spans of actions that have ended before the operations that they began.
//!
//! An action ends when nothing has happened for a while, and a new one ends it too. Its span is the
//! root of a trace, and a root that ends before its own operation would tell a reader that the
//! operation was nobody's. So such a span stays open in the journal until the last of those
//! operations has ended. If the process dies first, the next start closes it, as it does with the
//! operations.

use uuid::Uuid;

use super::{Locked, SpanData};
use crate::engine::recorder::{Moment, Open};
use crate::model::event::{Span, TraceContext};
use crate::model::time::BootTime;

/// The span of an action, which covers everything that the action caused.
#[derive(Debug)]
pub(super) struct RootSpan {
    pub(super) action: Uuid,
    pub(super) name: String,
    pub(super) trace: TraceContext,
    /// It belongs to the user and the view of the action's beginning.
    pub(super) moment: Moment,
    pub(super) started: BootTime,
    pub(super) started_wall: u64,
    /// When the latest thing that the action caused happened or ended.
    pub(super) last: BootTime,
}

impl RootSpan {
    fn with_span<R>(&self, visit: impl FnOnce(&Span<'_>) -> R) -> R {
        let duration = self.last.since(self.started);
        visit(&Span::new(&self.name, self.trace, duration).at(self.started_wall).action_id(self.action))
    }
}

/// The span of an action that has ended, while operations of the action are running.
#[derive(Debug)]
pub(super) struct Waiting {
    span: RootSpan,
    open: Open,
    operations: usize,
}

impl Locked<'_> {
    /// Records the span of an action that has ended now.
    pub(super) fn record_root(&mut self, span: RootSpan, now: BootTime) {
        let recorder = &self.scopes.recorder;
        let operations = self.open.operations.of_action(span.action, span.trace);
        if operations == 0 {
            span.with_span(|event| recorder.record_own_begun(event, now, &span.moment));
        } else if let Some((open, _)) = span.with_span(|event| recorder.open_begun(event, &span.moment)) {
            self.open.roots.push(Waiting { span, open, operations });
        }
    }

    /// An operation has ended: an effect of the action that began it.
    pub(super) fn operation_ended(&mut self, operation: &SpanData, now: BootTime) {
        if let Some(action) = operation.action {
            self.note_effect(action, now);
        }
        let is_its = |root: &Waiting| operation.is_of(root.span.action, root.span.trace);
        let Some(at) = self.open.roots.iter().position(is_its) else { return };
        let Some(root) = self.open.roots.get_mut(at) else { return };
        root.span.last = root.span.last.max(now);
        root.operations = root.operations.saturating_sub(1);
        if root.operations == 0 {
            let Waiting { span, open, .. } = self.open.roots.swap_remove(at);
            span.with_span(|event| self.scopes.recorder.close(open, event));
        }
    }
}
