//! Contexts that wait for a later event: a message of a WebSocket, a push notification, a queue
//! item.
//!
//! A context is stored under the message's id. The store is bounded in number, bytes and time. When
//! it is full it refuses and counts; it never evicts a context that has not expired, so a context
//! that was accepted stays until it is taken or its time is over.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::SpanContext;
use crate::model::limits::{
    CONTEXT_ENTRY_BYTES, CONTEXT_STORE_BYTES, CONTEXT_STORE_ENTRIES, CONTEXT_STORE_TTL, MAX_KEY_BYTES,
};
use crate::model::time::BootTime;

/// What became of the contexts that were put into a [`ContextStore`].
///
/// `put = taken + replaced + expired + len()`; refused ones are in no other count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoreCounts {
    /// Contexts that were accepted.
    pub put: u64,
    /// Contexts that were taken by their key.
    pub taken: u64,
    /// Contexts that another one under the same key replaced before they were taken.
    pub replaced: u64,
    /// Contexts that nobody took within 5 minutes.
    pub expired: u64,
    /// Contexts that were refused: the store was full, or the key was empty or longer than 128
    /// bytes.
    pub refused: u64,
}

#[derive(Debug)]
struct Entry {
    order: u64,
    until: BootTime,
    bytes: usize,
    context: SpanContext,
}

/// Keeps at most 10,000 contexts and 8 MiB, each for 5 minutes. Each is handed out once.
///
/// A client has one of these behind [`Telemetry::keep_context`](crate::Telemetry::keep_context).
/// Time is passed in, so a test need not wait.
///
/// ```
/// use std::time::Duration;
/// use throughline::event::TraceContext;
/// use throughline::time::BootTime;
/// use throughline::trace::{ContextStore, SpanContext};
///
/// let mut store = ContextStore::default();
/// let trace = TraceContext { trace_id: [1; 16], span_id: [2; 8], sampled: true };
/// let now = BootTime(0);
/// assert!(store.put(now, "message-17", SpanContext::new(trace)));
/// assert!(store.take(now, "message-17").is_some());
/// assert!(store.take(now, "message-17").is_none(), "it is handed out once");
///
/// store.put(now, "message-18", SpanContext::new(trace));
/// assert!(store.take(now.after(Duration::from_secs(301)), "message-18").is_none());
/// assert_eq!(store.counts().expired, 1);
/// ```
#[derive(Debug, Default)]
pub struct ContextStore {
    entries: HashMap<Arc<str>, Entry>,
    /// The keys in the order in which their time ends.
    order: BTreeMap<u64, Arc<str>>,
    next: u64,
    bytes: usize,
    counts: StoreCounts,
}

impl ContextStore {
    /// Keeps a context under a key of at most 128 bytes, in place of an older one. Returns false
    /// when it was refused, which is also counted.
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

    /// Hands out the context that was kept under a key, and forgets it.
    pub fn take(&mut self, now: BootTime, key: &str) -> Option<SpanContext> {
        self.sweep(now);
        let context = self.remove(key)?;
        self.counts.taken += 1;
        Some(context)
    }

    /// How many contexts wait.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What became of the contexts so far.
    pub fn counts(&self) -> StoreCounts {
        self.counts
    }

    fn remove(&mut self, key: &str) -> Option<SpanContext> {
        let entry = self.entries.remove(key)?;
        self.order.remove(&entry.order);
        self.bytes -= entry.bytes;
        Some(entry.context)
    }

    /// Removes what has expired. All entries live equally long, so the oldest expire first.
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

/// About how many bytes a context holds on the heap.
fn weight(context: &SpanContext) -> usize {
    let state = context.state.bytes();
    let tags: usize = context.tags.iter().map(|(key, value)| key.len() + value.len()).sum();
    CONTEXT_ENTRY_BYTES + state + tags + context.baggage.bytes() + context.correlation_id.len()
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
