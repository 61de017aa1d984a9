//! What the client answers to JavaScript that attaches to it: see `throughline_attach`.

use std::collections::HashMap;

use serde_json::{Map, Value, json};
use throughline_attach::Attachable;

use crate::core::TelemetryCore;
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

    fn trace_headers(&self, url: &str, slot: u64, existing: &HashMap<String, String>) -> HashMap<String, String> {
        let headers = self.trace_headers(url.to_owned(), slot, fields(existing));
        headers.into_iter().map(|field| (field.name, field.value)).collect()
    }

    fn trace_id(&self, slot: u64) -> Option<String> {
        let ids = self.trace_id(slot)?;
        ids.split_once('-').map(|(trace, _)| trace.to_owned())
    }

    fn session_id(&self) -> Option<String> {
        self.session_id()
    }

    fn installation_id(&self) -> Option<String> {
        self.installation_id()
    }

    fn set_consent(&self, consent: &str) -> bool {
        let consent = match consent {
            "granted" => Consent::Granted,
            "pending" => Consent::Pending,
            "denied" => Consent::Denied,
            _ => return false,
        };
        self.set_consent(consent)
    }

    fn set_enabled(&self, enabled: bool) -> bool {
        self.set_enabled(enabled)
    }

    fn set_session_sample_rate(&self, rate: f64) -> bool {
        self.set_session_sample_rate(rate)
    }

    fn set_trace_sample_rate(&self, rate: f64) -> bool {
        self.set_trace_sample_rate(rate)
    }

    fn health(&self) -> String {
        self.health().to_json().to_string()
    }
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
            "panics": self.panics,
            "closedCalls": self.closed_calls,
            "malformedCalls": self.malformed_calls,
            "unknownCalls": self.unknown_calls,
            "problems": self.problems,
        })
    }
}

fn counts(named: &[NamedCount]) -> Map<String, Value> {
    named.iter().map(|count| (count.name.clone(), count.count.into())).collect()
}
