//! Does what a draft asks for.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use throughline::event::{Action, Custom, ErrorEvent, Log, LongTask, Resource, TraceContext, Vital};
use throughline::state::{Mutation, Suppressed};
use throughline::{Telemetry, User, Value};

use crate::answer::Answer;
use crate::client::Client;
use crate::draft::{Attributes, Call, Draft, Malformed, Outcome};
use crate::slots::Live;

/// What became of a call: `None` when a function does not know it, an error when its attributes or
/// values cannot be read.
type Served = Option<Result<Answer, Malformed>>;

/// Does what a draft asks for.
#[inline]
pub(crate) fn apply(client: &Client, telemetry: &Telemetry, draft: &Draft<'_>) -> Answer {
    if draft.context == 0 && draft.time_ns == 0 {
        apply_now(client, telemetry, draft, None)
    } else {
        apply_there(client, telemetry, draft)
    }
}

/// Does it in the context and at the time that the draft names.
#[inline(never)]
fn apply_there(client: &Client, telemetry: &Telemetry, draft: &Draft<'_>) -> Answer {
    let inside = || match draft.context {
        0 => apply_now(client, telemetry, draft, None),
        slot => match client.slots.context(slot) {
            Some(context) => {
                telemetry.with_context(&context, || apply_now(client, telemetry, draft, Some(context.trace)))
            }
            None => {
                // What happened is recorded all the same. Only its cause is unknown.
                client.counts.unknown.fetch_add(1, Ordering::Relaxed);
                apply_now(client, telemetry, draft, None)
            }
        },
    };
    if draft.time_ns == 0 { inside() } else { telemetry.replay(draft.time_ns, inside) }
}

#[inline]
fn apply_now(client: &Client, telemetry: &Telemetry, draft: &Draft<'_>, trace: Option<TraceContext>) -> Answer {
    let answer = match &draft.call {
        // The frequent calls come first.
        Call::Action { action_type, name, attributes } => attributes.lend(|attributes| {
            let mut action = Action::new(*action_type, name).attributes(attributes);
            action.common.trace = trace;
            Answer::kept(telemetry.record_action(&action).is_some())
        }),
        Call::Mutation { .. } | Call::Suppressed { .. } => mutate(client, draft),
        Call::Log { severity, body, logger, attributes } => attributes.lend(|attributes| {
            let mut log = Log::new(*severity, body).attributes(attributes);
            log.logger = logger;
            Answer::kept(telemetry.record_log(&log).is_some())
        }),
        Call::Measurement { instrument, name, unit, value, attributes } => {
            let Some(meter) = client.meter(telemetry, *instrument, name, unit) else { return Answer::UNKNOWN };
            attributes.lend(|attributes| {
                meter.record(*value, attributes);
                Answer::DONE
            })
        }
        Call::KeepContext { key } => {
            // A slot that is not there is not replaced by what is current: a cause is never
            // guessed.
            let context = match draft.context {
                0 => telemetry.current_context().map(Arc::new),
                slot => client.slots.context(slot),
            };
            Ok(Answer::kept(context.is_some_and(|context| telemetry.keep_context(key, &context))))
        }
        call => record_event(telemetry, call, trace)
            .or_else(|| begin_or_end(client, telemetry, call))
            .or_else(|| describe(client, telemetry, call))
            .unwrap_or(Ok(Answer::UNKNOWN)),
    };
    answer.unwrap_or_else(|Malformed| {
        client.counts.malformed.fetch_add(1, Ordering::Relaxed);
        Answer::MALFORMED
    })
}

