//! What a draft asks for, done.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use throughline::event::{Action, Custom, ErrorEvent, Log, LongTask, Resource, TraceContext, Vital};
use throughline::state::{Mutation, PathDecision, Suppressed};
use throughline::{Telemetry, User, Value};

use crate::client::Client;
use crate::draft::{Attributes, Call, Draft, Malformed, Outcome};
use crate::slots::Live;

/// It was recorded.
pub(crate) const DONE: i64 = 1;
/// It was not kept: sampled out, no room, switched off. The core has counted it.
pub(crate) const NOT_KEPT: i64 = 0;
/// There is no such client, or it is shut down.
pub(crate) const CLOSED: i64 = -1;
/// The draft cannot be read.
pub(crate) const MALFORMED: i64 = -2;
/// It names a store or slot that is not there, or a policy that cannot work: `health` says which.
pub(crate) const UNKNOWN: i64 = -3;

/// Does what a draft asks for.
#[inline]
pub(crate) fn apply(client: &Client, telemetry: &Telemetry, draft: &Draft<'_>) -> i64 {
    if draft.context == 0 && draft.time_ns == 0 {
        now(client, telemetry, draft, None)
    } else {
        placed(client, telemetry, draft)
    }
}

/// In the context and at the time that the draft names.
#[inline(never)]
fn placed(client: &Client, telemetry: &Telemetry, draft: &Draft<'_>) -> i64 {
    let inside = || match draft.context {
        0 => now(client, telemetry, draft, None),
        slot => match client.slots.context(slot) {
            Some(context) => telemetry.with_context(&context, || now(client, telemetry, draft, Some(context.trace))),
            None => {
                // What happened is recorded all the same; its cause is not known.
                client.counts.unknown.fetch_add(1, Ordering::Relaxed);
                now(client, telemetry, draft, None)
            }
        },
    };
    if draft.time_ns == 0 { inside() } else { telemetry.replay(draft.time_ns, inside) }
}

#[inline]
fn now(client: &Client, telemetry: &Telemetry, draft: &Draft<'_>, trace: Option<TraceContext>) -> i64 {
    let answer = match &draft.call {
        // The frequent ones first.
        Call::Action { action_type, name, attributes } => attributes.lend(|attributes| {
            let mut action = Action::new(*action_type, name).attributes(attributes);
            action.common.trace = trace;
            kept(telemetry.record_action(&action))
        }),
        Call::Mutation { .. } | Call::Suppressed { .. } => mutate(client, draft),
        Call::Log { severity, body, logger, attributes } => attributes.lend(|attributes| {
            let mut log = Log::new(*severity, body).attributes(attributes);
            log.logger = logger;
            kept(telemetry.record_log(&log))
        }),
        Call::Measurement { instrument, name, unit, value, attributes } => {
            let Some(meter) = client.meter(telemetry, *instrument, name, unit) else { return UNKNOWN };
            attributes.lend(|attributes| {
                meter.record(*value, attributes);
                DONE
            })
        }
        Call::KeepContext { key } => {
            // The slot's own, not what is current: nothing is guessed.
            let context = match draft.context {
                0 => telemetry.current_context().map(Arc::new),
                slot => client.slots.context(slot),
            };
            Ok(done(context.is_some_and(|context| telemetry.keep_context(key, &context))))
        }
        call => event(telemetry, call, trace)
            .or_else(|| scope(client, telemetry, call))
            .or_else(|| said(client, telemetry, call))
            .unwrap_or(Ok(UNKNOWN)),
    };
    answer.unwrap_or_else(|Malformed| {
        client.counts.malformed.fetch_add(1, Ordering::Relaxed);
        MALFORMED
    })
}

fn kept<T>(id: Option<T>) -> i64 {
    if id.is_some() { DONE } else { NOT_KEPT }
}

fn done(is_done: bool) -> i64 {
    if is_done { DONE } else { NOT_KEPT }
}

type Answer = Option<Result<i64, Malformed>>;

