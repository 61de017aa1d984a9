//! A text that is being searched, and the few ways to look around in it. Each says how many bytes
//! it looks at.

use super::keys::SecretKeys;
use super::steps::looked;
use crate::model::config::ValuePatterns;

/// What is searched for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Search<'r> {
    pub(super) patterns: ValuePatterns,
    pub(super) keys: &'r SecretKeys,
    pub(super) keep_queries: bool,
}

/// What a look at one byte has led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing: reading goes on there.
    On(usize),
    /// What stands between these places is replaced by `[redacted]`.
    Redact(usize, usize),
    /// What stands between these places is left out.
    Remove(usize, usize),
}

/// A text that is being read.
pub(super) struct Reader<'t, 'r> {
    /// The text, with what is looked at behind the cut.
    pub(super) text: &'t str,
    pub(super) search: Search<'r>,
    /// Whether `text` may have been cut at its end.
    pub(super) is_cut: bool,
    /// Whether the whole text is one URL.
    pub(super) is_url: bool,
    /// Where the URL ends that was found last.
    pub(super) url_end: usize,
    /// Where the query of a URL ends that is kept.
    pub(super) query_end: usize,
    /// Up to where no token begins.
    pub(super) no_token: usize,
    /// What stands before this place has been dealt with.
    pub(super) done: usize,
}

impl Reader<'_, '_> {
    /// The bytes from a place on.
    pub(super) fn from(&self, at: usize) -> &[u8] {
        self.text.as_bytes().get(at..).unwrap_or_default()
    }

    /// The byte at a place; 0 outside.
    pub(super) fn byte(&self, at: usize) -> u8 {
        self.text.as_bytes().get(at).copied().unwrap_or_default()
    }

    /// The byte before a place; 0 outside.
    pub(super) fn before(&self, at: usize) -> u8 {
        at.checked_sub(1).map_or(0, |at| self.byte(at))
    }

    /// Where a run of bytes ends that begins at a place.
    pub(super) fn run(&self, at: usize, mut is: impl FnMut(u8) -> bool) -> usize {
        let length = self.from(at).iter().take_while(|byte| is(**byte)).count();
        looked(length + 1);
        at + length
    }

    /// As [`Reader::run`], of at most `most` bytes.
    pub(super) fn short_run(&self, at: usize, most: usize, mut is: impl FnMut(u8) -> bool) -> usize {
        let length = self.from(at).iter().take(most).take_while(|byte| is(**byte)).count();
        looked(length + 1);
        at + length
    }

    /// Where a run of at most `most` bytes begins that ends before a place. It does not reach into
    /// what has been dealt with.
    pub(super) fn run_before(&self, at: usize, most: usize, mut is: impl FnMut(u8) -> bool) -> usize {
        let bytes = self.text.as_bytes().get(self.done..at).unwrap_or_default();
        let length = bytes.iter().rev().take(most).take_while(|byte| is(**byte)).count();
        looked(length + 1);
        at - length
    }
}
