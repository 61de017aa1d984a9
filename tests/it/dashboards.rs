//! The examples of backends that need no service to be checked: the dashboard asks for names that
//! exist, the Collector gives what the dashboard asks for, and Loki takes what phones send.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value as Json;
use throughline::limits::{MAX_ATTRIBUTES, MAX_BATCH_BYTES, MAX_EVENT_BYTES};

use crate::sources::{Kind, files, product, read};

const DASHBOARD: &str = "examples/backends/otel-collector/one-machine/grafana/throughline.json";
const DATA_SOURCES: &str = "examples/backends/otel-collector/one-machine/grafana/datasources.yaml";
const COLLECTOR: &str = "examples/backends/otel-collector/one-machine/collector.yaml";
const LOKI: &str = "examples/backends/otel-collector/one-machine/loki.yaml";

/// What the Collector's connector `span_metrics` makes of the core's spans, and the label by which
/// Loki finds an event's name. Seen in a run of the Collector.
const OF_THE_COLLECTOR: [&str; 5] = [
    "traces_span_metrics_calls_total",
    "traces_span_metrics_duration_seconds_bucket",
    "span_kind",
    "status_code",
    "event_name",
];
/// The words of the query languages.
const OF_THE_QUERIES: [&str; 12] = [
    "by",
    "count_over_time",
    "histogram_quantile",
    "label_values",
    "le",
    "or",
    "quantile_over_time",
    "rate",
    "sum",
    "sum_over_time",
    "unwrap",
    "vector",
];
/// Values that are no names.
const VALUES: [&str; 4] = ["$service", "SPAN_KIND_CLIENT", "STATUS_CODE_ERROR", "false"];

/// Every text in the files of names.
fn names() -> BTreeSet<String> {
    let texts = files("src/model/names", &["rs"]).into_iter().flat_map(|file| product(&read(&file)));
    texts.filter(|token| token.kind == Kind::Text).map(|token| token.text).collect()
}

/// A name as the stores write it.
fn as_label(name: &str) -> String {
    name.replace('.', "_")
}

/// Every query below a part of the dashboard, with the type of its data source.
fn queries(part: &Json, found: &mut Vec<(String, String)>) {
    let source = || part["datasource"]["type"].as_str().unwrap_or_default().to_owned();
    if let Some(query) = part["expr"].as_str().or_else(|| part["query"]["query"].as_str()) {
        found.push((source(), query.to_owned()));
    }
    match part {
        Json::Object(members) => members.values().for_each(|member| queries(member, found)),
        Json::Array(items) => items.iter().for_each(|item| queries(item, found)),
        _ => {}
    }
}

/// The words of a query outside of quotation marks, and the values within.
fn words_and_values(query: &str) -> (Vec<&str>, Vec<&str>) {
    let (mut words, mut values) = (Vec::new(), Vec::new());
    for (at, part) in query.split('"').enumerate() {
        if at % 2 == 1 {
            values.extend(part.split('|'));
        } else {
            let split = part.split(|mark: char| !mark.is_alphanumeric() && !"_$".contains(mark));
            words.extend(split.filter(|word| word.starts_with(|first: char| first.is_ascii_alphabetic())));
        }
    }
    (words, values)
}

/// What a query asks for that nobody gives.
fn unknown(source: &str, query: &str, names: &BTreeSet<String>, collector: &str) -> Vec<String> {
    let (words, values) = words_and_values(query);
    let name_of = |word: &str| names.iter().find(|name| as_label(name) == word);
    let is_known = |word: &str| {
        if OF_THE_COLLECTOR.contains(&word) || OF_THE_QUERIES.contains(&word) {
            return true;
        }
        // Loki keeps every attribute of an event. Of a request, Prometheus has what the Collector
        // is told to count by.
        name_of(word).is_some_and(|name| {
            source == "loki" || name == "service.name" || collector.contains(&format!("- name: {name}\n"))
        })
    };
    let words = words.into_iter().filter(|word| !is_known(word));
    let values = values.into_iter().filter(|value| !VALUES.contains(value) && !names.contains(*value));
    words.chain(values).map(str::to_owned).collect()
}

