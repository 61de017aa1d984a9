use super::super::StorePolicy;
use super::*;
use crate::model::event::TraceContext;
use proptest::prelude::*;
use std::time::Duration;

/// Keeps the actions in memory, and refuses every n-th one.
#[derive(Default)]
struct MemorySink {
    open: Vec<(u64, StateAction)>,
    done: Vec<StateAction>,
    next: u64,
    refuse_every: u64,
    refused: u64,
}

impl MemorySink {
    fn refuses(&mut self) -> bool {
        self.next += 1;
        let refuses = self.refuse_every > 0 && self.next.is_multiple_of(self.refuse_every);
        self.refused += u64::from(refuses);
        refuses
    }

    fn count(&self) -> u64 {
        self.done.iter().map(|draft| draft.count).sum()
    }
}

impl Sink for MemorySink {
    type Handle = u64;

    fn record(&mut self, draft: &StateAction) -> bool {
        let kept = !self.refuses();
        self.done.extend(kept.then(|| draft.clone()));
        kept
    }

    fn open(&mut self, draft: &StateAction) -> Option<u64> {
        (!self.refuses()).then(|| {
            self.open.push((self.next, draft.clone()));
            self.next
        })
    }

    fn amend(&mut self, handle: &u64, draft: &StateAction) {
        self.open.iter_mut().find(|open| open.0 == *handle).unwrap().1 = draft.clone();
    }

    fn close(&mut self, handle: u64, draft: &StateAction) {
        self.discard(handle);
        self.done.push(draft.clone());
    }

    fn discard(&mut self, handle: u64) {
        let at = self.open.iter().position(|open| open.0 == handle).unwrap();
        self.open.remove(at);
    }
}

fn tracer(policy: &StorePolicy) -> Tracer<u64> {
    Tracer::new(Policy::new("S", 1, policy).unwrap())
}

fn at(ms: u64) -> BootTime {
    BootTime(ms * 1_000_000)
}

#[test]
fn a_burst_is_one_action_with_count_first_and_last() {
    let mut journal = MemorySink::default();
    let mut tracer = tracer(&StorePolicy::default());
    for n in 0..5i64 {
        tracer.mutate(at(n as u64 * 10), &Mutation::set("a", n, n + 1), Cause::default(), &mut journal);
    }
    assert_eq!((journal.open.len(), journal.open[0].1.count), (1, 4));
    tracer.expire(at(260), &mut journal);
    let done = &journal.done[0];
    assert_eq!((done.count, done.duration), (5, Duration::from_millis(40)));
    assert_eq!(done.old.as_ref().unwrap().value, Some(super::super::Kept::Int(0)));
    assert_eq!(done.new.as_ref().unwrap().value, Some(super::super::Kept::Int(5)));
    assert!(tracer.counts().balanced() && tracer.next_end().is_none());
}

#[test]
fn another_cause_never_joins_a_window() {
    let mut journal = MemorySink::default();
    let mut tracer = tracer(&StorePolicy::default());
    let trace = |id| Some(TraceContext { trace_id: [id; 16], span_id: [id; 8], sampled: true });
    let operation = |id| Cause { kind: CauseKind::Operation, trace: trace(id), action: None };
    for n in 0..10i64 {
        tracer.mutate(at(1), &Mutation::set("a", n, n + 1), operation(1 + (n % 2) as u8), &mut journal);
    }
    let ambiguous = Cause { kind: CauseKind::Ambiguous, ..Cause::default() };
    tracer.mutate(at(1), &Mutation::set("a", 1, 2), ambiguous, &mut journal);
    tracer.close_all(&mut journal);
    assert_eq!(journal.done.iter().map(|draft| draft.count).collect::<Vec<_>>(), [5, 5, 1]);
    assert_eq!(tracer.counts().ambiguous, 1);
}

