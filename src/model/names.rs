//! Attribute keys and span names of ours, in one place. Names of OpenTelemetry's conventions are with
//! the OTLP exporter.

use std::borrow::Cow;

use crate::model::value::{Attribute, OwnedAttributes, to_owned};

/// Keys that start with one of these are ours: an attribute of the app's with such a key gets the prefix `app.`.
pub const RESERVED: [&str; 5] = ["throughline.", "state.", "mutation.", "rum.", "operation."];

/// The key of an attribute of the app's: one of ours gets the prefix `app.`.
pub(crate) fn app_key(key: &str) -> Cow<'_, str> {
    let is_ours = RESERVED.iter().any(|prefix| key.starts_with(prefix));
    if is_ours { Cow::Owned(format!("app.{key}")) } else { Cow::Borrowed(key) }
}

/// Copies attributes of the app's.
pub(crate) fn app_attributes(attributes: &[Attribute<'_>]) -> OwnedAttributes {
    let mut owned = to_owned(attributes);
    for (key, _) in &mut owned {
        if let Cow::Owned(prefixed) = app_key(key) {
            *key = prefixed;
        }
    }
    owned
}

/// A feature flag: its name follows.
pub const FEATURE_FLAG: &str = "feature_flag.";
/// The traced store.
pub const STATE_STORE: &str = "state.store";
/// The full path of the last mutation.
pub const STATE_PATH: &str = "state.path";
/// `set`, `insert`, `delete`, `replace`, `batch`.
pub const STATE_MUTATION: &str = "state.mutation";
/// What caused the mutation: `operation`, `action`, `none`, `ambiguous`.
pub const STATE_CAUSE: &str = "state.cause";
/// The value before the first mutation, as far as the policy lets it be captured.
pub const STATE_OLD: &str = "state.old";
/// The value after the last mutation.
pub const STATE_NEW: &str = "state.new";
/// `bool`, `int`, `double`, `text`, `bytes`, `list`, `map`.
pub const STATE_OLD_TYPE: &str = "state.old.type";
/// As [`STATE_OLD_TYPE`].
pub const STATE_NEW_TYPE: &str = "state.new.type";
/// Characters, bytes or elements of a value that is not captured itself.
pub const STATE_OLD_LENGTH: &str = "state.old.length";
/// As [`STATE_OLD_LENGTH`].
pub const STATE_NEW_LENGTH: &str = "state.new.length";
/// Mutations of the store that were suppressed since its last action.
pub const STATE_SUPPRESSED: &str = "state.suppressed.count";
/// Mutations that one action stands for.
pub const MUTATION_COUNT: &str = "mutation.count";
/// Nanoseconds from the first to the last of them.
pub const MUTATION_DURATION: &str = "mutation.duration_ns";
/// The operation that the event is part of.
pub const OPERATION_NAME: &str = "operation.name";
/// `succeeded`, `failed`, `abandoned`.
pub const OPERATION_OUTCOME: &str = "operation.outcome";
/// Why an operation was abandoned: `timeout`, `dropped`, `process_death`, `shutdown`.
pub const OPERATION_REASON: &str = "operation.reason";
/// Which attempt it is, from 1.
pub const OPERATION_ATTEMPT: &str = "operation.attempt";
/// What was frustrating about an action: `rage_tap`, `error_tap`.
pub const ACTION_FRUSTRATION: &str = "rum.action.frustration";
/// Resources that an action caused.
pub const ACTION_RESOURCES: &str = "rum.action.resource.count";
/// Errors that an action caused.
pub const ACTION_ERRORS: &str = "rum.action.error.count";
/// Long tasks that an action caused.
pub const ACTION_LONG_TASKS: &str = "rum.action.long_task.count";
/// State mutations that an action caused.
pub const ACTION_MUTATIONS: &str = "rum.action.mutation.count";
/// The session's number on this installation, from 1.
pub const SESSION_SEQUENCE: &str = "rum.session.sequence";
/// Frames that a view has drawn, as far as the host says.
pub const VIEW_FRAMES: &str = "rum.view.frame.count";
/// Frames of a view that took too long.
pub const VIEW_SLOW_FRAMES: &str = "rum.view.slow_frame.count";
/// Frames of a view that took longer than 700 ms.
pub const VIEW_FROZEN_FRAMES: &str = "rum.view.frozen_frame.count";
/// Mean of the process's memory while a view was shown, bytes.
pub const VIEW_MEMORY_MEAN: &str = "rum.view.memory_average";
/// Most memory while a view was shown, bytes.
pub const VIEW_MEMORY_MAX: &str = "rum.view.memory_max";
/// Processor time while a view was shown, s.
pub const VIEW_CPU_TIME: &str = "rum.view.cpu_time";
/// How the process started: `cold`, `warm`, `hot`.
pub const START_TYPE: &str = "start.type";
/// The correlation id that a request carried (OpenTelemetry's name for a header).
pub const CORRELATION_ID: &str = "http.request.header.x-correlation-id";
