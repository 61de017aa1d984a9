//! The larger setup of `examples/backends/otel-collector`: what `emit` records goes through an edge
//! Collector, Kafka and a storing Collector into ClickHouse's engine, with the example's own
//! configurations. Nothing is lost when one of them dies, and the example's queries count each
//! event once.
//!
//! `cargo xtask test --only backends` has the programs, and names them in the variables of
//! [`pipeline`]; without these, the test says that it is skipped.
#![allow(clippy::print_stdout, reason = "a test that is skipped says so")]

mod pipeline;

use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

use serde_json::Value;

use crate::summary;
use pipeline::{Part, Pipeline, request, send};

const README: &str = include_str!("../../../examples/backends/otel-collector/README.md");
/// The id of each event in ClickHouse, as often as it is there.
const IDS: &str = "
    SELECT LogAttributes['log.record.uid'] AS id FROM throughline.otel_logs WHERE EventName != 'probe'
    UNION ALL SELECT SpanAttributes['throughline.event.id'] FROM throughline.otel_traces
    UNION ALL SELECT Exemplars.FilteredAttributes[1]['throughline.event.id'] FROM throughline.otel_metrics_sum
    UNION ALL SELECT Exemplars.FilteredAttributes[1]['throughline.event.id'] FROM throughline.otel_metrics_gauge
    UNION ALL SELECT Exemplars.FilteredAttributes[1]['throughline.event.id'] FROM throughline.otel_metrics_histogram";
/// A log that is no event of a client.
const PROBE: &str = r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"eventName":"probe"}]}]}]}"#;
/// More requests than the edge's queue holds.
const MORE_THAN_WAIT: usize = 80;

impl Pipeline {
    /// How often each event is in ClickHouse.
    fn copies(&self) -> HashMap<String, u64> {
        let rows = self.rows(&format!("SELECT id, count() AS copies FROM ({IDS}) GROUP BY id"));
        rows.iter().map(|row| (row["id"].as_str().unwrap().to_owned(), row["copies"].as_u64().unwrap())).collect()
    }

    /// Waits until ClickHouse has so many different events, and returns how often it has each.
    fn events(&self, count: usize) -> HashMap<String, u64> {
        self.wait(&format!("{count} events arrive"), || {
            let copies = self.copies();
            assert!(copies.len() <= count, "{} events have arrived of {count}", copies.len());
            (copies.len() == count).then_some(copies)
        })
    }

    /// The answers to the queries of the README, about one session and one metric.
    fn answers(&self, session: &str) -> Vec<Vec<Value>> {
        let parts = README.split("```sql\n").skip(1);
        let queries = parts.map(|part| part.split("```").next().unwrap());
        let queries = queries.map(|query| query.replace("{session:String}", &format!("'{session}'")));
        queries.map(|query| self.rows(&query.replace("{metric:String}", "'cart.additions'"))).collect()
    }
}

/// What `emit` says when it ends well, and how many events it has delivered.
fn delivered(output: &Output) -> usize {
    let summary = summary(output);
    assert!(output.status.success(), "{summary}{}", String::from_utf8_lossy(&output.stderr));
    usize::try_from(summary["delivered"].as_u64().unwrap()).unwrap()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy(&source, &target);
        } else {
            std::fs::copy(source, target).unwrap();
        }
    }
}

#[test]
fn each_event_comes_out_of_clickhouse_and_is_counted_once_whatever_dies_on_the_way() {
    let Some(mut pipeline) = Pipeline::start() else { return };
    let mut known = events_arrive_once_and_copies_are_not_counted(&pipeline);
    known += kafka_keeps_what_a_store_has_not_got(&mut pipeline);
    phones_keep_what_kafka_has_not_got(&mut pipeline, known);
}