/// Records an event that is over when the facade calls.
fn record_event(telemetry: &Telemetry, call: &Call<'_>, trace: Option<TraceContext>) -> Served {
    let id = match call {
        Call::Resource { method, url, status, duration_ns, bytes, error_type, attributes } => {
            attributes.lend(|attributes| {
                let mut resource =
                    Resource::new(method, url, *status, Duration::from_nanos(*duration_ns)).attributes(attributes);
                resource.size = u64::try_from(*bytes).ok();
                resource.error_type = error_type;
                resource.common.trace = trace.and_then(|trace| telemetry.child_of(trace));
                resource.parent_span = trace.map(|trace| trace.span_id);
                telemetry.record_resource(&resource)
            })
        }
        Call::Error { kind, source, error_type, message, stack, attributes } => attributes.lend(|attributes| {
            let mut error = ErrorEvent::new(error_type, message).attributes(attributes);
            (error.error_kind, error.source, error.stack) = (*kind, *source, stack);
            telemetry.record_error(&error)
        }),
        Call::LongTask { duration_ns, frozen, attributes } => attributes.lend(|attributes| {
            let mut task = LongTask::new(Duration::from_nanos(*duration_ns)).attributes(attributes);
            task.is_frozen_frame = *frozen;
            telemetry.record_long_task(&task)
        }),
        Call::Vital { name, value, unit, attributes } => {
            attributes.lend(|attributes| telemetry.record_vital(&Vital::new(name, *value, unit).attributes(attributes)))
        }
        Call::Custom { name, attributes } => {
            attributes.lend(|attributes| telemetry.record_custom(&Custom::new(name).attributes(attributes)))
        }
        Call::SlowFrame { duration_ns } => Ok(telemetry.record_slow_frame(Duration::from_nanos(*duration_ns))),
        Call::ProcessStart { start_type, duration_ns } => {
            Ok(telemetry.record_process_start(start_type, Duration::from_nanos(*duration_ns)))
        }
        Call::InitialDisplay { duration_ns } => {
            Ok(telemetry.record_initial_display(Duration::from_nanos(*duration_ns)))
        }
        Call::SyncFailure { rpc, code, retries, offline } => {
            Ok(telemetry.record_sync_failure(rpc, code, *retries, *offline))
        }
        Call::QueueFlush { depth, ok } => Ok(telemetry.record_queue_flush(*depth, *ok)),
        Call::ReportProblem { message } => Ok(telemetry.report_problem(message)),
        _ => return None,
    };
    Some(id.map(|id| Answer::kept(id.is_some())))
}

/// Begins or ends a view, an action, a span, a request, or changes one that runs.
fn begin_or_end(client: &Client, telemetry: &Telemetry, call: &Call<'_>) -> Served {
    let slots = &client.slots;
    let known = |is_known: bool| {
        client.counts.unknown.fetch_add(u64::from(!is_known), Ordering::Relaxed);
        Ok(if is_known { Answer::DONE } else { Answer::UNKNOWN })
    };
    Some(match call {
        Call::StartView { name } => Ok(Answer::kept(telemetry.start_view(name).is_some())),
        Call::PushView { name } => Ok(Answer::kept(telemetry.push_view(name).is_some())),
        Call::StopView {} => {
            telemetry.stop_view();
            Ok(Answer::DONE)
        }
        Call::MarkInteractive {} => {
            telemetry.mark_interactive();
            Ok(Answer::DONE)
        }
        Call::StartAction { action_type, name, attributes } => attributes.lend(|attributes| {
            let id = telemetry.start_action(&Action::new(*action_type, name).attributes(attributes));
            Answer::kept(id.is_some())
        }),
        Call::RenewSession {} => {
            telemetry.renew_session();
            Ok(Answer::DONE)
        }
        Call::StartOperation { slot, name, attributes } => {
            begin_span(client, *slot, telemetry.start_operation(name), attributes)
        }
        Call::StartSpan { slot, name, attributes } => begin_span(client, *slot, telemetry.start_span(name), attributes),
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
                Outcome::Cancelled => span.cancel(),
                Outcome::TimedOut => span.time_out(),
                Outcome::Abandoned => drop(span),
            }
            Ok(Answer::DONE)
        }
        Call::ActionContext { slot } => {
            let context = telemetry.action_context();
            Ok(Answer::kept(context.is_some_and(|context| slots.put(*slot, &context, Live::Ended))))
        }
        Call::ReadContext { slot, headers } => headers.read_all().map(|headers| {
            let context = telemetry.extract(headers);
            Answer::kept(context.is_some_and(|context| slots.put(*slot, &context, Live::Ended)))
        }),
        Call::TakeContext { slot, key } => {
            let context = telemetry.take_context(key);
            Ok(Answer::kept(context.is_some_and(|context| slots.put(*slot, &context, Live::Ended))))
        }
        Call::StartRequest { slot, method, url } => {
            let request = telemetry.start_resource(method, url);
            let context = request.context().cloned();
            Ok(Answer::kept(context.is_some_and(|context| slots.put(*slot, &context, Live::Request(request)))))
        }
        Call::EndRequest { slot, status, bytes, protocol, error_type, phases, attributes } => {
            let Some(request) = slots.end_request(*slot) else { return Some(known(false)) };
            let phases = phases.read_all();
            attributes.lend(|attributes| {
                let id = request.stop(*status, |resource| {
                    let mut resource = resource.attributes(attributes).phases(&phases);
                    resource.size = u64::try_from(*bytes).ok();
                    (resource.protocol, resource.error_type) = (protocol, error_type);
                    resource
                });
                Answer::kept(id.is_some())
            })
        }
        _ => return None,
    })
}

