//! The hot path: stamp, sample, encode once, append. Runs on the caller's thread.
//!
//! Must never: wait for I/O, call back into the host, or see the queue, an exporter or the runtime.

mod keeping;
mod moments;
mod owed;
mod past;
mod thread;
mod versions;

use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};

use uuid::Uuid;

use crate::model::event::encode::{Encoder, Scratch, Stamp, encode_fields, encode_into};
use crate::model::event::scrub::{Author, Scrubbing};
use crate::model::event::{ErrorEvent, Event, EventKind, Lane, SmallerError, TraceContext};
use crate::model::ids::{IdCounter, RunKey};
use crate::model::ledger::DropReason;
use crate::model::limits::{MAX_WALL_NS, WALL_OFFSET_KEPT};
use crate::model::time::{BootTime, Clock, nanos};
use crate::policy::redact::Redactor;
use crate::policy::sampling;
use crate::policy::trace::{SpanContext, current_trace};
use crate::storage::crash::Capture;
use crate::storage::frame::{self, FrameType};
use crate::storage::journal::{Appended, Journal, RunStart, forked};
use keeping::{Admission, Keeping};
pub use keeping::{Aside, Sampled};
pub use moments::Moment;
use moments::{Began, Moments};
use owed::Owed;
use past::Past;
use versions::CurrentVersions;
pub use versions::Versions;

/// Runs `work`, of which nothing is recorded on this thread.
pub(crate) fn unrecorded<R>(work: impl FnOnce() -> R) -> R {
    thread::unrecorded(work)
}

/// Marks the current thread as one of ours: `record` does nothing on it.
pub fn mark_own_thread() {
    thread::mark_as_ours();
}

/// Whether the current thread is one of ours.
#[inline]
pub(crate) fn is_own_thread() -> bool {
    thread::is_ours()
}

/// An event that is not final yet. Close it with [`Recorder::close`]; a process that dies leaves it
/// to recovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Open {
    n: u64,
    time: u64,
    lane: Lane,
    /// It belongs to the moment at which it was opened, whatever comes before its end.
    began: Began,
}

/// What has to be looked at before an event is recorded: flags of [`Recorder::watch`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
enum Watch {
    /// An action is collecting what it causes.
    Action = 1,
    /// A context or scope is owed.
    Owed = 2,
    /// A thread replays calls. This bit and those above it count such threads.
    Replay = 256,
}

/// Whether events of a kind take the context that is current on their thread.
#[inline]
fn belongs_to_context(kind: EventKind) -> bool {
    matches!(kind, EventKind::Error | EventKind::Log | EventKind::Custom | EventKind::LongTask | EventKind::Vital)
}

/// Encodes an error that is too large with less of its stack and its attributes: a crash must not
/// be lost because it says much.
#[cold]
fn encode_smaller(error: &ErrorEvent<'_>, n: u64, stamp: Stamp, rules: Scrubbing<'_>, scratch: &mut Scratch) -> bool {
    error.smaller().any(|smaller: SmallerError<'_>| {
        scratch.clear();
        scratch.varint(n);
        encode_into(&smaller, stamp, rules, scratch)
    })
}

/// Stamps and appends events. Shared by all callers.
pub struct Recorder {
    journal: Journal,
    key: RunKey,
    /// Whether the key, and so every id, is random.
    is_random: bool,
    base_wall: u64,
    clock: Clock,
    ids: IdCounter,
    /// Wall less boot time, ns. Not read for every event: one clock read is enough.
    offset: AtomicI64,
    /// Boot time from which on the offset is read again.
    offset_until: AtomicU64,
    versions: CurrentVersions,
    next_version: AtomicU32,
    keeping: Keeping,
    /// The share of traces that are kept, as the bits of an `f64`.
    trace_rate: AtomicU64,
    moments: Moments,
    owed: Owed,
    past: Past,
    /// What has to be looked at before an event is recorded, by [`Watch`], and how many threads
    /// replay calls.
    watch: AtomicU32,
    action: Mutex<Option<Uuid>>,
    /// What a crash would belong to.
    crash: Capture,
    redactor: Redactor,
    wake: Box<dyn Fn() + Send + Sync>,
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder").field("journal", &self.journal).finish_non_exhaustive()
    }
}

