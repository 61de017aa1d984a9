//! Points of every kind, and times that do not fit: kept, shown, or rejected with a word.

use opentelemetry_proto::tonic::collector::metrics::v1::{ExportMetricsServiceRequest, ExportMetricsServiceResponse};
use opentelemetry_proto::tonic::metrics::v1::{Metric, ResourceMetrics, ScopeMetrics};
use prost::Message;
use serde_json::{Value, json};

use super::{Inspector, JSON, logs, of_session, spans};

fn metrics(metrics: Value) -> Value {
    json!({"resourceMetrics": [{"scopeMetrics": [{"scope": {"name": "shop.meter"}, "metrics": metrics}]}]})
}

#[test]
fn points_of_every_kind_are_kept_and_say_what_they_hold() {
    let inspector = Inspector::start(&[]);
    let point = |mut more: Value| {
        more["timeUnixNano"] = json!("1700000000000000000");
        more["attributes"] = of_session("s");
        json!({"dataPoints": [more], "aggregationTemporality": 2})
    };
    let exponential = json!({"count": "12", "sum": 3.5, "min": 0.25, "max": 2, "scale": 1, "zeroCount": 1,
        "positive": {"offset": -2, "bucketCounts": ["4", 7]}});
    let quantiles = json!([{"quantile": 0, "value": 1}, {"quantile": 0.99, "value": 4.5}, {"quantile": 1, "value": 5}]);
    let exemplar = json!([{"asInt": "7", "timeUnixNano": "18446744073709551615", "spanId": "0b".repeat(8)}]);
    let all = json!([
        {"name": "exp", "exponentialHistogram": point(exponential)},
        {"name": "old", "summary": point(json!({"count": 3, "sum": "NaN", "quantileValues": quantiles}))},
        {"name": "hist", "unit": "ms", "histogram": point(json!({"count": 2, "bucketCounts": [1, 1], "explicitBounds": [5]}))},
        {"name": "none", "gauge": point(json!({"flags": 1}))},
        {"name": "huge", "gauge": point(json!({"asDouble": 1e300, "exemplars": exemplar}))},
    ]);
    inspector.take("/v1/metrics", &metrics(all));
    assert_eq!(inspector.stats()["metrics"], 5);
    let page = inspector.get("/session/s");
    for line in [
        "exp: 12 values, sum 3.5, min 0.25, max 2",
        "old: 3 values, sum NaN, min 1, quantile 0.99 is 4.5, max 5",
        "hist: 2 values<",
        "none: no value was recorded",
        "huge: 1e300",
    ] {
        assert!(page.contains(line), "{line}: {page}");
    }
    let items = inspector.json("/api/session/s");
    let more = |index: usize| items[index]["more"].clone();
    assert_eq!(more(0)["positive"], json!({"offset": -2, "bucket_counts": [4, 7]}));
    assert_eq!((&more(2)["unit"], &more(2)["explicit_bounds"]), (&json!("ms"), &json!([5.0])));
    assert_eq!(more(4)["exemplars"][0]["time_unix_nano"], json!(u64::MAX));
    assert_eq!(items[0]["scope"], "shop.meter");
}

