//! A back end of your own: a `TelemetryService` for Throughline's clients.
//!
//! `service` speaks the Connect protocol and knows nothing of storage; `handler` says what becomes
//! of an event. Replace the handler, and no client notices.

pub mod handler;
pub mod service;