/// Events that are over when they are told.
fn event(telemetry: &Telemetry, call: &Call<'_>, trace: Option<TraceContext>) -> Answer {
    Some(match call {
        Call::Resource { method, url, status, duration_ns, bytes, error_type, attributes } => {
            attributes.lend(|attributes| {
                let mut resource =
                    Resource::new(method, url, *status, Duration::from_nanos(*duration_ns)).attributes(attributes);
                resource.size = u64::try_from(*bytes).ok();
                resource.error_type = error_type;
                resource.common.trace = trace.and_then(|trace| telemetry.child_of(trace));
                resource.parent_span = trace.map(|trace| trace.span_id);
                kept(telemetry.record_resource(&resource))
            })
        }
        Call::Error { kind, source, error_type, message, stack, attributes } => attributes.lend(|attributes| {
            let mut error = ErrorEvent::new(error_type, message).attributes(attributes);
            (error.error_kind, error.source, error.stack) = (*kind, *source, stack);
            kept(telemetry.record_error(&error))
        }),
        Call::LongTask { duration_ns, frozen, attributes } => attributes.lend(|attributes| {
            let mut task = LongTask::new(Duration::from_nanos(*duration_ns)).attributes(attributes);
            task.is_frozen_frame = *frozen;
            kept(telemetry.record_long_task(&task))
        }),
        Call::Vital { name, value, unit, attributes } => attributes
            .lend(|attributes| kept(telemetry.record_vital(&Vital::new(name, *value, unit).attributes(attributes)))),
        Call::Custom { name, attributes } => {
            attributes.lend(|attributes| kept(telemetry.record_custom(&Custom::new(name).attributes(attributes))))
        }
        Call::SlowFrame { duration_ns } => Ok(kept(telemetry.record_slow_frame(Duration::from_nanos(*duration_ns)))),
        Call::ProcessStart { start_type, duration_ns } => {
            Ok(kept(telemetry.record_process_start(start_type, Duration::from_nanos(*duration_ns))))
        }
        Call::InitialDisplay { duration_ns } => {
            Ok(kept(telemetry.record_initial_display(Duration::from_nanos(*duration_ns))))
        }
        Call::SyncFailure { call, code, retries, offline } => {
            Ok(kept(telemetry.record_sync_failure(call, code, *retries, *offline)))
        }
        Call::QueueFlush { depth, ok } => Ok(kept(telemetry.record_queue_flush(*depth, *ok))),
        Call::ReportProblem { message } => Ok(kept(telemetry.report_problem(message))),
        _ => return None,
    })
}

/// Views, actions, spans, requests: what begins and ends.
fn scope(client: &Client, telemetry: &Telemetry, call: &Call<'_>) -> Answer {
    let slots = &client.slots;
    let known = |is_known: bool| {
        client.counts.unknown.fetch_add(u64::from(!is_known), Ordering::Relaxed);
        Ok(if is_known { DONE } else { UNKNOWN })
    };
    Some(match call {
        Call::StartView { name } => Ok(kept(telemetry.start_view(name))),
        Call::PushView { name } => Ok(kept(telemetry.push_view(name))),
        Call::StopView => {
            telemetry.stop_view();
            Ok(DONE)
        }
        Call::MarkInteractive => {
            telemetry.mark_interactive();
            Ok(DONE)
        }
        Call::StartAction { action_type, name, attributes } => attributes
            .lend(|attributes| kept(telemetry.start_action(&Action::new(*action_type, name).attributes(attributes)))),
        Call::RenewSession => {
            telemetry.renew_session();
            Ok(DONE)
        }
        Call::StartOperation { slot, name, attributes } => {
            begin(client, *slot, telemetry.start_operation(name), attributes)
        }
        Call::StartSpan { slot, name, attributes } => begin(client, *slot, telemetry.start_span(name), attributes),
        Call::SpanAttributes { slot, attributes } => {
            attributes.lend(|attributes| slots.with_span(*slot, |span| set_all(span, attributes))).and_then(known)
        }
        Call::SpanEvent { slot, name, attributes } => attributes
            .lend(|attributes| slots.with_span(*slot, |span| span.add_event(name, attributes)))
            .and_then(known),
        Call::SpanLink { slot, other } => match slots.context(*other) {
            Some(other) => known(slots.with_span(*slot, |span| span.add_link(other.trace))),
            None => known(false),
        },
        Call::Retry { slot, attempt } => known(slots.with_span(*slot, |span| span.retry(*attempt))),
        Call::EndSpan { slot, outcome, error_type, message } => {
            let Some(span) = slots.end_span(*slot) else { return Some(known(false)) };
            match outcome {
                Outcome::Succeeded => span.succeed(),
                Outcome::Failed => span.fail(error_type, message),
                Outcome::Abandoned => drop(span),
            }
            Ok(DONE)
        }
        Call::ReadContext { slot, headers } => headers.read().map(|headers| {
            let context = telemetry.extract(headers);
            done(context.is_some_and(|context| slots.put(*slot, &context, Live::Ended)))
        }),
        Call::TakeContext { slot, key } => {
            let context = telemetry.take_context(key);
            Ok(done(context.is_some_and(|context| slots.put(*slot, &context, Live::Ended))))
        }
        Call::StartRequest { slot, method, url } => {
            let request = telemetry.start_resource(method, url);
            let context = request.context().cloned();
            Ok(done(context.is_some_and(|context| slots.put(*slot, &context, Live::Request(request)))))
        }
        Call::EndRequest { slot, status, bytes, protocol, error_type, phases, attributes } => {
            let Some(request) = slots.end_request(*slot) else { return Some(known(false)) };
            let phases = phases.read();
            attributes.lend(|attributes| {
                kept(request.stop(*status, |resource| {
                    let mut resource = resource.attributes(attributes).phases(&phases);
                    resource.size = u64::try_from(*bytes).ok();
                    (resource.protocol, resource.error_type) = (protocol, error_type);
                    resource
                }))
            })
        }
        _ => return None,
    })
}