impl Recorder {
    /// A recorder of a new run. `wake` is called when the worker has to look at the journal.
    pub fn new(clock: Clock, redactor: Redactor, wake: Box<dyn Fn() + Send + Sync>) -> std::io::Result<Self> {
        crate::storage::journal::install_guards();
        let (key, is_random) = RunKey::draw();
        let base_wall = clock.wall();
        Ok(Self {
            journal: Journal::new(RunStart { key, base_wall })?,
            key,
            is_random,
            base_wall,
            offset: AtomicI64::new(clock.offset()),
            offset_until: AtomicU64::new(0),
            clock,
            ids: IdCounter::new(),
            versions: CurrentVersions::default(),
            next_version: AtomicU32::new(1),
            keeping: Keeping::new(),
            trace_rate: AtomicU64::new(1f64.to_bits()),
            moments: Moments::default(),
            owed: Owed::default(),
            past: Past::default(),
            watch: AtomicU32::new(0),
            action: Mutex::new(None),
            crash: Capture::default(),
            redactor,
            wake,
        })
    }

    /// The journal that it appends to.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// The run's key.
    pub fn key(&self) -> RunKey {
        self.key
    }

    /// Lets the next event look at the wall clock again: nobody says when it is set. The worker
    /// calls this with every drain; while it sleeps, the offset is a second old at most.
    pub fn refresh_clock(&self) {
        self.offset_until.store(0, Ordering::Relaxed);
    }

    #[cold]
    #[inline(never)]
    fn read_offset(&self, now: BootTime) {
        self.offset.store(self.clock.offset(), Ordering::Relaxed);
        self.offset_until.store(now.after(WALL_OFFSET_KEPT).0, Ordering::Relaxed);
    }

    /// Wakes the worker: something has to be looked at after a while.
    pub(crate) fn wake(&self) {
        (self.wake)();
    }

    /// Boot time now.
    #[inline]
    pub fn boot(&self) -> BootTime {
        BootTime(self.clock.boot().0.saturating_sub(thread::ago()))
    }

    /// Wall time at a boot time, ns since the Unix epoch, by the known offset.
    #[inline]
    pub fn wall(&self, boot: BootTime) -> u64 {
        if boot.0 >= self.offset_until.load(Ordering::Relaxed) {
            self.read_offset(boot);
        }
        boot.0.saturating_add_signed(self.offset.load(Ordering::Relaxed))
    }

    /// Records a final event. `None` when it was not kept; then it has been counted.
    #[inline]
    pub fn record<E: Event + ?Sized>(&self, event: &E) -> Option<Uuid> {
        self.record_at(event, self.boot())
    }

    /// As [`Recorder::record`], with boot time read by the caller.
    #[inline]
    pub fn record_at<E: Event + ?Sized>(&self, event: &E, boot: BootTime) -> Option<Uuid> {
        if thread::is_ours() || forked() {
            return None;
        }
        self.finished(event, boot, Author::App, None)
    }

    /// As [`Recorder::record_at`], for a caller who knows that neither is the thread ours nor the
    /// process forked.
    #[inline]
    pub(crate) fn record_checked<E: Event + ?Sized>(&self, event: &E, boot: BootTime) -> Option<Uuid> {
        self.finished(event, boot, Author::App, None)
    }

    /// As [`Recorder::record_checked`], for an event that began at this moment.
    pub(crate) fn record_begun<E: Event>(&self, event: &E, boot: BootTime, moment: &Moment) -> Option<Uuid> {
        self.finished(event, boot, Author::App, Some(&self.existing(moment.began())))
    }

    /// As [`Recorder::record_own`], for an event that began at this moment.
    pub(crate) fn record_own_begun<E: Event>(&self, event: &E, boot: BootTime, moment: &Moment) -> Option<Uuid> {
        self.finished(event, boot, Author::Core, Some(&self.existing(moment.began())))
    }

    /// As [`Recorder::record_at`], for an event whose attributes may have keys of ours.
    pub(crate) fn record_ours<E: Event + ?Sized>(&self, event: &E, boot: BootTime) -> Option<Uuid> {
        if thread::is_ours() || forked() {
            return None;
        }
        self.record_own(event, boot)
    }

    /// As [`Recorder::record`], also on the worker's thread: the core's report about itself.
    #[inline]
    pub fn record_own<E: Event + ?Sized>(&self, event: &E, boot: BootTime) -> Option<Uuid> {
        self.finished(event, boot, Author::Core, None)
    }