fn begin_span(
    client: &Client,
    slot: u64,
    mut span: throughline::ActiveSpan,
    attributes: &Attributes<'_>,
) -> Result<Answer, Malformed> {
    attributes.lend(|attributes| set_all(&mut span, attributes))?;
    let context = span.context().cloned();
    Ok(Answer::kept(context.is_some_and(|context| client.slots.put(slot, &context, Live::Span(span)))))
}

fn set_all(span: &mut throughline::ActiveSpan, attributes: &[(&str, Value<'_>)]) {
    for (key, value) in attributes {
        span.set_attribute(key, *value);
    }
}

/// Counts what the facade has suppressed, and records a mutation.
fn mutate(client: &Client, draft: &Draft<'_>) -> Result<Answer, Malformed> {
    let (Call::Mutation { store, .. } | Call::Suppressed { store }) = draft.call else { return Ok(Answer::UNKNOWN) };
    let answer = client.store(store, |store| {
        if draft.suppressed > 0 {
            store.add_suppressed(Suppressed::Facade, u64::from(draft.suppressed));
        }
        let Call::Mutation { kind, path, old, new, attributes, .. } = draft.call else { return Ok(Answer::DONE) };
        old.lend(|old| {
            new.lend(|new| attributes.lend(|attributes| store.mutate(&Mutation { path, kind, old, new, attributes })))
        })???;
        Ok(Answer::DONE)
    });
    answer.unwrap_or_else(|| {
        client.counts.unknown.fetch_add(1, Ordering::Relaxed);
        Ok(Answer::UNKNOWN)
    })
}

/// Takes what the host says about its stores, its process and its user.
fn describe(client: &Client, telemetry: &Telemetry, call: &Call<'_>) -> Served {
    let version = |version: Option<u64>| Ok(version.map_or(Answer::UNKNOWN, Answer::version));
    Some(match call {
        Call::DeclareStore { store, name, policy } => version(client.declare(telemetry, *store, name, policy)),
        Call::UpdatePolicy { store, policy } => version(client.update_policy(*store, policy)),
        Call::Decide { store, path } => Ok(decide(client, *store, path)),
        Call::Frames { count } => {
            telemetry.record_frames(*count);
            Ok(Answer::DONE)
        }
        Call::Memory { bytes } => {
            telemetry.record_memory(*bytes);
            Ok(Answer::DONE)
        }
        Call::CpuTime { duration_ns } => {
            telemetry.record_cpu(Duration::from_nanos(*duration_ns));
            Ok(Answer::DONE)
        }
        Call::User { attributes } => attributes.lend(|attributes| Answer::kept(set_user(telemetry, attributes))),
        Call::GlobalAttribute { key, value } => {
            value.lend(|value| Answer::kept(telemetry.set_global_attribute(key, value)))
        }
        Call::FeatureFlag { name, value } => value.lend(|value| Answer::kept(telemetry.set_feature_flag(name, value))),
        Call::Fault { place } => {
            fault(telemetry, place);
            Ok(Answer::DONE)
        }
        _ => return None,
    })
}

fn decide(client: &Client, store: u32, path: &str) -> Answer {
    let Some(decided) = client.store(store, |store| store.decide(path)) else { return Answer::UNKNOWN };
    decided.map_or(Answer::NOT_KEPT, |(decision, version)| Answer::path(version, decision))
}

fn set_user(telemetry: &Telemetry, attributes: &[(&str, Value<'_>)]) -> bool {
    let text = |key: &str| match attributes.iter().find(|(name, _)| *name == key) {
        Some((_, Value::Text(text))) => *text,
        _ => "",
    };
    let user = User { id: text("id"), name: text("name"), email: text("email"), attributes };
    telemetry.set_user((!attributes.is_empty()).then_some(user))
}

/// Panics at the named place, or at `settle` ends what would end by itself. For tests of the
/// bindings.
#[cfg(feature = "testing")]
fn fault(telemetry: &Telemetry, place: &str) {
    if place == "settle" {
        return telemetry.finish_collecting();
    }
    if place == "record" {
        #[allow(clippy::panic, reason = "a test asks for it")]
        {
            panic!("a test asked for this panic");
        }
    }
    throughline::internals::kill_point::panic_at(place);
}

#[cfg(not(feature = "testing"))]
fn fault(_telemetry: &Telemetry, _place: &str) {}