fn begin(
    client: &Client,
    slot: u64,
    mut span: throughline::ActiveSpan,
    attributes: &Attributes<'_>,
) -> Result<i64, Malformed> {
    attributes.lend(|attributes| set_all(&mut span, attributes))?;
    let context = span.context().cloned();
    Ok(done(context.is_some_and(|context| client.slots.put(slot, &context, Live::Span(span)))))
}

fn set_all(span: &mut throughline::ActiveSpan, attributes: &[(&str, Value<'_>)]) {
    for (key, value) in attributes {
        span.set_attribute(key, *value);
    }
}

fn mutate(client: &Client, draft: &Draft<'_>) -> Result<i64, Malformed> {
    let (Call::Mutation { store, .. } | Call::Suppressed { store }) = draft.call else { return Ok(UNKNOWN) };
    let answer = client.store(store, |store| {
        if draft.suppressed > 0 {
            store.add_suppressed(Suppressed::Facade, u64::from(draft.suppressed));
        }
        let Call::Mutation { kind, path, old, new, attributes, .. } = draft.call else { return Ok(DONE) };
        old.lend(|old| {
            new.lend(|new| attributes.lend(|attributes| store.mutate(&Mutation { path, kind, old, new, attributes })))
        })???;
        Ok(DONE)
    });
    answer.unwrap_or_else(|| {
        client.counts.unknown.fetch_add(1, Ordering::Relaxed);
        Ok(UNKNOWN)
    })
}

/// What the host says of itself, its user and its stores.
fn said(client: &Client, telemetry: &Telemetry, call: &Call<'_>) -> Answer {
    let version = |version: Option<u64>| Ok(version.map_or(UNKNOWN, |version| version as i64));
    Some(match call {
        Call::DeclareStore { store, name, policy } => version(client.declare(telemetry, *store, name, policy)),
        Call::UpdatePolicy { store, policy } => version(client.update_policy(*store, policy)),
        Call::Decide { store, path } => Ok(decide(client, *store, path)),
        Call::Frames { count } => {
            telemetry.record_frames(*count);
            Ok(DONE)
        }
        Call::Memory { bytes } => {
            telemetry.record_memory(*bytes);
            Ok(DONE)
        }
        Call::ProcessorTime { duration_ns } => {
            telemetry.record_cpu(Duration::from_nanos(*duration_ns));
            Ok(DONE)
        }
        Call::User { attributes } => attributes.lend(|attributes| done(set_user(telemetry, attributes))),
        Call::GlobalAttribute { key, value } => value.lend(|value| done(telemetry.set_global_attribute(key, value))),
        Call::FeatureFlag { name, value } => value.lend(|value| done(telemetry.set_feature_flag(name, value))),
        Call::Fault { place } => {
            fault(telemetry, place);
            Ok(DONE)
        }
        _ => return None,
    })
}

/// The version and the decision in one number: `version << 8 | code`, code 0 records, others are 1
/// + the reason.
fn decide(client: &Client, store: u32, path: &str) -> i64 {
    let Some(decided) = client.store(store, |store| store.decide(path)) else { return UNKNOWN };
    let Some((decision, version)) = decided else { return NOT_KEPT };
    let code = match decision {
        PathDecision::Record { .. } => 0,
        PathDecision::Ignore(reason) => 1 + i64::from(reason as u8),
    };
    (version as i64) << 8 | code
}

fn set_user(telemetry: &Telemetry, attributes: &[(&str, Value<'_>)]) -> bool {
    let text = |key: &str| match attributes.iter().find(|(name, _)| *name == key) {
        Some((_, Value::Text(text))) => *text,
        _ => "",
    };
    let user = User { id: text("id"), name: text("name"), email: text("email"), attributes };
    telemetry.set_user((!attributes.is_empty()).then_some(user))
}

/// Panics at the named place, or ends what settles by itself: for tests of the bindings.
#[cfg(feature = "testing")]
fn fault(telemetry: &Telemetry, place: &str) {
    if place == "settle" {
        return telemetry.finish_collecting();
    }
    if place == "record" {
        #[allow(clippy::panic, reason = "asked for by a test")]
        {
            panic!("asked for");
        }
    }
    throughline::internals::kill_point::panic_at(place);
}

#[cfg(not(feature = "testing"))]
fn fault(_telemetry: &Telemetry, _place: &str) {}
