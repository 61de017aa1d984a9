//! What happens to an event, and the sampling decisions that most kinds depend on.

use anyhow::{Context, Result};
use throughline::event::TraceContext;
use throughline::internals::sampling::{keep_session, keep_trace};

use super::input::{Event, Settings};

/// What happens to the event, in one word, and the reason.
pub(super) struct Verdict {
    pub(super) word: &'static str,
    pub(super) why: String,
}

impl Verdict {
    pub(super) fn new(word: &'static str, why: impl Into<String>) -> Self {
        Self { word, why: why.into() }
    }

    pub(super) fn session_not_sampled() -> Self {
        Self::new("dropped", "sampled_out: session_sample_rate does not select this session")
    }

    pub(super) fn trace_not_sampled() -> Self {
        Self::new("dropped", "sampled_out: trace_sample_rate does not select this trace")
    }
}

/// What the sample rates decide about the event's session and trace. An event that does not say to
/// which session or trace it belongs counts as sampled.
pub(super) struct Sampling {
    pub(super) trace_id: [u8; 16],
    pub(super) session_is_kept: bool,
    pub(super) trace_is_kept: bool,
}

impl Sampling {
    /// Stands for the trace of an event that names none.
    const ANY_TRACE: [u8; 16] = [1; 16];

    pub(super) fn of(settings: &Settings, event: &Event) -> Result<Self> {
        let session_is_kept = event.session_id.is_none_or(|id| keep_session(id, settings.session_sample_rate));
        let trace_id = event.trace_id.as_deref().map(parse_trace_id).transpose()?;
        let rate_keeps = trace_id.is_none_or(|id| keep_trace(id, settings.trace_sample_rate));
        Ok(Self {
            trace_id: trace_id.unwrap_or(Self::ANY_TRACE),
            session_is_kept,
            trace_is_kept: session_is_kept && rate_keeps,
        })
    }
}

fn parse_trace_id(text: &str) -> Result<[u8; 16]> {
    let parent = format!("00-{text}-0000000000000001-01");
    let context = TraceContext::from_traceparent(&parent)
        .context("`trace_id` must be 32 lower-case hexadecimal digits that are not all zero")?;
    Ok(context.trace_id)
}
