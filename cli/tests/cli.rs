//! The binary as a user runs it: `emit` into `inspect`, offline and back, and errors that say what
//! to do.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod emit;
mod explain;
mod intake;
mod larger;
mod load;
mod pages;
mod paging;
mod pipes;
mod store;
mod symbolicate;
mod visitors;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

struct Inspector {
    process: Child,
    url: String,
    /// Address of the sample backend, if it was asked for.
    backend: String,
    /// Where devices in the network send to, if that was asked for; else empty.
    device_url: String,
}

impl Inspector {
    fn start(arguments: &[&str]) -> Self {
        let mut command = throughline();
        command.args(["inspect", "--port", "0", "--json"]).args(arguments);
        Self::of(command)
    }

    /// Starts an inspector that prints its address as JSON.
    fn of(mut command: Command) -> Self {
        let mut process = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let Ok(addresses) = serde_json::from_str::<Value>(&line) else {
            let mut said = String::new();
            process.stderr.take().unwrap().read_to_string(&mut said).unwrap();
            panic!("the inspector has not started: {said}");
        };
        // A host may read them as texts alone.
        let addresses = ["url", "backend", "device_url"].map(|key| addresses[key].as_str().unwrap().to_owned());
        let [url, backend, device_url] = addresses;
        Self { process, url, backend, device_url }
    }

    fn get(&self, path: &str) -> String {
        let (status, answer) = self.send(&format!("GET {path}"), &[], b"");
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    /// The body of an answer in JSON.
    fn json(&self, path: &str) -> Value {
        serde_json::from_str(self.get(path).split("\r\n\r\n").nth(1).unwrap()).unwrap()
    }

    /// Sends a request, and returns the status and the whole answer.
    fn send(&self, line: &str, headers: &[(&str, &str)], body: &[u8]) -> (u16, String) {
        let answer = String::from_utf8_lossy(&self.raw(line, headers, body)).into_owned();
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
        (status.unwrap_or_else(|| panic!("{line}: {answer}")), answer)
    }

    /// Posts a body, and returns the status and the body of the answer.
    fn post_bytes(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> (u16, Vec<u8>) {
        let answer = self.raw(&format!("POST {path}"), headers, body);
        let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap() + 4;
        (String::from_utf8_lossy(&answer[9..12]).parse().unwrap(), answer[end..].to_vec())
    }

    fn raw(&self, line: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
        let address = self.url.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let length = body.len();
        let head = format!("{line} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {length}\r\n");
        write!(stream, "{head}{headers}\r\n").unwrap();
        // A server that refuses a body may close the connection before it has read all of it.
        let _ = stream.write_all(body);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        answer
    }

    fn stats(&self) -> Value {
        self.json("/api/stats")
    }
}

impl Drop for Inspector {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn throughline() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_throughline"));
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).env("RUST_BACKTRACE", "0");
    command
}

fn emit(url: &str, backend: &str, more: &[&str]) -> Output {
    throughline().args(["emit", "--backend", backend, "--endpoint", url, "--json"]).args(more).output().unwrap()
}

fn summary(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)))
}

fn total(stats: &Value) -> u64 {
    ["logs", "spans", "metrics"].iter().map(|signal| stats[signal].as_u64().unwrap()).sum()
}

#[test]
fn every_kind_arrives_in_either_encoding() {
    for backend in ["otlp-proto", "otlp-json"] {
        let inspector = Inspector::start(&[]);
        let dir = tempfile::tempdir().unwrap();
        let ids = dir.path().join("ids");
        let output = emit(&inspector.url, backend, &["--events", "2200", "--ids", ids.to_str().unwrap()]);
        let summary = summary(&output);
        assert!(output.status.success(), "{summary}");
        assert_eq!((&summary["delivered"], &summary["queued"]), (&2200.into(), &0.into()));
        assert_eq!(summary["accepted"].as_object().unwrap().len(), 11);
        let stats = inspector.stats();
        assert_eq!((total(&stats), &stats["duplicates"]), (2200, &0.into()));
        assert_eq!(std::fs::read_to_string(ids).unwrap().lines().count(), 2200);
        for page in ["/", "/api/sessions", "/health/live", "/health/ready"] {
            inspector.get(page);
        }
        assert!(inspector.get("/metrics").contains("throughline_inspect_records{signal=\"spans\"} 400"));
    }
}

#[test]
fn what_was_recorded_offline_is_delivered_by_the_next_process() {
    let inspector = Inspector::start(&[]);
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().to_str().unwrap();
    let recorded = emit("http://127.0.0.1:9", "otlp-proto", &["--record-only", "--data-dir", data, "--events", "330"]);
    assert_eq!(summary(&recorded)["queued"], 330);
    let failed = emit("http://127.0.0.1:9", "otlp-proto", &["--flush-only", "--data-dir", data, "--timeout", "1"]);
    assert!(!failed.status.success());
    let flushed = emit(&inspector.url, "otlp-proto", &["--flush-only", "--data-dir", data]);
    assert!(flushed.status.success(), "{}", summary(&flushed));
    assert_eq!(summary(&flushed)["delivered"], 330);
    assert_eq!(total(&inspector.stats()), 330);
}

