//! The worker's requests: which store sends next, and what an answer means for it.

use std::time::{Duration, Instant};

use super::{InFlight, Worker};
use crate::engine::uploader::{Outgoing, Step};
use crate::model::config::Consent;
use crate::policy::schedule::Blocked;
use crate::wire::transport::{Response, TransportError};

impl Worker<'_> {
    /// Starts the next request if none is under way.
    pub(super) fn upload(&mut self) -> Step {
        let Some(transport) = &self.shared.transport else { return Step::Idle };
        if self.in_flight.is_some() || self.closing.is_some() {
            return Step::Wait(Duration::from_secs(3600));
        }
        if self.shared.consent() != Consent::Granted {
            return Step::Blocked(Blocked::Consent);
        }
        let mut wait = Step::Idle;
        let mut failed = None;
        let mut done = Vec::new();
        for (at, store) in self.main.iter_mut().chain(&mut self.adopted).enumerate() {
            if !store.is_configured() {
                continue;
            }
            match store.uploader.next(&mut store.queue) {
                Ok(Step::Send(outgoing)) => {
                    let Outgoing { request, leased } = *outgoing;
                    self.in_flight =
                        Some(InFlight { answer: transport.send(request), leased, dir: store.dir().to_owned() });
                    return Step::Wait(Duration::from_secs(3600));
                }
                Ok(Step::Idle) if at > 0 && !store.is_recovering() && !store.queue.keeps_apart() => done.push(at - 1),
                Ok(step) => wait = sooner(wait, step),
                Err(error) if at == 0 => failed = Some(error),
                Err(_) => done.push(at - 1),
            }
        }
        for at in done.into_iter().rev() {
            let store = self.adopted.remove(at);
            if store.queue.depth().iter().all(|(rows, _)| *rows == 0) { store.remove() } else { store.close() }
        }
        if let Some(error) = failed {
            self.storage_failed(error);
        }
        match &wait {
            Step::Idle => {
                transport.idle();
                self.offline_since = None;
                self.prune_contexts();
                self.clean_up();
            }
            Step::Wait(_) => transport.idle(),
            Step::Blocked(Blocked::Offline) => {
                self.offline_since = self.offline_since.or_else(|| Some(Instant::now()));
            }
            _ => {}
        }
        wait
    }

    /// Books what came of the request that was under way.
    pub(super) fn settle(&mut self, result: Result<Response, TransportError>) {
        let Some(InFlight { leased, dir, .. }) = self.in_flight.take() else { return };
        let Some(store) = self.main.iter_mut().chain(&mut self.adopted).find(|store| store.dir() == dir) else {
            return;
        };
        match store.uploader.settle(&mut store.queue, &leased, result) {
            Ok(settled) => {
                for flush in &mut self.flushes {
                    flush.delivered += settled.delivered;
                }
                match (&settled.failure, settled.unreachable) {
                    (_, true) => self.offline_since = self.offline_since.or_else(|| Some(Instant::now())),
                    _ => self.offline_since = None,
                }
                let log = match &settled.failure {
                    Some(failure) => format!("upload of {} events failed: {failure}", leased.part.rows),
                    None => format!("{} events delivered", settled.delivered),
                };
                self.shared.debug.log(&log);
                self.last_failure = settled.failure.clone();
                self.shared.health().last_upload = Some(settled.failure.map_or(Ok(settled.delivered), Err));
                if let Some(offset) = settled.server_offset_ms {
                    self.update_server_offset(offset);
                }
            }
            Err(error) => self.storage_failed(error),
        }
    }

    /// Events from now on carry the offset to server time, so that both clocks' spans line up. `Date` has whole seconds.
    fn update_server_offset(&mut self, offset: i64) {
        if (offset - self.server_offset_ms).abs() > 2_000 {
            self.server_offset_ms = offset;
            self.shared.globals.set_server_offset(self.shared.recorder(), &self.shared.config, offset);
        }
    }
}

fn sooner(a: Step, b: Step) -> Step {
    match (a, b) {
        (Step::Wait(a), Step::Wait(b)) => Step::Wait(a.min(b)),
        (Step::Idle, b) => b,
        (a, Step::Idle) => a,
        (Step::Wait(a), _) => Step::Wait(a),
        (_, b) => b,
    }
}
