//! Contexts that wait for a later event: a WebSocket message, a push, a queue item.
//!
//! Keyed by the message's id, bounded in number, bytes and time. A full store refuses and counts; nothing is evicted
//! that has not expired, so a context that was put is there until it is taken or its time is over.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::SpanContext;
use crate::model::limits::{CONTEXT_STORE_BYTES, CONTEXT_STORE_ENTRIES, CONTEXT_STORE_TTL, MAX_KEY_BYTES};
use crate::model::time::BootTime;

/// What became of the contexts that were put.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoreCounts {
    /// Put.
    pub put: u64,
    /// Taken by their key.
    pub taken: u64,
    /// Put again under the same key before they were taken.
    pub replaced: u64,
    /// Over 5 minutes old.
    pub expired: u64,
    /// Refused: the store was full, or the key was empty or longer than 128 bytes.
    pub refused: u64,
}

#[derive(Debug)]
struct Entry {
    order: u64,
    until: BootTime,
    bytes: usize,
    context: SpanContext,
}

/// At most 10,000 contexts and 8 MiB, each for 5 minutes, each taken once. Time is passed in.
#[derive(Debug, Default)]
pub struct ContextStore {
    entries: HashMap<Arc<str>, Entry>,
    /// Keys in the order in which their time ends.
    order: BTreeMap<u64, Arc<str>>,
    next: u64,
    bytes: usize,
    counts: StoreCounts,
}

impl ContextStore {
    /// Keeps a context. False when it was refused; that has been counted.
    pub fn put(&mut self, now: BootTime, key: &str, context: SpanContext) -> bool {
        self.sweep(now);
        let bytes = key.len() + weight(&context);
        let replaced = self.entries.get(key).map(|entry| entry.bytes);
        let is_room = (replaced.is_some() || self.entries.len() < CONTEXT_STORE_ENTRIES)
            && self.bytes - replaced.unwrap_or(0) + bytes <= CONTEXT_STORE_BYTES;
        if key.is_empty() || key.len() > MAX_KEY_BYTES || !is_room {
            self.counts.refused += 1;
            return false;
        }
        if replaced.is_some() {
            self.remove(key);
            self.counts.replaced += 1;
        }
        let key: Arc<str> = key.into();
        self.next += 1;
        self.order.insert(self.next, Arc::clone(&key));
        let entry = Entry { order: self.next, until: now.after(CONTEXT_STORE_TTL), bytes, context };
        self.entries.insert(key, entry);
        self.bytes += bytes;
        self.counts.put += 1;
        true
    }

    /// Hands a context out, once.
    pub fn take(&mut self, now: BootTime, key: &str) -> Option<SpanContext> {
        self.sweep(now);
        let context = self.remove(key)?;
        self.counts.taken += 1;
        Some(context)
    }

    /// Entries that wait.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What became of the contexts: `put = taken + replaced + expired + len()`.
    pub fn counts(&self) -> StoreCounts {
        self.counts
    }

    fn remove(&mut self, key: &str) -> Option<SpanContext> {
        let entry = self.entries.remove(key)?;
        self.order.remove(&entry.order);
        self.bytes -= entry.bytes;
        Some(entry.context)
    }

    /// All entries live equally long: the oldest end first.
    fn sweep(&mut self, now: BootTime) {
        while let Some(key) = self.order.first_entry().map(|first| Arc::clone(first.get())) {
            let is_over = self.entries.get(&key).is_none_or(|entry| now.since(entry.until) > Duration::ZERO);
            if !is_over {
                break;
            }
            self.remove(&key);
            self.counts.expired += 1;
        }
    }
}

/// Bytes that a context holds on the heap, about.
fn weight(context: &SpanContext) -> usize {
    let state = context.state.bytes();
    let tags: usize = context.tags.iter().map(|(key, value)| key.len() + value.len()).sum();
    256 + state + tags + context.baggage.header().len() + context.correlation_id.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::TraceContext;

    fn context(n: u64) -> SpanContext {
        SpanContext::new(TraceContext { trace_id: [1; 16], span_id: n.to_be_bytes(), sampled: true })
    }

    #[test]
    fn a_million_contexts_come_and_go_within_the_bounds() {
        let mut store = ContextStore::default();
        let mut now = BootTime(0);
        for n in 0..1_000_000u64 {
            now = now.after(Duration::from_millis(7));
            store.put(now, &n.to_string(), context(n));
            // Two of three are taken, some late, some twice.
            if n % 3 != 0 {
                let key = n.saturating_sub(n % 5);
                assert!(store.take(now, &key.to_string()).is_none_or(|taken| taken == context(key)));
            }
            assert!(store.len() <= CONTEXT_STORE_ENTRIES && store.bytes <= CONTEXT_STORE_BYTES);
            assert_eq!(store.order.len(), store.len());
        }
        let counts = store.counts();
        assert!(counts.refused > 0 && counts.expired > 0 && counts.taken > 0, "{counts:?}");
        assert_eq!(counts.put, counts.taken + counts.replaced + counts.expired + store.len() as u64);
        assert_eq!(counts.put + counts.refused, 1_000_000);
        store.sweep(now.after(CONTEXT_STORE_TTL * 2));
        assert_eq!((store.len(), store.bytes), (0, 0));
    }

    #[test]
    fn a_context_is_taken_once_and_not_after_five_minutes() {
        let mut store = ContextStore::default();
        assert!(store.put(BootTime(0), "m", context(1)));
        assert_eq!(store.take(BootTime(1), "m"), Some(context(1)));
        assert_eq!(store.take(BootTime(1), "m"), None);
        store.put(BootTime(0), "m", context(1));
        assert_eq!(store.take(BootTime(0).after(CONTEXT_STORE_TTL + Duration::from_nanos(1)), "m"), None);
        assert!(!store.put(BootTime(0), "", context(1)) && !store.put(BootTime(0), &"k".repeat(129), context(1)));
    }

    #[test]
    fn large_contexts_are_bounded_by_bytes() {
        let mut store = ContextStore::default();
        let mut large = context(1);
        for n in 0..60 {
            large.baggage.set(&format!("k{n}"), &"v".repeat(100));
        }
        let kept = (0..5_000).filter(|n: &u32| store.put(BootTime(0), &n.to_string(), large.clone())).count();
        assert!(kept < 2_000 && store.bytes <= CONTEXT_STORE_BYTES, "{kept}");
    }
}