#[test]
fn the_same_seed_gives_the_same_scenario() {
    let run = || {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().to_str().unwrap();
        let output = emit("http://127.0.0.1:9", "otlp-json", &["--record-only", "--data-dir", data, "--seed", "7"]);
        summary(&output)["accepted"].clone()
    };
    assert_eq!(run(), run());
}

#[test]
fn the_store_survives_the_inspector() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("store.db");
    let store = ["--store", file.to_str().unwrap()];
    let inspector = Inspector::start(&store);
    emit(&inspector.url, "otlp-proto", &["--events", "110"]);
    drop(inspector);
    assert!(Path::new(&file).exists());
    assert_eq!(total(&Inspector::start(&store).stats()), 110);
}

/// A server that answers each request with a status, as `answer` says for the last part of the
/// path. Returns its URL.
fn server(answer: impl Fn(&str) -> u16 + Clone + Send + 'static) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = answer.clone();
            std::thread::spawn(move || while serve(&stream, &answer).is_some() {});
        }
    });
    url
}

/// Serves one request; `None` when the connection is over.
fn serve(mut stream: &TcpStream, answer: impl Fn(&str) -> u16) -> Option<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.extend_from_slice(&byte);
    }
    let head = String::from_utf8(head).ok()?.to_ascii_lowercase();
    let length = head.split("content-length: ").nth(1)?.split("\r\n").next()?.parse().ok()?;
    stream.read_exact(&mut vec![0; length]).ok()?;
    let status = answer(head.split(' ').nth(1)?.rsplit('/').next()?);
    write!(stream, "HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n").ok()
}

#[test]
fn no_scenario_is_complete_that_the_backend_has_not_taken() {
    for code in [400, 401, 403, 404, 405, 410, 413, 415, 422, 500, 503] {
        let url = server(move |_| code);
        let output = emit(&url, "otlp-proto", &["--events", "11", "--timeout", "1"]);
        let summary = summary(&output);
        let number = |value: &Value| value.as_u64().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && summary["complete"] == false, "{code}: {summary}");
        let dropped: u64 = summary["dropped"].as_object().unwrap().values().map(number).sum();
        assert_eq!(number(&summary["queued"]) + dropped, 11, "{code}: {summary}");
        if code == 413 {
            assert!(stderr.contains("too_large"), "{stderr}");
        } else {
            assert_eq!(dropped, 0, "{code}: {summary}");
            assert!(stderr.contains(&format!("answered {code} to {url}/v1/")), "{code}: {stderr}");
        }
    }
}

#[test]
fn a_backend_for_some_signals_gets_them_and_the_rest_is_said() {
    let url = server(|signal| if signal == "traces" { 200 } else { 404 });
    let output = emit(&url, "otlp-proto", &["--events", "22", "--timeout", "2"]);
    let held = summary(&output);
    assert!(!output.status.success(), "{held}");
    assert_eq!((&held["delivered"], &held["queued"]), (&4.into(), &18.into()), "{held}");
    let reason = held["reason"].as_str().unwrap();
    assert!(reason.contains("404") && reason.contains("/v1/logs") && reason.contains("/v1/metrics"), "{reason}");
    let output = emit(&url, "otlp-proto", &["--events", "22", "--signals", "traces"]);
    let told = summary(&output);
    assert!(output.status.success(), "{told}");
    assert_eq!((&told["delivered"], &told["queued"], &told["complete"]), (&4.into(), &0.into(), &true.into()));
    assert_eq!(told["dropped"]["no_destination"], 18);
}

#[test]
fn errors_say_what_to_do() {
    let inspector = Inspector::start(&[]);
    let port = inspector.url.rsplit(':').next().unwrap();
    let output = throughline().args(["inspect", "--port", port]).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("--port 0"));
    let output = emit(&format!("{}/v1/traces", inspector.url), "otlp-proto", &[]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("ends in /v1/traces"));
    let output = emit("ftp://nowhere", "otlp-proto", &[]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("`endpoint` must start with http"));
    let output = emit(&inspector.url, "otlp-proto", &["--record-only"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("--data-dir"));
}