fn events_arrive_once_and_copies_are_not_counted(pipeline: &Pipeline) -> usize {
    let ids = pipeline.file("ids");
    let [first, again] = ["phone", "phone-again"].map(|name| pipeline.file(name));
    let record = ["--record-only", "--events", "1100", "--stories", "20"];
    let recorded = pipeline.emit(&first, &[&record[..], &["--ids", ids.to_str().unwrap()]].concat());
    assert!(recorded.status.success(), "{}", summary(&recorded));
    copy(&first, &again);
    let count = delivered(&pipeline.emit(&first, &["--flush-only"]));
    let copies = pipeline.events(count);
    let ids = std::fs::read_to_string(ids).unwrap();
    assert_eq!(ids.lines().filter(|id| copies.contains_key(*id)).count(), 1100);

    let session = "SELECT LogAttributes['session.id'] AS id, count() AS rows FROM throughline.otel_logs GROUP BY id";
    let session = pipeline.rows(&format!("{session} ORDER BY rows DESC LIMIT 1")).remove(0);
    let answers = pipeline.answers(session["id"].as_str().unwrap());
    let [crash_free, of_the_session, requests, points] = &answers[..] else { panic!("{} queries", answers.len()) };
    let share = crash_free[0]["crash_free"].as_f64().unwrap();
    assert!((0.0..1.0).contains(&share), "{share}");
    assert_eq!(of_the_session.len(), usize::try_from(session["rows"].as_u64().unwrap()).unwrap());
    let of_hosts = |name: &str| requests.iter().map(|row| row[name].as_u64().unwrap()).sum::<u64>();
    // One in each story, and those among the single events.
    assert_eq!(of_hosts("requests"), 120, "{requests:?}");
    assert!((1..120).contains(&of_hosts("failed")) && !points.is_empty(), "{requests:?}");
    // All that can be late has had its time.
    let twice = pipeline.copies().into_iter().filter(|(_, copies)| *copies != 1).collect::<Vec<_>>();
    assert_eq!(twice, []);

    // As after an answer that a phone has not got.
    assert_eq!(delivered(&pipeline.emit(&again, &["--flush-only"])), count);
    pipeline.wait("every event is there twice", || pipeline.copies().values().all(|copies| *copies >= 2).then_some(()));
    assert_eq!(pipeline.answers(session["id"].as_str().unwrap()), answers);
    count
}

fn kafka_keeps_what_a_store_has_not_got(pipeline: &mut Pipeline) -> usize {
    let before: HashSet<String> = pipeline.copies().into_keys().collect();
    pipeline.clickhouse("refuse", "");
    let count = delivered(&pipeline.emit(&pipeline.file("while-refused"), &["--events", "220", "--seed", "2"]));
    // Several times for each table. An offset that is committed too early is committed by then.
    pipeline.wait("the store tries again and again", || {
        (pipeline.clickhouse("refuse", "").parse::<usize>().unwrap() >= 15).then_some(())
    });
    pipeline.kill(Part::Store);
    pipeline.clickhouse("accept", "");
    assert_eq!(pipeline.copies().into_keys().collect::<HashSet<_>>(), before);
    pipeline.run(Part::Store);
    pipeline.events(before.len() + count);
    count
}

fn phones_keep_what_kafka_has_not_got(pipeline: &mut Pipeline, known: usize) {
    let before = pipeline.kafka_size();
    let ids = pipeline.file("ids-of-the-outage");
    let arguments = ["--events", "5500", "--seed", "3", "--timeout", "300", "--ids", ids.to_str().unwrap()];
    let mut phone = pipeline.emit_command(&pipeline.file("phone-in-the-outage"), &arguments);
    let phone = phone.spawn().unwrap();
    pipeline.wait("the first of them are in Kafka", || (pipeline.kafka_size() > before).then_some(()));
    pipeline.kill(Part::Kafka);

    // Requests that wait for Kafka, and leave when this test has seen that no more of them may.
    let whole = request("/v1/logs", PROBE);
    let waiting: Vec<TcpStream> = (0..MORE_THAN_WAIT)
        .map(|_| {
            let mut stream = TcpStream::connect(pipeline.address(Part::Edge)).unwrap();
            stream.write_all(&whole).unwrap();
            stream
        })
        .collect();
    pipeline.wait("the edge refuses", || {
        match send(pipeline.address(Part::Edge), "/v1/logs", PROBE, Duration::from_secs(1)) {
            Ok((503, _)) => Some(()),
            Ok(answer) => panic!("without Kafka, the edge answers {answer:?}"),
            Err(_) => None,
        }
    });
    drop(waiting);
    pipeline.run(Part::Kafka);
    let count = delivered(&phone.wait_with_output().unwrap());
    let copies = pipeline.events(known + count);
    let ids = std::fs::read_to_string(ids).unwrap();
    assert_eq!(ids.lines().filter(|id| copies.contains_key(*id)).count(), 5500);
}
