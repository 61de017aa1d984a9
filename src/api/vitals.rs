//! What the host measures: frames, memory, processor time, start times.
//!
//! Most of it is summed up on the view that is shown and leaves with the view's next snapshot.

use std::time::Duration;

use uuid::Uuid;

use super::client::Telemetry;
use crate::model::event::{LongTask, Vital};
use crate::model::limits::{FROZEN_FRAME, SLOW_FRAME};
use crate::model::names::{self, semconv};
use crate::model::value::Value;

impl Telemetry {
    /// Counts frames that were drawn since the last call, on the view that is shown.
    pub fn record_frames(&self, count: u64) {
        if let Some(shared) = self.on() {
            shared.scopes.update_vitals(|vitals| vitals.frames = vitals.frames.saturating_add(count));
        }
    }

    /// Records a frame that took too long: it is counted on the view that is shown, and recorded as
    /// a long task, with OpenTelemetry's attributes `app.jank.*`. A frame of 700 ms or more is a
    /// frozen frame.
    pub fn record_slow_frame(&self, duration: Duration) -> Option<Uuid> {
        let is_frozen = duration >= FROZEN_FRAME;
        self.on()?.scopes.update_vitals(|vitals| {
            vitals.slow_frames += 1;
            vitals.frozen_frames += u64::from(is_frozen);
        });
        let threshold = if is_frozen { FROZEN_FRAME } else { SLOW_FRAME };
        let attributes = [
            (semconv::JANK_FRAMES, Value::Int(1)),
            (semconv::JANK_THRESHOLD, Value::Double(threshold.as_secs_f64())),
            (semconv::JANK_PERIOD, Value::Double(duration.as_secs_f64())),
        ];
        let mut task = LongTask::new(duration);
        task.is_frozen_frame = is_frozen;
        self.record_long_task(&task.attributes(&attributes))
    }

    /// Takes a sample of the process's memory, in bytes. The view that is shown gets the mean and
    /// the maximum of its samples.
    pub fn record_memory(&self, bytes: u64) {
        if let Some(shared) = self.on() {
            shared.scopes.update_vitals(|vitals| vitals.add_memory_sample(bytes));
        }
    }

    /// Adds processor time that the process has used since the last call to the view that is shown.
    pub fn record_cpu(&self, used: Duration) {
        if let Some(shared) = self.on() {
            shared.scopes.update_vitals(|vitals| vitals.cpu = vitals.cpu.saturating_add(used));
        }
    }

    /// Records how long the process took to start. `start_type` is `cold`, `warm` or `hot`.
    pub fn record_process_start(&self, start_type: &str, duration: Duration) -> Option<Uuid> {
        let attributes = [(names::START_TYPE, start_type.into())];
        let vital = Vital::new(names::VITAL_PROCESS_START, duration.as_secs_f64(), "s");
        self.record_ours(&vital.attributes(&attributes))
    }

    /// Records the time from the start of the process until its first frame.
    pub fn record_initial_display(&self, duration: Duration) -> Option<Uuid> {
        self.record_vital(&Vital::new(names::VITAL_INITIAL_DISPLAY, duration.as_secs_f64(), "s"))
    }
}