#[test]
fn propagate_continues_valid_headers_and_begins_a_trace_without_them() {
    let mut child = throughline()
        .args(["propagate", "--style", "tracecontext,datadog,b3"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let lines = format!(
        "{{\"headers\":[[\"TraceParent\",\"00-{trace}-b7ad6b7169203331-01\"],[\"tracestate\",\"foo=1\"]],\"n\":2}}\n\
         {{\"headers\":[[\"traceparent\",\"00-{trace}-b7ad6b7169203331-1\"]],\"n\":1}}\n\
         {{\"headers\":[[\"b3\",\"{trace}-b7ad6b7169203331-d\"]],\"n\":1}}\n"
    );
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let replies: Vec<Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let header = |reply: usize, child: usize, name: &str| {
        let headers = replies[reply]["out"][child].as_array().unwrap();
        headers.iter().find(|header| header[0] == name).map(|header| header[1].as_str().unwrap().to_owned()).unwrap()
    };
    let (first, second) = (header(0, 0, "traceparent"), header(0, 1, "traceparent"));
    assert!(first.contains(trace) && second.contains(trace) && first != second);
    assert!(header(0, 0, "tracestate").ends_with(",foo=1"));
    assert_eq!(header(0, 0, "x-datadog-trace-id"), "9532127138774266268");
    assert!(header(0, 0, "b3").ends_with("-1-b7ad6b7169203331"));
    assert!(!header(1, 0, "traceparent").contains(trace));
    assert!(header(2, 0, "b3").starts_with(trace) && header(2, 0, "b3").contains("-d-"));
}

#[test]
fn explain_says_what_would_happen_and_why() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("config.json");
    let text = r#"{"session_sample_rate":0.17,"trace_hosts":[{"host":"example.com","formats":["tracecontext","b3"]}],
        "stores":{"Cart":{"allow":["items[*].*"],"transient":["**.isLoading"],"capture":"summary","coalesce_ms":100}}}"#;
    std::fs::write(&config, text).unwrap();
    let explain = |event: &str| {
        let output =
            throughline().args(["explain", "--config"]).arg(&config).args(["--event", event]).output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let verdict = |event: &str| serde_json::from_str::<Value>(&explain(event).1).unwrap();
    let kept = verdict(r#"{"kind":"mutation","store":"Cart","path":"items[3].price","old":1,"new":2}"#);
    assert_eq!((kept["verdict"].as_str(), kept["name"].as_str()), (Some("coalesced"), Some("Cart.items[*].*.Update")));
    let transient = verdict(r#"{"kind":"mutation","store":"Cart","path":"items[3].isLoading"}"#);
    assert_eq!((transient["verdict"].as_str(), transient["why"].as_str()), (Some("suppressed"), Some("transient")));
    let resource =
        verdict(r#"{"kind":"resource","url":"https://api.example.com/x?token=1","attributes":{"apiKey":"k"}}"#);
    assert_eq!(resource["url"], "https://api.example.com/x");
    assert_eq!(resource["attributes"]["apiKey"], "[redacted]");
    assert!(resource["headers"]["traceparent"].is_string() && resource["headers"]["b3"].is_string());
    let elsewhere = verdict(r#"{"kind":"resource","url":"https://example.com.evil.com/"}"#);
    assert_eq!(elsewhere["headers"].as_object().unwrap().len(), 0);
    let session = r#""session_id":"abcdef01-2345-6789-abcd-ef0123456789""#;
    let sampled = verdict(&format!(r#"{{"kind":"action","name":"tap",{session}}}"#));
    assert!(sampled["verdict"] == "dropped" && sampled["why"].as_str().unwrap().starts_with("sampled_out"));
    assert_eq!(verdict(&format!(r#"{{"kind":"error","message":"a@b.co",{session}}}"#))["message"], "[redacted]");
    let (ok, _, stderr) = explain(r#"{"kind":"teapot"}"#);
    assert!(!ok && stderr.contains("teapot") && stderr.contains("mutation"), "{stderr}");
}

#[test]
fn stories_have_causes_and_books_that_balance() {
    let inspector = Inspector::start(&[]);
    let output = throughline()
        .args([
            "emit",
            "--backend",
            "otlp-proto",
            "--endpoint",
            &inspector.url,
            "--events",
            "0",
            "--stories",
            "20",
            "--json",
        ])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&summary["balanced"], &summary["mutations"]["balanced"]), (&Value::Bool(true), &Value::Bool(true)));
    let number = |name: &str| summary["mutations"][name].as_u64().unwrap();
    // Suppressed: two loading flags in each story, and the secrets.
    assert!(number("suppressed") > 40 && number("recorded") >= 40, "{summary}");
    assert_eq!(number("seen"), number("recorded") + number("suppressed"));
    let stats = inspector.stats();
    // In each story the spans of the tap, the operation and the request.
    assert_eq!(stats["spans"], 60);
    assert_eq!(
        stats["logs"].as_u64().unwrap() + 60 + stats["metrics"].as_u64().unwrap(),
        summary["delivered"].as_u64().unwrap()
    );
}