#[test]
fn what_cannot_be_kept_is_answered_in_either_encoding_and_counted() {
    let inspector = Inspector::start(&[]);
    // A kind of a later version of the protocol is an unknown field, and so no data at all.
    let body = metrics(
        json!([{"name": "new \"kind\"", "laterKind": {}}, {"name": "fine", "gauge": {"dataPoints": [{"asInt": 1}]}}]),
    );
    let (status, answer) = inspector.post("/v1/metrics", &[JSON], body.to_string().as_bytes());
    let answer: Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    assert_eq!((status, &answer["partialSuccess"]["rejectedDataPoints"]), (200, &json!("1")));
    assert!(answer["partialSuccess"]["errorMessage"].as_str().unwrap().contains("new \"kind\""), "{answer}");

    let metric = Metric { name: "new".to_owned(), ..Metric::default() };
    let scope_metrics = vec![ScopeMetrics { metrics: vec![metric], ..ScopeMetrics::default() }];
    let resource_metrics = vec![ResourceMetrics { scope_metrics, ..ResourceMetrics::default() }];
    let body = ExportMetricsServiceRequest { resource_metrics }.encode_to_vec();
    let (status, answer) = inspector.post_bytes("/v1/metrics", &[("content-type", "application/x-protobuf")], &body);
    let partial = ExportMetricsServiceResponse::decode(answer.as_slice()).unwrap().partial_success.unwrap();
    assert_eq!((status, partial.rejected_data_points), (200, 1));
    assert!(partial.error_message.contains("`new`"), "{}", partial.error_message);

    assert_eq!((&inspector.stats()["rejected"], &inspector.stats()["metrics"]), (&json!(2), &json!(1)));
    assert!(inspector.get("/").contains("2 records not kept"));
    assert!(inspector.get("/metrics").contains("throughline_inspect_rejected_records_total 2"));
}

#[test]
fn a_time_of_the_year_2262_or_later_is_said_to_be_none_and_kills_no_page() {
    for time in [1u64 << 63, u64::MAX] {
        let inspector = Inspector::start(&[]);
        let (odd, now) = (json!(time.to_string()), json!("1700000000000000000"));
        let trace = "ab".repeat(16);
        let link = json!([{"traceId": trace, "spanId": "cd".repeat(8), "attributes": [{"key": "time", "value": {"intValue": "-9223372036854775808"}}]}]);
        let span = |id: &str, start: &Value, end: &Value, event: &Value| {
            json!({"traceId": trace, "spanId": id.repeat(8), "name": "s", "startTimeUnixNano": start, "endTimeUnixNano": end,
                "events": [{"name": "connected", "timeUnixNano": event}], "links": link, "attributes": of_session("s")})
        };
        let all = [
            span("01", &odd, &odd, &odd),
            span("02", &now, &odd, &now),
            span("03", &now, &now, &odd),
            span("04", &odd, &now, &now),
        ];
        inspector.take("/v1/traces", &spans(json!(all)));
        let records = [
            json!({"timeUnixNano": odd, "attributes": of_session("s")}),
            json!({"observedTimeUnixNano": odd, "attributes": of_session("only-odd")}),
        ];
        inspector.take("/v1/logs", &logs(json!(records)));
        let point = json!({"timeUnixNano": odd, "startTimeUnixNano": odd, "asInt": 1, "attributes": of_session("s")});
        inspector.take("/v1/metrics", &metrics(json!([{"name": "m", "gauge": {"dataPoints": [point]}}])));

        let list = inspector.get("/");
        assert!(list.contains("2023-11-14 22:13:20 UTC") && list.contains("time not plausible"), "{list}");
        // The session with a time comes first: an odd time does not make a session the newest.
        assert!(list.find("/session/s\"").unwrap() < list.find("/session/only-odd").unwrap(), "{list}");
        let page = inspector.get(&format!("/trace/{trace}"));
        assert_eq!(page.matches("connected: time not plausible").count(), 3, "{page}");
        assert!(page.contains("class=\"mark\"") && page.contains("time not plausible</span>"), "{page}");
        for page in ["/session/s", "/session/only-odd"] {
            assert!(inspector.get(page).contains("time not plausible"), "{page}");
        }
        let items = inspector.json("/api/session/s");
        let sent = |key: &str| items.as_array().unwrap().iter().filter(|item| item["more"][key] == json!(time)).count();
        assert_eq!((sent("start_time_unix_nano"), sent("end_time_unix_nano"), sent("time_unix_nano")), (3, 2, 2));
        for path in ["/api/sessions", "/api/stats", "/health/ready"] {
            inspector.get(path);
        }
    }
}
