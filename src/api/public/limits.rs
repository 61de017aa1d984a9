//! The limits that an app, a host or an exporter can meet, each with its unit and its reason.
//!
//! A limit is enforced where the value enters, and what it costs is counted or marked: nothing is
//! shortened or dropped silently. A text that was cut and attributes that were left out are counted
//! on the event (`throughline.truncated` on the wire); an event that was dropped is in the
//! [ledger](crate::ledger).
//!
//! ```
//! use throughline::limits;
//! assert!(limits::MAX_EVENT_BYTES < limits::MAX_BATCH_BYTES);
//! ```

pub use crate::model::limits::{
    ACTION_MAX, ACTION_QUIET, CONTEXT_STORE_BYTES, CONTEXT_STORE_ENTRIES, CONTEXT_STORE_TTL, CRASH_AGE_FACTOR,
    DEFAULT_CRASH_BYTES, DEFAULT_MAX_AGE, DEFAULT_QUEUE_BYTES, DIFF_DEPTH, DIFF_MUTATIONS, DIFF_NODES, FROZEN_FRAME,
    MAX_ATTRIBUTES, MAX_BATCH_BYTES, MAX_BATCH_EVENTS, MAX_BLOB_BYTES, MAX_DEPTH, MAX_DIAGNOSTIC_BYTES, MAX_ELEMENTS,
    MAX_EVENT_BYTES, MAX_KEY_BYTES, MAX_MESSAGE_CHARS, MAX_METRIC_SERIES, MAX_METRICS, MAX_NAME_CHARS, MAX_OPERATIONS,
    MAX_PATH_BYTES, MAX_PATH_SEGMENTS, MAX_PENDING_BYTES, MAX_PHASES, MAX_RESPONSE_BYTES, MAX_SERIES,
    MAX_SIBLING_PROCESSES, MAX_SPAN_ITEMS, MAX_STACK_CHARS, MAX_STATE_WINDOW, MAX_STORES, MAX_TEXT_CHARS, MAX_VIEWS,
    METRIC_EVERY, OPERATION_TIMEOUT, REQUEST_TIMEOUT, RETRY_AFTER_MAX, RETRY_AFTER_MIN, SESSION_INACTIVITY,
    SESSION_MAX,
};