#[test]
fn a_value_that_is_back_in_time_leaves_no_action() {
    let mut journal = MemorySink::default();
    let policy = StorePolicy {
        ignore_if_reverted: Duration::from_millis(100),
        coalesce: Duration::ZERO,
        ..StorePolicy::default()
    };
    let mut tracer = tracer(&policy);
    tracer.mutate(at(0), &Mutation::set("open", false, true), Cause::default(), &mut journal);
    tracer.mutate(at(50), &Mutation::set("open", true, false), Cause::default(), &mut journal);
    assert!(journal.open.is_empty() && journal.done.is_empty());
    tracer.mutate(at(60), &Mutation::set("open", false, true), Cause::default(), &mut journal);
    tracer.mutate(at(161), &Mutation::set("open", true, false), Cause::default(), &mut journal);
    tracer.close_all(&mut journal);
    assert_eq!((journal.done.len(), journal.count()), (2, 2));
    assert_eq!(journal.done[0].suppressed, 2);
    assert_eq!(tracer.counts().suppressed(Suppressed::Reverted), 2);
    assert!(tracer.counts().balanced());
}

#[test]
fn ten_thousand_mutations_a_second_stay_inside_the_budget_with_exact_counts() {
    let mut journal = MemorySink::default();
    let mut tracer = tracer(&StorePolicy { coalesce: Duration::from_millis(100), ..StorePolicy::default() });
    for n in 0..100_000u64 {
        let now = BootTime(n * 100_000);
        let path = format!("items[{}].qty", n % 50);
        tracer.mutate(now, &Mutation::set(&path, n as i64, n as i64 + 1), Cause::default(), &mut journal);
    }
    tracer.close_all(&mut journal);
    let counts = tracer.counts();
    assert_eq!(counts.mutations, 100_000);
    assert_eq!(counts.recorded, journal.count());
    assert!(counts.balanced() && journal.done.len() <= 10 * 20, "{counts:?}");
    assert!(counts.suppressed(Suppressed::Budget) > 0);
}

proptest! {
    #[test]
    fn every_mutation_is_counted_once(
        steps in proptest::collection::vec((0..400u64, 0..8usize, 0..4i64, 0..4i64, 0..3u8), 1..300),
        coalesce in 0..300u64,
        revert in 0..300u64,
        budget in 0..30u32,
        refuse_every in 0..5u64,
    ) {
        let paths = ["a", "b", "list[0].x", "list[1].x", "deny.me", "is.loading", "bad[", "not.allowed"];
        let policy = StorePolicy { coalesce: Duration::from_millis(coalesce), ignore_if_reverted: Duration::from_millis(revert), ..StorePolicy::default() }
            .allow(["a", "b", "list[*].x", "deny.*", "is.*"])
            .deny(["deny.**"])
            .transient(["**.loading"])
            .max_actions_per_second(budget);
        let mut journal = MemorySink { refuse_every, ..MemorySink::default() };
        let mut tracer = tracer(&policy);
        let mut now = 0;
        for (n, (wait, path, old, new, cause)) in steps.iter().enumerate() {
            now += wait;
            let kind = [CauseKind::None, CauseKind::Ambiguous, CauseKind::Action][usize::from(*cause)];
            let mutation = Mutation::set(paths[*path], *old, *new);
            tracer.mutate(at(now), &mutation, Cause { kind, ..Cause::default() }, &mut journal);
            if n % 50 == 49 {
                tracer.add_suppressed(Suppressed::Facade, 7);
                tracer.update(Policy::new("S", n as u64, &policy).unwrap());
            }
            prop_assert!(tracer.counts().balanced());
            let open: u64 = tracer.windows.iter().map(|window| window.action.count).sum();
            prop_assert_eq!(tracer.counts().recorded, journal.count() + open);
        }
        tracer.close_all(&mut journal);
        let counts = tracer.counts();
        prop_assert_eq!(counts.recorded, journal.count());
        prop_assert_eq!(counts.actions, journal.done.len() as u64);
        prop_assert_eq!(counts.dropped, journal.refused);
        // What the actions report and what is still to be reported is all that was suppressed.
        let reported: u64 = journal.done.iter().map(|draft| draft.suppressed).sum();
        prop_assert_eq!(reported + tracer.unreported, counts.all_suppressed());
        let ambiguous: u64 = journal.done.iter().filter(|d| d.cause.kind == CauseKind::Ambiguous).map(|d| d.count).sum();
        prop_assert_eq!(counts.ambiguous, ambiguous);
    }
}
