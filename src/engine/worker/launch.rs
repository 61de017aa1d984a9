//! What follows for this launch from how the last run ended: whether crashes are captured, and
//! whether the app may wait for their delivery.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::Worker;
use super::flush::{FlushJob, FlushOutcome};
use super::storage::Storage;
use crate::model::event::Custom;
use crate::model::names;
use crate::model::value::Value;
use crate::policy::crash_loop::Capture;

impl Worker<'_> {
    /// Decides what holds for this launch as soon as it is known how the last run ended, and
    /// answers those who wait for that.
    pub(super) fn judge_launch(&mut self) {
        if self.launch.is_none() {
            self.launch = self.storage.open().and_then(|open| open.own.launch());
            if let Some(Capture::Disabled { left, is_new: true }) = self.launch.map(|launch| launch.capture) {
                self.disable_capture(left, true);
            }
        }
        if !self.crash_flushes.is_empty() {
            self.begin_crash_flushes();
        }
    }

    /// Captures no crashes for a while: our own code has crashed the app several times in a row.
    /// The launch that finds it says so.
    pub(super) fn disable_capture(&self, left: Duration, is_new: bool) {
        let recorder = self.shared.recorder();
        recorder.crash().end();
        self.shared.is_capture_disabled.store(true, Ordering::Relaxed);
        if !is_new {
            return;
        }
        self.shared.debug.log("crashes are not captured for a day: Throughline's own code has crashed the app");
        let seconds = left.as_secs();
        let attributes = [(names::SELF_CAPTURE_OFF, Value::Int(seconds.try_into().unwrap_or(i64::MAX)))];
        recorder.record_own(&Custom::new(names::EVENT_SELF_CAPTURE_OFF).attributes(&attributes), recorder.boot());
    }

    /// Only after a death at launch is there a reason to wait: the next one may come before an
    /// upload.
    fn begin_crash_flushes(&mut self) {
        let may_wait = self.launch.map(|launch| launch.may_wait);
        let is_opening = matches!(self.storage, Storage::Open(_) | Storage::Opening);
        if may_wait == Some(true) {
            let jobs = std::mem::take(&mut self.crash_flushes);
            self.drain_now();
            self.directories(|directory| directory.uploader.set_flush(true));
            self.flushes.extend(jobs);
            return;
        }
        let waiting = self.waiting_crashes();
        let now = Instant::now();
        let is_known = may_wait.is_some() || !is_opening;
        let is_over = |job: &FlushJob| is_known || job.until <= now;
        let jobs: (Vec<_>, Vec<_>) = std::mem::take(&mut self.crash_flushes).into_iter().partition(is_over);
        self.crash_flushes = jobs.1;
        for job in jobs.0 {
            let reason =
                if may_wait.is_some() { "the last run did not die at launch" } else { "the database is not open" };
            let complete = may_wait.is_some() && waiting == 0;
            let reason = (!complete).then(|| reason.to_owned());
            job.answer(FlushOutcome { complete, delivered: 0, waiting, reason });
        }
    }
}
