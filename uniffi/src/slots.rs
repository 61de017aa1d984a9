//! The spans, requests and contexts that a facade has numbered: each lies under its slot.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use throughline::trace::SpanContext;
use throughline::{ActiveResource, ActiveSpan};

/// How many slots there may be at once. For a new one, what has ended the longest ago is removed.
/// When everything still runs, the oldest span is, and is abandoned.
pub(crate) const MAX_SLOTS: usize = 10_000;

/// What runs under a slot.
#[derive(Debug)]
pub(crate) enum Live {
    /// A span or an operation.
    Span(ActiveSpan),
    /// A request.
    Request(ActiveResource),
    /// Nothing any more. The context stays, because what the span caused may still arrive.
    Ended,
}

#[derive(Debug)]
struct Slot {
    context: Arc<SpanContext>,
    live: Live,
}

#[derive(Debug, Default)]
struct Table {
    slots: HashMap<u64, Slot>,
    /// The slots in the order in which they were put, and some that have ended or are removed
    /// since.
    running: VecDeque<u64>,
    /// The slots that have ended, in that order.
    ended: VecDeque<u64>,
    evicted: u64,
}

impl Table {
    /// Removes one slot. An operation that runs for long has more spans than there are slots, and
    /// must not be given up for those that have ended.
    fn evict(&mut self) {
        while let Some(oldest) = self.ended.pop_front().or_else(|| self.running.pop_front()) {
            if self.slots.remove(&oldest).is_some() {
                self.evicted += 1;
                return;
            }
        }
    }

    fn push(&mut self, slot: u64, has_ended: bool) {
        if has_ended {
            self.ended.push_back(slot);
            return;
        }
        self.running.push_back(slot);
        // A slot that ends stays here, until this is twice too long.
        if self.running.len() > 2 * MAX_SLOTS {
            let Self { slots, running, .. } = self;
            running.retain(|slot| slots.get(slot).is_some_and(|slot| !matches!(slot.live, Live::Ended)));
        }
    }
}

/// The slots of one client.
#[derive(Debug, Default)]
pub(crate) struct Slots(Mutex<Table>);

impl Slots {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts something under a slot. False when the slot is 0 or taken; `live` is then dropped.
    pub(crate) fn put(&self, slot: u64, context: &SpanContext, live: Live) -> bool {
        let mut table = self.table();
        if slot == 0 || table.slots.contains_key(&slot) {
            return false;
        }
        if table.slots.len() >= MAX_SLOTS {
            table.evict();
        }
        table.push(slot, matches!(live, Live::Ended));
        table.slots.insert(slot, Slot { context: Arc::new(context.clone()), live });
        true
    }

    /// The context under a slot.
    pub(crate) fn context(&self, slot: u64) -> Option<Arc<SpanContext>> {
        Some(Arc::clone(&self.table().slots.get(&slot)?.context))
    }

    /// Changes the span that runs under a slot. False when there is none.
    pub(crate) fn with_span(&self, slot: u64, change: impl FnOnce(&mut ActiveSpan)) -> bool {
        match self.table().slots.get_mut(&slot).map(|slot| &mut slot.live) {
            Some(Live::Span(span)) => {
                change(span);
                true
            }
            _ => false,
        }
    }

    /// The headers of the request that runs under a slot. `None` when there is none, and when it
    /// goes to another URL: the headers must not reach another host.
    pub(crate) fn request_headers(
        &self,
        slot: u64,
        url: &str,
        existing: &[(&str, &str)],
    ) -> Option<Vec<(&'static str, String)>> {
        let mut table = self.table();
        let slot = table.slots.get_mut(&slot)?;
        let Live::Request(request) = &mut slot.live else { return None };
        if request.url() != url {
            return None;
        }
        let headers = request.headers(existing);
        if let Some(context) = request.context() {
            slot.context = Arc::new(context.clone());
        }
        Some(headers)
    }

    /// Takes the span that ends. Its context stays under the slot.
    pub(crate) fn end_span(&self, slot: u64) -> Option<ActiveSpan> {
        let mut table = self.table();
        let live = &mut table.slots.get_mut(&slot)?.live;
        match std::mem::replace(live, Live::Ended) {
            Live::Span(span) => {
                table.push(slot, true);
                Some(span)
            }
            other => {
                *live = other;
                None
            }
        }
    }

    /// Takes the request that ends, and frees its slot.
    pub(crate) fn end_request(&self, slot: u64) -> Option<ActiveResource> {
        let mut table = self.table();
        if !matches!(table.slots.get(&slot)?.live, Live::Request(_)) {
            return None;
        }
        match table.slots.remove(&slot)?.live {
            Live::Request(request) => Some(request),
            _ => None,
        }
    }

    /// How many slots were removed for newer ones.
    pub(crate) fn evicted(&self) -> u64 {
        self.table().evicted
    }

    /// Drops everything. Spans and requests that run are abandoned.
    pub(crate) fn clear(&self) {
        let table = std::mem::take(&mut *self.table());
        drop(table);
    }
}