#[test]
fn every_name_on_the_dashboard_is_one_that_is_sent() {
    let dashboard: Json = serde_json::from_str(&read(Path::new(DASHBOARD))).unwrap();
    let (names, collector) = (names(), read(Path::new(COLLECTOR)));
    let mut all = Vec::new();
    queries(&dashboard, &mut all);
    assert!(all.len() >= 15, "{} queries", all.len());
    for (source, query) in &all {
        assert_eq!(unknown(source, query, &names, &collector), [""; 0], "{query}");
    }
    for needed in ["throughline_queue_depth", "throughline_flush_success", "throughline_offline_duration"] {
        assert!(all.iter().any(|(_, query)| query.contains(needed)), "nothing shows {needed}");
    }
}

#[test]
fn a_planted_name_that_nobody_sends_is_found() {
    let found = |source: &str, query: &str| unknown(source, query, &names(), "- name: error.type\n");
    assert_eq!(found("loki", "unwrap throughline_queue_depht"), ["throughline_queue_depht"]);
    assert_eq!(found("loki", "{a} | event_name=\"app.crsh|app.hang\""), ["a", "app.crsh"]);
    assert_eq!(found("prometheus", "rate(sum by (error_type, server_address))"), ["server_address"]);
}

#[test]
fn every_panel_has_a_data_source_that_grafana_is_given() {
    let dashboard: Json = serde_json::from_str(&read(Path::new(DASHBOARD))).unwrap();
    let sources = read(Path::new(DATA_SOURCES));
    let panels = dashboard["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row");
    let mut ids = BTreeSet::new();
    for panel in panels {
        let source = panel["datasource"]["uid"].as_str().unwrap();
        assert!(sources.contains(&format!("uid: {source}\n")), "{}", panel["title"]);
        assert!(!panel["description"].as_str().unwrap().is_empty(), "{}", panel["title"]);
        assert!(ids.insert(panel["id"].as_u64()), "two panels have the id of {}", panel["title"]);
    }
    assert!(ids.len() >= 10, "{} panels", ids.len());
}

/// The number behind a name in a file of settings. Loki's `KB` is at least a thousand bytes.
fn number(settings: &str, name: &str) -> usize {
    let value = settings.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(": "));
    let value = value.unwrap_or_else(|| panic!("{name} is missing"));
    let (digits, unit) = value.strip_suffix("KB").map_or((value, 1), |digits| (digits, 1_000));
    digits.parse::<usize>().unwrap() * unit
}

/// What Loki refuses, the Collector drops, after the phone was told that it is taken.
#[test]
fn loki_refuses_no_crash_however_long_its_stack_and_no_event_however_many_attributes_it_has() {
    let loki = read(Path::new(LOKI));
    assert!(number(&loki, "max_structured_metadata_size") > MAX_EVENT_BYTES);
    // The app's, the resource's, and the client's own.
    assert!(number(&loki, "max_structured_metadata_entries_count") > 3 * MAX_ATTRIBUTES);
}

/// Of a request, Loki copies the resource into each line. What is larger than its limits is refused
/// again and again, until the Collector gives up.
#[test]
fn no_request_to_loki_is_larger_than_it_ever_takes() {
    const TAKES: usize = 6_000_000;
    let (collector, loki) = (read(Path::new(COLLECTOR)), read(Path::new(LOKI)));
    let largest = number(&collector, "max_size");
    assert!(collector.contains("sizer: bytes\n"), "a number of events says nothing of their size");
    assert!(largest >= MAX_BATCH_BYTES && 4 * largest < TAKES, "{largest}");
    assert!(number(&loki, "grpc_server_max_recv_msg_size") > TAKES);
}

#[test]
fn an_event_of_a_phone_whose_clock_is_ahead_is_not_refused_by_loki() {
    let collector = read(Path::new(COLLECTOR));
    assert!(collector.contains("- set(log.time, Now()) where log.time > Now()\n"));
}
