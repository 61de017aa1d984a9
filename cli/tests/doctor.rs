//! `doctor` names what keeps data from arriving, and leaves the directory as it was.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use throughline::event::Action;
use throughline::{Config, ConfigBuilder, Consent, Telemetry};

const LONG: Duration = Duration::from_secs(20);

/// What the command says as JSON, and its status.
fn doctor(arguments: &[&str]) -> (Value, i32) {
    let output = Command::new(env!("CARGO_BIN_EXE_throughline")).arg("doctor").arg("--json").args(arguments).output();
    let output = output.unwrap();
    let said = serde_json::from_slice(&output.stdout);
    (said.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr))), output.status.code().unwrap())
}

fn causes(said: &Value) -> Vec<&str> {
    said["findings"].as_array().unwrap().iter().map(|finding| finding["cause"].as_str().unwrap()).collect()
}

/// Lets an app record, try to send, and end.
fn app(dir: &Path, consent: Consent, change: impl FnOnce(ConfigBuilder) -> ConfigBuilder) -> Telemetry {
    let config = Config::builder("shop", dir).start_jitter(false).self_report(false);
    let telemetry = Telemetry::start(change(config).build().unwrap(), consent).unwrap();
    telemetry.record_action(&Action::tap("buy"));
    telemetry.flush(Duration::from_secs(2));
    telemetry
}

/// Every file of a directory.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap().flatten() {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if path.is_dir() {
            all.extend(files(&path).into_iter().map(|(inner, bytes)| (format!("{name}/{inner}"), bytes)));
        } else {
            all.insert(name, fs::read(path).unwrap());
        }
    }
    all
}

/// A server that answers every request with this status.
fn answering(status: u16) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            use std::io::{Read, Write};
            let _ = stream.set_read_timeout(Some(Duration::from_millis(300)));
            while stream.read(&mut [0; 4_096]).is_ok_and(|count| count > 0) {}
            let _ = write!(stream, "HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        }
    });
    url
}

#[test]
fn what_the_directory_of_an_app_says_is_named_and_nothing_in_it_changes() {
    let refuses = answering(401);
    type Case<'c> = (&'static str, Box<dyn Fn(&Path) -> Telemetry + 'c>);
    let cases: [Case<'_>; 4] = [
        ("consent_pending", Box::new(|dir| app(dir, Consent::Pending, |config| config.endpoint("http://127.0.0.1:9")))),
        ("no_endpoint", Box::new(|dir| app(dir, Consent::Granted, |config| config))),
        ("unauthorized", Box::new(|dir| app(dir, Consent::Granted, |config| config.endpoint(refuses.as_str())))),
        (
            "switched_off",
            Box::new(|dir| {
                let telemetry = app(dir, Consent::Granted, |config| config.endpoint("http://127.0.0.1:9"));
                telemetry.set_enabled(false).unwrap();
                telemetry
            }),
        ),
    ];
    for (cause, start) in cases {
        let dir = tempfile::tempdir().unwrap();
        start(dir.path()).shutdown(LONG);
        let before = files(dir.path());
        let (said, status) = doctor(&["--store", dir.path().to_str().unwrap()]);
        assert_eq!(status, 3, "{cause}: {said}");
        assert!(causes(&said).contains(&cause), "{cause}: {said}");
        assert_eq!(files(dir.path()), before, "{cause}");
    }
}

#[test]
fn a_directory_without_a_client_and_one_that_is_damaged_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().to_str().unwrap();
    assert_eq!(causes(&doctor(&["--store", store]).0), ["not_started"]);
    fs::write(dir.path().join("queue.db"), "this is no database, but a text that is long enough").unwrap();
    assert_eq!(causes(&doctor(&["--store", store]).0), ["storage_failed"]);
    let nowhere = Command::new(env!("CARGO_BIN_EXE_throughline")).args(["doctor", "--store", "/nowhere"]).output();
    let nowhere = nowhere.unwrap();
    assert!(nowhere.status.code() == Some(1) && String::from_utf8_lossy(&nowhere.stderr).contains("no directory"));
}

#[test]
fn what_an_endpoint_answers_is_named() {
    assert_eq!(causes(&doctor(&["--endpoint", &answering(404)]).0), ["not_found"]);
    assert_eq!(causes(&doctor(&["--endpoint", &answering(415)]).0), ["unsupported_format"]);
    let (said, status) = doctor(&["--endpoint", &answering(200)]);
    assert_eq!((causes(&said), status, &said["clear"]), (vec![], 0, &Value::Bool(true)));
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(doctor(&["--endpoint", &format!("http://{closed}")]).1, 3);
}
