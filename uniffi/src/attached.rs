//! What the client answers to JavaScript that attaches to it: see `throughline_attach`.

use std::collections::HashMap;

use serde_json::{Map, Value, json};
use throughline_attach::Attachable;

use crate::core::TelemetryCore;
use crate::diagnosis::{Diagnosis, Finding};
use crate::health::{HealthReport, NamedCount};
use crate::records::{Consent, HeaderField};

impl Attachable for TelemetryCore {
    fn is_running(&self) -> bool {
        self.runs()
    }

    fn door(&self) -> u64 {
        self.door()
    }

    fn record_tap(&self, name: &str, attributes: &HashMap<String, String>) -> bool {
        self.record_tap(name.to_owned(), fields(attributes))
    }

    fn answer(&self, question: &str, values: &str) -> String {
        let values: Vec<Value> = serde_json::from_str(values).unwrap_or_default();
        self.answered(question, &values).unwrap_or_default().to_string()
    }
}

impl TelemetryCore {
    /// See `throughline_attach::ask`. None for what has no answer, and for values of other
    /// types.
    fn answered(&self, question: &str, values: &[Value]) -> Option<Value> {
        let first = values.first();
        let rate = || first?.as_f64();
        Some(match question {
            "isRunning" => self.runs().into(),
            "traceHeaders" => {
                let existing = values.get(2)?.as_object()?.iter().filter_map(|(name, value)| {
                    Some(HeaderField { name: name.clone(), value: value.as_str()?.to_owned() })
                });
                let (url, slot) = (first?.as_str()?, values.get(1).and_then(slot)?);
                let headers = self.trace_headers(url.to_owned(), slot, existing.collect());
                headers.into_iter().map(|field| (field.name, field.value)).collect()
            }
            "traceId" => {
                let ids = self.trace_id(slot(first?)?)?;
                ids.split_once('-')?.0.into()
            }
            "sessionId" => self.session_id()?.into(),
            "installationId" => self.installation_id()?.into(),
            "setConsent" => {
                let consent = match first?.as_str()? {
                    "granted" => Consent::Granted,
                    "pending" => Consent::Pending,
                    "denied" => Consent::Denied,
                    _ => return Some(false.into()),
                };
                self.set_consent(consent).into()
            }
            "setEnabled" => self.set_enabled(first?.as_bool()?).into(),
            "setSessionSampleRate" => rate().is_some_and(|rate| self.set_session_sample_rate(rate)).into(),
            "setTraceSampleRate" => rate().is_some_and(|rate| self.set_trace_sample_rate(rate)).into(),
            "pauseDestination" => self.pause_destination(first?.as_str()?.to_owned()).into(),
            "resumeDestination" => self.resume_destination(first?.as_str()?.to_owned()).into(),
            "health" => self.health().to_json(),
            // The thread of JavaScript does not wait: it has made a flush, and says its reason.
            "diagnose" => self.diagnose_after(first.and_then(Value::as_str)).to_json(),
            _ => return None,
        })
    }
}

/// A slot. JavaScript's numbers are written with a fraction or an exponent where they are large.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
fn slot(value: &Value) -> Option<u64> {
    let number = value.as_f64()?;
    (0.0..=9_007_199_254_740_992.0).contains(&number).then_some(number as u64)
}

fn fields(map: &HashMap<String, String>) -> Vec<HeaderField> {
    map.iter().map(|(name, value)| HeaderField { name: name.clone(), value: value.clone() }).collect()
}

impl HealthReport {
    /// The report as JSON, with the keys in camel case and counts that have a name as an object.
    fn to_json(&self) -> Value {
        let destination = |destination: &crate::DestinationHealth| {
            json!({
                "name": destination.name,
                "delivered": destination.delivered,
                "dropped": counts(&destination.dropped),
                "paused": destination.paused,
                "isPausedByApp": destination.paused_by_app,
            })
        };
        let store = |store: &crate::StateCounts| {
            let counts = json!({
                "mutations": store.mutations,
                "recorded": store.recorded,
                "actions": store.actions,
                "suppressed": counts(&store.suppressed),
                "dropped": store.dropped,
                "ambiguous": store.ambiguous,
            });
            (store.name.clone(), counts)
        };
        json!({
            "isEnabled": self.enabled,
            "journal": self.journal,
            "storage": self.storage,
            "accepted": self.accepted,
            "queued": self.queued,
            "dropped": counts(&self.dropped),
            "destinations": self.destinations.iter().map(destination).collect::<Vec<_>>(),
            "lastError": self.last_error,
            "stores": self.stores.iter().map(store).collect::<Map<_, _>>(),
            "capturesCrashes": self.captures_crashes,
            "panics": self.panics,
            "closedCalls": self.closed_calls,
            "malformedCalls": self.malformed_calls,
            "unknownCalls": self.unknown_calls,
            "problems": self.problems,
        })
    }
}

impl Diagnosis {
    /// The diagnosis as JSON.
    fn to_json(&self) -> Value {
        let finding = |finding: &Finding| {
            json!({
                "cause": finding.cause,
                "blocks": finding.blocks,
                "destination": finding.destination,
                "seen": finding.seen,
                "advice": finding.advice,
            })
        };
        json!({
            "findings": self.findings.iter().map(finding).collect::<Vec<_>>(),
            "delivered": self.delivered,
            "waiting": self.waiting,
            "text": self.text,
        })
    }
}

fn counts(named: &[NamedCount]) -> Map<String, Value> {
    named.iter().map(|count| (count.name.clone(), count.count.into())).collect()
}
