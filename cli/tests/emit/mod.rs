//! What `emit` says when something did not arrive, and that its events are those of one app.

use serde_json::Value;

use super::{Inspector, emit, server, summary, throughline};

fn stderr(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_scenario_is_one_session_and_not_one_for_each_event() {
    let inspector = Inspector::start(&[]);
    let output = emit(&inspector.url, "otlp-proto", &["--events", "200", "--stories", "2"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let answer = inspector.get("/api/sessions");
    let sessions: Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    assert_eq!(sessions.as_array().unwrap().len(), 1, "{sessions}");
}

#[test]
fn no_advice_is_given_that_cannot_work() {
    let lost = stderr(&emit("http://127.0.0.1:9", "otlp-proto", &["--events", "3", "--timeout", "1"]));
    assert!(!lost.contains("--flush-only") && lost.contains("--data-dir DIR") && lost.contains("--seed"), "{lost}");
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().to_str().unwrap();
    let options = ["--events", "3", "--timeout", "1", "--data-dir", data];
    let kept = stderr(&emit("http://127.0.0.1:9", "otlp-proto", &options));
    let advice = format!("--flush-only --data-dir {data}");
    assert!(kept.contains(&advice), "{kept}");
    let inspector = Inspector::start(&[]);
    let words: Vec<&str> = advice.split(' ').collect();
    let output = emit(&inspector.url, "otlp-proto", &words);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(summary(&output)["delivered"], 3);
}

#[test]
fn a_directory_in_which_nothing_was_recorded_is_no_success_and_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing");
    let file = dir.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let empty = dir.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    for path in [&missing, &file, &empty] {
        let path = path.to_str().unwrap();
        let output = emit("http://127.0.0.1:9", "otlp-proto", &["--flush-only", "--data-dir", path]);
        let said = stderr(&output);
        assert!(output.status.code() == Some(1) && said.contains(path) && said.contains("--flush-only"), "{said}");
        assert!(output.stdout.is_empty());
    }
    assert!(!missing.exists() && std::fs::read_dir(&empty).unwrap().next().is_none());
    assert_eq!(std::fs::read(&file).unwrap(), b"x");
}

#[test]
fn events_that_were_dropped_are_no_success_whoever_dropped_them() {
    let url = server(|_| 413);
    let output = emit(&url, "otlp-proto", &["--events", "11", "--timeout", "1"]);
    let (told, said) = (summary(&output), stderr(&output));
    assert_eq!(output.status.code(), Some(1), "{told}");
    let dropped = told["dropped"]["too_large"].as_u64().unwrap();
    assert!(dropped > 0 && said.contains(&format!("events were dropped: {dropped} too_large")), "{said}");
}

#[test]
fn a_loss_fails_the_run_that_has_lost_and_none_after_it() {
    let url = server(|_| 413);
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().to_str().unwrap();
    let lost = emit(&url, "otlp-proto", &["--events", "11", "--timeout", "1", "--data-dir", data]);
    assert!(lost.status.code() == Some(1) && stderr(&lost).contains("too_large"), "{}", stderr(&lost));
    let dropped = summary(&lost)["dropped"]["too_large"].clone();

    let inspector = Inspector::start(&[]);
    for more in [&["--record-only", "--events", "1"][..], &["--flush-only"], &["--events", "5"]] {
        let output = emit(&inspector.url, "otlp-proto", &[more, &["--data-dir", data]].concat());
        let told = summary(&output);
        assert!(output.status.success(), "{more:?}: {}", stderr(&output));
        // The books keep it all the same.
        assert_eq!((&told["dropped"]["too_large"], &told["balanced"]), (&dropped, &true.into()), "{told}");
        assert!(told["reason"].is_null(), "{told}");
    }
    // What is lost again is said, with the count of this run.
    let output = emit(&url, "otlp-proto", &["--events", "1", "--timeout", "1", "--data-dir", data]);
    assert!(output.status.code() == Some(1) && stderr(&output).contains("dropped: 1 too_large"), "{}", stderr(&output));
}

#[test]
fn nothing_that_was_asked_for_is_left_out_without_a_word() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().to_str().unwrap();
    for option in ["--events", "--stories", "--seed", "--ids", "--record-only"] {
        let value: &[&str] = if option == "--record-only" { &[] } else { &["5"] };
        let output =
            emit("http://127.0.0.1:9", "otlp-proto", &[&["--flush-only", "--data-dir", data, option], value].concat());
        assert!(output.status.code() == Some(2) && stderr(&output).contains("--flush-only"), "{}", stderr(&output));
    }
}

#[test]
fn the_requests_of_several_backends_are_written_to_a_file_without_credentials() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("requests.ndjson");
    let mut command = throughline();
    command.args(["emit", "--json", "--events", "110", "--out", file.to_str().unwrap()]);
    let url = "http://127.0.0.1:9";
    let backends = ["otlp-proto", "datadog", "sentry", "connect", "fluentd"];
    for backend in backends {
        let endpoint = if backend == "sentry" { "http://s3cr3t@127.0.0.1:9/42" } else { url };
        command.args(["--backend", backend, "--endpoint", endpoint]);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let destinations = summary(&output)["destinations"].as_array().unwrap().clone();
    let names: Vec<_> = destinations.iter().map(|books| books["name"].as_str().unwrap()).collect();
    assert_eq!(names, backends);
    assert!(destinations.iter().all(|books| books["balanced"] == true && books["queued"] == 0), "{destinations:?}");
    let written = std::fs::read_to_string(&file).unwrap();
    assert!(!written.contains("s3cr3t") && !written.contains("pub-throughline-emit"), "credentials are written");
    let requests: Vec<Value> = written.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for path in ["/v1/logs", "/api/v2/rum", "/api/42/envelope/", "TelemetryService/ReportEvent", "/throughline.emit"] {
        let is_there = |request: &Value| request["url"].as_str().is_some_and(|url| url.contains(path));
        assert!(requests.iter().any(is_there), "nothing was sent to {path}");
    }
}

#[test]
fn a_backend_without_an_endpoint_is_refused_in_words() {
    let output = throughline()
        .args(["emit", "--backend", "otlp-json", "--backend", "fluentd", "--endpoint", "http://127.0.0.1:9"])
        .output()
        .unwrap();
    let said = stderr(&output);
    assert!(!output.status.success() && said.contains("one endpoint for each backend"), "{said}");
}

#[test]
fn events_that_only_another_backend_takes_are_not_called_lost() {
    let inspector = Inspector::start(&[]);
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().to_str().unwrap();
    let mut command = throughline();
    command.args(["emit", "--json", "--events", "110", "--signals", "logs", "--data-dir", data]);
    for backend in ["otlp-proto", "otlp-json"] {
        command.args(["--backend", backend, "--endpoint", &inspector.url]);
    }
    // Takes what the others leave.
    command.args(["--backend", "fluentd", "--endpoint", &server(|_| 200)]);
    // The second run begins with the books of the first.
    for _ in 0..2 {
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        let destinations = summary(&output)["destinations"].as_array().unwrap().clone();
        let is_settled = |books: &Value| books["balanced"] == true && books["queued"] == 0;
        assert!(destinations.iter().all(is_settled), "{destinations:?}");
        let delivered = |at: usize| destinations[at]["delivered"].as_u64().unwrap();
        assert!(delivered(0) > 0 && delivered(0) < delivered(2), "{destinations:?}");
    }
}

#[test]
fn what_waits_for_a_backend_is_not_written_to_a_file_and_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let (data, file) = (dir.path().join("data"), dir.path().join("requests.ndjson"));
    let (data, out) = (data.to_str().unwrap(), file.to_str().unwrap());
    let inspector = Inspector::start(&[]);
    let recorded = emit(&inspector.url, "otlp-proto", &["--record-only", "--events", "7", "--data-dir", data]);
    assert!(recorded.status.success(), "{}", stderr(&recorded));
    for more in [&["--flush-only"][..], &["--events", "1"]] {
        let output = emit(&inspector.url, "otlp-proto", &[more, &["--data-dir", data, "--out", out]].concat());
        assert!(output.status.code() == Some(2) && stderr(&output).contains("--out"), "{}", stderr(&output));
        assert!(!file.exists());
    }
    let sent = emit(&inspector.url, "otlp-proto", &["--flush-only", "--data-dir", data]);
    assert_eq!(summary(&sent)["delivered"], 7, "{}", stderr(&sent));
}