    #[inline]
    fn finished<E: Event + ?Sized>(
        &self,
        event: &E,
        boot: BootTime,
        author: Author,
        began: Option<&Began>,
    ) -> Option<Uuid> {
        let lane = event.lane();
        let time = self.time_of(event, boot);
        let n = self.ids.next();
        // Computed before the append, which ends with an atomic exchange: what comes after that
        // would have to wait for it.
        let id = self.key.event_id(n, time);
        self.append(FrameType::Event(lane), n, time, event, author, began).then_some(id)
    }

    /// Records an event that will be amended or closed. `None` when it was not kept; then it has
    /// been counted.
    pub fn open<E: Event>(&self, event: &E) -> Option<(Open, Uuid)> {
        if thread::is_ours() || forked() {
            return None;
        }
        let began = self.look_around(event.kind(), event.lane())?;
        self.open_as(event, began)
    }

    fn open_as<E: Event>(&self, event: &E, began: Began) -> Option<(Open, Uuid)> {
        let (lane, time, n) = (event.lane(), self.time_of(event, self.boot()), self.ids.next());
        let kept = self.append(FrameType::Open(lane), n, time, event, Author::Core, Some(&began));
        kept.then(|| (Open { n, time, lane, began }, self.key.event_id(n, time)))
    }

    /// Replaces the snapshot of an open event. A full journal may refuse it: then the last snapshot
    /// stays.
    pub fn amend<E: Event>(&self, open: Open, event: &E) {
        let began = self.existing(open.began);
        self.append(FrameType::Amend(open.lane), open.n, open.time, event, Author::Core, Some(&began));
    }

