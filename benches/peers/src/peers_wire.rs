//! The actions of `wire.rs` in the encodings of other SDKs, compressed as they are sent.

use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use flate2::Compression;
use flate2::write::GzEncoder;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use sentry::protocol::{Envelope, ItemContainer, Log, LogAttribute, LogLevel, Map};
use serde_json::json;

use crate::client::Texts;
use crate::table::{Goal, Table};
use crate::wire::{BATCHES, EVENTS, RESOURCE, USER, pause};

/// An action as every peer knows it.
struct Tap {
    texts: Texts,
    time: Duration,
    id: String,
    session: String,
    view: String,
}

/// Adds the rows of the peers.
pub(crate) fn add(table: &mut Table) -> Result<()> {
    let taps = taps();
    let encodings: [(&str, fn(&[Tap]) -> Result<Vec<u8>>); 3] =
        [("opentelemetry_protobuf", opentelemetry), ("dd_sdk_ndjson", datadog), ("sentry_sdk_logs", sentry)];
    for (name, encode) in encodings {
        for most in BATCHES {
            let mut bytes = 0;
            for taps in taps.chunks(most) {
                let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
                gzip.write_all(&encode(taps)?)?;
                bytes += gzip.finish()?.len();
            }
            table.add(format!("wire_{name}_{most}_bytes"), bytes as f64 / EVENTS as f64, "bytes", Goal::None);
        }
    }
    Ok(())
}

fn taps() -> Vec<Tap> {
    let mut time = Duration::from_secs(1_764_000_000);
    let uuid = |kind: u64, n: u64| {
        // Looks random, and is the same in every run.
        let mix = |x: u64| {
            let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            x ^ (x >> 31)
        };
        let bits = u128::from(mix(kind << 32 | n)) << 64 | u128::from(mix(!(kind << 32 | n)));
        uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid().to_string()
    };
    let tap = |n: u64| {
        time += pause(n);
        let session = n / (EVENTS / 10);
        Tap { texts: Texts::new(n), time, id: uuid(1, n), session: uuid(2, session), view: uuid(3, session) }
    };
    (0..EVENTS).map(tap).collect()
}

/// An `ExportLogsServiceRequest` of OpenTelemetry's own types, with the attributes of its semantic
/// conventions.
fn opentelemetry(taps: &[Tap]) -> Result<Vec<u8>> {
    let text = |key: &str, value: &str| KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(any_value::Value::StringValue(value.to_owned())) }),
        ..KeyValue::default()
    };
    let record = |tap: &Tap| {
        let nanos = u64::try_from(tap.time.as_nanos()).unwrap_or(u64::MAX);
        LogRecord {
            time_unix_nano: nanos,
            observed_time_unix_nano: nanos,
            severity_number: 9,
            event_name: "shop.item_added".to_owned(),
            attributes: vec![
                text("log.record.uid", &tap.id),
                text("session.id", &tap.session),
                text("app.screen.id", &tap.view),
                text("app.screen.name", "Cart"),
                text("user.id", USER),
                text("sku", &tap.texts.sku),
                text("source", tap.texts.source),
                text("count", &tap.texts.count),
            ],
            ..LogRecord::default()
        }
    };
    let mut attributes = vec![text("service.name", "bench"), text("service.version", "4.12.0")];
    attributes.extend(RESOURCE.iter().map(|(key, value)| text(key, value)));
    let scope = InstrumentationScope { name: "bench".to_owned(), ..InstrumentationScope::default() };
    let logs = ScopeLogs { scope: Some(scope), log_records: taps.iter().map(record).collect(), ..ScopeLogs::default() };
    let resource = Some(Resource { attributes, ..Resource::default() });
    let resource_logs = vec![ResourceLogs { resource, scope_logs: vec![logs], ..ResourceLogs::default() }];
    Ok(ExportLogsServiceRequest { resource_logs }.encode_to_vec())
}

/// Newline-delimited RUM events with what Datadog's SDK for Android writes into each: the common
/// fields of the published schema, filled for this device.
fn datadog(taps: &[Tap]) -> Result<Vec<u8>> {
    let mut lines = Vec::new();
    for tap in taps {
        let event = json!({
            "type": "action",
            "date": u64::try_from(tap.time.as_millis())?,
            "application": { "id": "3b2c1a40-5d6e-4f70-8a9b-0c1d2e3f4a5b", "current_locale": "en-US" },
            "service": "bench",
            "version": "4.12.0",
            "build_version": "4120",
            "build_id": "7f3c2a9e-1b4d-4c6f-8e0a-5d2b9c7f1e3a",
            "session": { "id": tap.session, "type": "user", "has_replay": false },
            "source": "android",
            "view": { "id": tap.view, "url": "com/example/shop/Cart", "name": "Cart" },
            "usr": { "id": USER, "anonymous_id": "5b9f0c5e-4a57-4a3e-9a52-0a9bb0f0a1c7" },
            "connectivity": { "status": "connected", "interfaces": ["wifi"] },
            "os": { "name": "Android", "version": "15", "version_major": "15", "build": "AP3A.241005.015" },
            "device": {
                "type": "mobile", "name": "Google Pixel 6", "model": "oriole", "brand": "Google",
                "architecture": "aarch64", "locale": "en-US", "locales": ["en-US"], "time_zone": "Europe/Berlin",
            },
            "_dd": { "format_version": 2, "session": { "plan": 1 }, "configuration": { "session_sample_rate": 100.0 } },
            "context": { "sku": tap.texts.sku, "source": tap.texts.source, "count": tap.texts.count },
            "action": {
                "type": "custom", "id": tap.id, "loading_time": 0, "target": { "name": "shop.item_added" },
                "error": { "count": 0 }, "crash": { "count": 0 }, "long_task": { "count": 0 },
                "resource": { "count": 0 },
            },
            "ddtags": "service:bench,version:4.12.0,sdk_version:3.2.0,env:test",
        });
        serde_json::to_writer(&mut lines, &event)?;
        lines.push(b'\n');
    }
    Ok(lines)
}

/// An envelope of logs of Sentry's own types, with the attributes that its SDKs add.
fn sentry(taps: &[Tap]) -> Result<Vec<u8>> {
    let log = |tap: &Tap| {
        let own = [("sku", tap.texts.sku.as_str()), ("source", tap.texts.source), ("count", &tap.texts.count)];
        let added = [
            ("sentry.release", "bench@4.12.0"),
            ("sentry.environment", "test"),
            ("sentry.sdk.name", "sentry.java.android"),
            ("sentry.sdk.version", "8.20.0"),
            ("user.id", USER),
            ("device.brand", "Google"),
            ("device.model", "Pixel 6"),
            ("device.family", "Pixel"),
            ("os.name", "Android"),
            ("os.version", "15"),
        ];
        let attributes = own.iter().chain(&added);
        let attributes = attributes.map(|(key, value)| ((*key).to_owned(), LogAttribute::from(*value)));
        Log {
            level: LogLevel::Info,
            body: "shop.item_added".to_owned(),
            trace_id: None,
            timestamp: SystemTime::from(UNIX_EPOCH + tap.time),
            severity_number: None,
            attributes: attributes.collect::<Map<_, _>>(),
        }
    };
    let mut envelope = Envelope::new();
    envelope.add_item(ItemContainer::from(taps.iter().map(log).collect::<Vec<_>>()));
    let mut bytes = Vec::new();
    envelope.to_writer(&mut bytes)?;
    Ok(bytes)
}
