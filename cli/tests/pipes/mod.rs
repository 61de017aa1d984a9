//! A reader of standard output that goes away ends a command quietly.

use std::io::Write;
use std::process::Stdio;

use super::{Inspector, throughline};

/// Runs a command whose standard output nobody reads. Returns its status and what it has said on
/// standard error.
fn without_a_reader(arguments: &[&str], input: &[u8]) -> (Option<i32>, String) {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = throughline();
    command.args(arguments).env("RUST_BACKTRACE", "1").stdin(Stdio::piped()).stdout(Stdio::from(writer));
    let mut child = command.spawn().unwrap();
    // The command may have ended before it has read its input.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn no_command_panics_when_nobody_reads_its_answer() {
    let inspector = Inspector::start(&[]);
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("config.json");
    std::fs::write(&config, "{}").unwrap();
    let emit = ["emit", "--backend", "otlp-proto", "--endpoint", &inspector.url, "--events", "11", "--json"];
    let explain = ["explain", "--config", config.to_str().unwrap(), "--event", r#"{"kind": "log"}"#];
    let commands: [(&[&str], &[u8]); 8] = [
        (&emit, b""),
        (&explain, b""),
        (&["propagate"], b"{\"headers\": [], \"n\": 2}\n{\"headers\": [], \"n\": 2}\n"),
        (&["inspect", "--port", "0", "--json"], b""),
        (&["inspect", "--port", "0"], b""),
        (&["demo", "--once"], b""),
        (&["--help"], b""),
        (&["emit", "--help"], b""),
    ];
    for (arguments, input) in commands {
        assert_eq!(without_a_reader(arguments, input), (Some(0), String::new()), "{arguments:?}");
    }
}

#[test]
fn events_that_were_not_delivered_are_a_failure_even_if_nobody_reads_the_summary() {
    let emit = ["emit", "--backend", "otlp-proto", "--endpoint", "http://127.0.0.1:9", "--events", "3", "--json"];
    let (status, said) = without_a_reader(&[&emit[..], &["--timeout", "1"]].concat(), b"");
    assert!(status == Some(1) && said.contains("3 events were not delivered"), "{status:?}: {said}");
    assert!(!said.contains("panicked") && !said.contains("backtrace"), "{said}");
}

#[test]
fn what_a_command_cannot_write_for_another_reason_is_a_failure() {
    let Ok(full) = std::fs::File::options().write(true).open("/dev/full") else { return };
    let mut child = throughline().arg("propagate").stdin(Stdio::piped()).stdout(Stdio::from(full)).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"{\"headers\": [], \"n\": 1}\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && said.contains("writing to standard output"), "{said}");
}

#[test]
fn a_line_that_is_no_text_ends_the_command_with_its_number() {
    let mut child = throughline().arg("propagate").stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"{\"headers\": [], \"n\": 1}\n\xff\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && said.contains("line 2"), "{said}");
}

#[test]
fn a_demo_that_ends_names_no_page_that_has_ended_with_it() {
    let output = throughline().args(["demo", "--once"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("are in one trace, "), "{said}");
    assert!(!said.contains("/trace/") && !said.contains("lists the sessions"), "{said}");
}