    /// Adds fields to an open event, which costs no more than they do. A full journal may refuse
    /// them.
    pub(crate) fn extend(&self, open: Open, write: impl FnOnce(&mut Encoder<'_>)) {
        let mut scratch = thread::take_scratch();
        scratch.clear();
        scratch.varint(open.n);
        encode_fields(self.redactor.rules(Author::Core), &mut scratch, write);
        self.push(FrameType::Extend(open.lane), scratch.written());
        thread::give_back(scratch);
    }

    /// Takes an open event back.
    pub fn discard(&self, open: Open) {
        let mut payload = Vec::with_capacity(10);
        frame::put_counter(&mut payload, open.n);
        self.push(FrameType::Discard(open.lane), &payload);
    }

    /// Makes an open event final. One that has become too large ends with its last snapshot.
    pub fn close<E: Event>(&self, open: Open, event: &E) {
        let began = self.existing(open.began);
        self.append(FrameType::Close(open.lane), open.n, open.time, event, Author::Core, Some(&began));
    }

    #[inline]
    fn time_of<E: Event + ?Sized>(&self, event: &E, boot: BootTime) -> u64 {
        match event.common().time {
            Some(time) => time.min(MAX_WALL_NS),
            None => self.wall(boot).saturating_sub(event.duration().map_or(0, nanos)),
        }
    }

    /// The frame under which an event is appended. `None` when it is refused; that has been
    /// counted.
    #[inline]
    fn admit<E: Event + ?Sized>(&self, frame: FrameType, event: &E, began: Option<&Began>) -> Option<FrameType> {
        if !frame.is_accepted() || began.is_some_and(|began| began.is_kept) {
            return Some(frame);
        }
        match self.keeping.admit(event) {
            Admission::Keep => Some(frame),
            Admission::Aside => Some(frame.aside()),
            Admission::Refuse => {
                self.journal.refuse(frame.lane(), DropReason::SampledOut);
                None
            }
        }
    }

    #[inline]
    fn append<E: Event + ?Sized>(
        &self,
        frame: FrameType,
        n: u64,
        time: u64,
        event: &E,
        author: Author,
        began: Option<&Began>,
    ) -> bool {
        let Some(frame) = self.admit(frame, event, began) else { return false };
        let (versions, action) = match began {
            Some(began) => (began.versions, began.action),
            None if self.watch.load(Ordering::Relaxed) == 0 => (self.versions.get(), None),
            None => match self.look_around(event.kind(), frame.lane()) {
                Some(now) => (now.versions, now.action),
                None => return false,
            },
        };
        let stamp = Stamp {
            time_delta: time.wrapping_sub(self.base_wall) as i64,
            context: versions.context,
            scope: versions.scope,
            action,
            trace: if belongs_to_context(event.kind()) { current_trace() } else { None },
        };
        let mut scratch = thread::take_scratch();
        scratch.clear();
        scratch.varint(n);
        let rules = self.redactor.rules(author);
        let fits = encode_into(event, stamp, rules, &mut scratch)
            || event.as_error().is_some_and(|error| encode_smaller(error, n, stamp, rules, &mut scratch));
        let is_kept = if fits {
            self.push(frame, scratch.written())
        } else {
            if frame.is_accepted() {
                self.journal.refuse(frame.lane(), DropReason::Oversize);
            } else if matches!(frame, FrameType::Close(_)) {
                scratch.clear();
                scratch.varint(n);
                self.push(frame, scratch.written());
            }
            false
        };
        thread::give_back(scratch);
        is_kept
    }

    #[inline]
    fn push(&self, frame: FrameType, payload: &[u8]) -> bool {
        match self.journal.append(frame, payload) {
            Ok(Appended::Quiet) => true,
            Ok(Appended::Wake) => {
                (self.wake)();
                true
            }
            Err(_) => false,
        }
    }

    #[inline]
    fn is_owed(&self) -> bool {
        self.watch.load(Ordering::Relaxed) & Watch::Owed as u32 != 0
    }

    /// What must not be recorded.
    pub fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    fn set_watch(&self, watch: Watch, is_on: bool) {
        let flag = watch as u32;
        if is_on {
            self.watch.fetch_or(flag, Ordering::Relaxed);
        } else {
            self.watch.fetch_and(!flag, Ordering::Relaxed);
        }
    }

    /// What an event belongs to that is recorded now, and maybe ended later. `None` when it must
    /// not be recorded; that has been counted.
    #[cold]
    fn look_around(&self, kind: EventKind, lane: Lane) -> Option<Began> {
        self.pay();
        if self.is_owed() {
            // It would belong to the user or the view before. A context has more room in the ring
            // than any event, so there is hardly room for the event either.
            self.journal.refuse(lane, DropReason::JournalFull);
            return None;
        }
        let is_caused = !matches!(kind, EventKind::Session | EventKind::View | EventKind::Action | EventKind::Metric);
        let began = self.surroundings();
        Some(Began { action: began.action.filter(|_| is_caused), ..began })
    }

    /// Decides anew whether the current session is kept. One in which something happened stays so.
    pub fn set_session_rate(&self, rate: f64) {
        self.keeping.decide(rate);
    }

    /// Sets which sessions are kept aside; what happened before no longer counts. Holds from the
    /// next [`Recorder::set_session_rate`] or scope on.
    pub fn set_aside(&self, aside: Aside) {
        self.keeping.set_aside(aside);
    }

    /// Something happened: the current session is kept from now on, and what was kept aside before
    /// is sent. The latter stands in the journal like the events do, so that the death of the
    /// process does not change it.
    pub fn keep_session(&self) {
        if self.go_on_keeping() {
            let mut payload = Vec::with_capacity(1);
            frame::put_counter(&mut payload, 0);
            self.push(FrameType::Release, &payload);
        }
    }

    /// Something happened in the current session in an earlier process: it is kept from now on.
    /// False where nothing is kept aside.
    pub fn go_on_keeping(&self) -> bool {
        self.keeping.note_happening()
    }

    /// Whether something happened in the current session that makes it worth keeping.
    pub fn has_happened(&self) -> bool {
        self.keeping.has_happened()
    }

    /// Sets the share of traces that are kept.
    pub fn set_trace_rate(&self, rate: f64) {
        self.trace_rate.store(rate.to_bits(), Ordering::Relaxed);
    }

    /// A new trace: its root's context. It is kept when the session is and the trace is of the
    /// sampled share.
    pub fn new_trace(&self) -> TraceContext {
        let n = self.ids.next();
        let trace_id = self.key.trace_id(n);
        let rate = f64::from_bits(self.trace_rate.load(Ordering::Relaxed));
        let sampled = self.keeping.is_session_kept() && sampling::keep_trace(trace_id, rate);
        TraceContext { trace_id, span_id: self.key.span_id(n), sampled }
    }

    /// The root of a new trace, which says whether its id is random.
    pub(crate) fn new_root(&self) -> SpanContext {
        SpanContext { random: self.is_random, ..SpanContext::new(self.new_trace()) }
    }

    /// A new span in the trace of `parent`.
    pub fn child(&self, parent: TraceContext) -> TraceContext {
        TraceContext { span_id: self.key.span_id(self.ids.next()), ..parent }
    }

    /// A new id for a session, view, action or resource.
    pub fn new_id(&self) -> Uuid {
        self.key.object_id(self.ids.next())
    }
}
