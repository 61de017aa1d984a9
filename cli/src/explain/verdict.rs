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

    /// The session is not of the sampled share.
    pub(super) fn session_not_sampled() -> Self {
        Self::new("dropped", "sampled_out: session_sample_rate does not select this session")
    }

    /// The trace is not of the sampled share.
    pub(super) fn trace_not_sampled() -> Self {
        Self::new("dropped", "sampled_out: trace_sample_rate does not select this trace")
    }

    /// Says the share first, unless it is all.
    pub(super) fn of_a_share(self, share: Option<String>) -> Self {
        match share {
            Some(share) => Self { word: self.word, why: format!("{share}; {}", self.why) },
            None => self,
        }
    }
}

/// What a sample rate decides.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Share {
    /// The session or trace is known, or the rate is 0 or 1.
    Known(bool),
    /// So much of all, between 0 and 1: which ones follows from their ids.
    Of(f64),
}

impl Share {
    fn of(rate: f64, known: Option<bool>) -> Self {
        match known {
            Some(is_kept) => Self::Known(is_kept),
            None if rate <= 0.0 => Self::Known(false),
            None if rate >= 1.0 => Self::Known(true),
            None => Self::Of(rate),
        }
    }

    pub(super) fn can_be_kept(self) -> bool {
        self != Self::Known(false)
    }

    /// Between 0 and 1.
    pub(super) fn number(self) -> f64 {
        match self {
            Self::Known(is_kept) => f64::from(u8::from(is_kept)),
            Self::Of(rate) => rate,
        }
    }
}

/// What the sample rates decide about the event's session and trace.
pub(super) struct Sampling {
    pub(super) trace_id: [u8; 16],
    pub(super) session: Share,
    pub(super) trace: Share,
}

impl Sampling {
    /// Stands for the trace of an event that names none.
    const ANY_TRACE: [u8; 16] = [1; 16];

    pub(super) fn of(settings: &Settings, event: &Event) -> Result<Self> {
        let session = event.session_id.map(|id| keep_session(id, settings.session_sample_rate));
        let trace_id = event.trace_id.as_deref().map(parse_trace_id).transpose()?;
        let trace = trace_id.map(|id| keep_trace(id, settings.trace_sample_rate));
        Ok(Self {
            trace_id: trace_id.unwrap_or(Self::ANY_TRACE),
            session: Share::of(settings.session_sample_rate, session),
            trace: Share::of(settings.trace_sample_rate, trace),
        })
    }

    /// Whether the trace may be sampled: a trace of a session that is not sampled is not.
    pub(super) fn trace_can_be_kept(&self) -> bool {
        self.session.can_be_kept() && self.trace.can_be_kept()
    }

    /// In which sessions, if not in all.
    pub(super) fn sessions(&self) -> Option<String> {
        match self.session {
            Share::Of(rate) => Some(format!("in {} of sessions (session_sample_rate)", percent(rate))),
            Share::Known(_) => None,
        }
    }

    /// In which sessions and in which of their traces, if not in all.
    pub(super) fn traces(&self) -> Option<String> {
        let traces = match self.trace {
            Share::Of(rate) => format!("in {} of traces (trace_sample_rate)", percent(rate)),
            Share::Known(_) => return self.sessions(),
        };
        Some(self.sessions().map_or(traces.clone(), |sessions| format!("{sessions}, {traces}")))
    }
}

/// A share as people write it: `0.17` is `17 %`.
fn percent(rate: f64) -> String {
    let rounded = format!("{:.4}", rate * 100.0);
    let text = rounded.trim_end_matches('0').trim_end_matches('.');
    if matches!(text, "0" | "100") { format!("{} %", rate * 100.0) } else { format!("{text} %") }
}

fn parse_trace_id(text: &str) -> Result<[u8; 16]> {
    let parent = format!("00-{text}-0000000000000001-01");
    let context = TraceContext::from_traceparent(&parent)
        .context("`trace_id` must be 32 lower-case hexadecimal digits that are not all zero")?;
    Ok(context.trace_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_written_as_people_write_it_and_never_as_none_or_all() {
        for (rate, text) in [(0.2, "20 %"), (0.17, "17 %"), (0.005, "0.5 %"), (1.0 / 3.0, "33.3333 %")] {
            assert_eq!(percent(rate), text);
        }
        assert_ne!(percent(1e-9), "0 %");
        assert_ne!(percent(1.0 - 1e-9), "100 %");
    }
}
