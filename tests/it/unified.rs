//! The unified view: one tap in an app, and what it leaves in each place, joined.
//!
//! The app is `examples/kotlin`, run as a process of its own. Its events go to Datadog's intakes
//! and to Fluentd, which servers of ours play; its request goes to the service of
//! `examples/backends/sanic`, whose spans go to Datadog's test agent, and whose log goes through
//! `examples/backends/fluentd`. `cargo xtask unified-view` builds the app and names its classes in
//! [`CLASSES`]; without that variable, the test says that it is skipped.
#![allow(clippy::print_stdout, reason = "a test that is skipped says so")]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value as Json, json};
use throughline::internals::limits::ACTION_QUIET;
use throughline::testing::{Answer, FaultServer};
use throughline::trace::PROPAGATION_HEADERS;

mod fluentd;
mod picture;
mod run;

use crate::sanic::Backend;
use crate::sources::{read, root};
use fluentd::Configuration;
use run::{Form, JOINTS, ROWS, Run};

/// The variable that names the class path of `examples/kotlin`.
const CLASSES: &str = "THROUGHLINE_EXAMPLE_CLASSES";
/// The variable that names the native library for it.
const LIBRARY: &str = "THROUGHLINE_EXAMPLE_LIBRARY";
/// With this variable, the run is written down and its picture drawn.
const BLESS: &str = "THROUGHLINE_BLESS";

/// A run that has been written down, and its picture.
const RUN: &str = "docs/unified-view.json";
const PICTURE: &str = "docs/unified-view.svg";
const FLUENTD: &str = "examples/backends/fluentd/fluentd.conf";
/// The time that Fluentd has for a record.
const FLUENTD_TIME: &str = "2026-01-02T03:04:05.678901234Z";

/// The change of state that the tap causes.
const CHANGE: &str = "Profile.displayName.Update";

/// How often the app is run if it stands still.
const ATTEMPTS: usize = 10;

const MS: u64 = 1_000_000;
const DAY: u64 = 86_400_000_000_000;

/// The only one of some things.
fn only<T>(what: &str, found: impl IntoIterator<Item = T>) -> T {
    let mut found = found.into_iter();
    let first = found.next().unwrap_or_else(|| panic!("there is no {what}"));
    assert!(found.next().is_none(), "there are several of {what}");
    first
}

/// The events that one of the intakes has taken.
fn taken(intake: &FaultServer, path: &str) -> Vec<Json> {
    let requests = intake.received().into_iter().filter(|request| request.path.starts_with(path));
    let lines = requests.flat_map(|request| {
        let text = String::from_utf8(request.body).unwrap();
        let parts: Vec<Json> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        parts.into_iter().flat_map(|part| match part {
            Json::Array(items) => items,
            Json::Object(mut members) if members.contains_key("spans") => {
                members.remove("spans").unwrap().as_array().unwrap().clone()
            }
            other => vec![other],
        })
    });
    lines.collect()
}

/// Nanoseconds since midnight of a time such as `2026-01-02T03:04:05.678Z`.
fn of_day(time: &str) -> u64 {
    let clock = time.split_once('T').unwrap().1.strip_suffix('Z').unwrap();
    let (seconds, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let seconds = seconds.split(':').fold(0, |all, part| all * 60 + part.parse::<u64>().unwrap());
    seconds * 1_000 * MS + format!("{fraction:0<9}").parse::<u64>().unwrap()
}

/// A time of day as nanoseconds since the epoch, on the day of `near` or the one before or after.
fn near(of_day: u64, near: u64) -> u64 {
    let midnight = near - near % DAY;
    let days = [midnight.saturating_sub(DAY), midnight, midnight + DAY];
    days.map(|day| day + of_day).into_iter().min_by_key(|time| time.abs_diff(near)).unwrap()
}

/// What was sent in a run: the app's events by intake, the service's spans, and its output.
struct Arrived {
    rum: Vec<Json>,
    logs: Vec<Json>,
    spans: Vec<Json>,
    records: Vec<Json>,
    theirs: Vec<Json>,
    output: String,
}

fn number(json: &Json) -> u64 {
    json.as_u64().unwrap_or_else(|| panic!("{json} is no number"))
}

impl Arrived {
    /// Runs the app once. `None`: it was not built, and the test is left out.
    fn run_once() -> Option<Self> {
        let (Some(classes), Some(library)) = (std::env::var_os(CLASSES), std::env::var_os(LIBRARY)) else {
            println!("skipped: {CLASSES} is not set; `cargo xtask unified-view` sets it");
            return None;
        };
        let backend = Backend::start()?;
        let [intake, fluentd, pictures] = [(); 3].map(|()| FaultServer::start().unwrap());
        for (server, status, body) in [(&intake, 202, "{}"), (&fluentd, 200, ""), (&pictures, 200, "")] {
            server.always(Some(Answer::Status(status, Vec::new(), body.into())));
        }
        let dir = tempfile::tempdir().unwrap();
        let mut app = Command::new("java");
        app.arg("-cp").arg(classes).arg(format!("-Dthroughline.library={}", PathBuf::from(library).display()));
        app.args(["example.UnifiedAppKt", &intake.url(), &fluentd.url()]);
        app.arg(format!("http://127.0.0.1:{}", backend.service));
        app.arg(pictures.url().replace("127.0.0.1", "localhost")).arg(dir.path());
        assert!(app.status().unwrap().success(), "not everything was delivered");

        let strange = only("request for a picture", pictures.received());
        let leaked = |name: &&str| strange.headers.iter().any(|(key, _)| key.eq_ignore_ascii_case(name));
        assert_eq!(PROPAGATION_HEADERS.into_iter().find(leaked), None, "a host that is not listed got a header");
        let [rum, logs, spans] = ["/api/v2/rum", "/api/v2/logs", "/api/v2/spans"].map(|path| taken(&intake, path));
        let records = taken(&fluentd, "/profile.app");
        let theirs = backend.spans_with("user.profile.update", 1);
        Some(Self { rum, logs, spans, records, theirs, output: backend.output() })
    }

    fn event(&self, what: &str, is: impl Fn(&Json) -> bool) -> Json {
        only(what, self.rum.iter().filter(|event| is(event))).clone()
    }

    fn tap(&self) -> Json {
        self.event("tap", |event| event["action"]["type"] == "tap")
    }

    fn mutation(&self) -> Json {
        self.event(CHANGE, |event| event["action"]["target"]["name"] == CHANGE)
    }

    fn resource(&self) -> Json {
        let is = |event: &Json| event["resource"]["url"].as_str().is_some_and(|url| url.ends_with("/api/profile"));
        self.event("request of the app", is)
    }

    fn span(&self, name: &str) -> Json {
        only(name, self.spans.iter().filter(|span| span["name"] == name)).clone()
    }

    fn log(&self) -> Json {
        only("log of the app", self.logs.iter().filter(|log| log["message"] == "The name is saved.")).clone()
    }

    /// Whether the app, on a busy machine, stood still so long that the tap collected no more, as
    /// `docs/semantics.md` says. Only such a run may be done again.
    fn stood_still(&self) -> bool {
        let (tap, mutation, resource) = (self.tap(), self.mutation(), self.resource());
        let date = |event: &Json| number(&event["date"]) * MS;
        let operation = number(&self.span("UpdateDisplayName")["start"]);
        let answered = date(&resource) + number(&resource["resource"]["duration"]);
        let logged = near(of_day(self.log()["date"].as_str().unwrap()), answered);
        let pauses = [
            (date(&tap), operation),
            (date(&tap), date(&mutation)),
            (date(&mutation), date(&resource)),
            (answered, logged),
        ];
        // RUM's dates are cut to milliseconds.
        let most = ACTION_QUIET.as_nanos() as u64 - MS;
        pauses.into_iter().any(|(from, to)| to.saturating_sub(from) >= most)
    }

    fn run(&self) -> Run {
        let work = |name: &str, resource: &str| {
            let is = |span: &&Json| span["name"] == name && span["resource"] == resource;
            only(name, self.theirs.iter().filter(is)).clone()
        };
        let in_rum = |name, event: Json, title: &str, took: Option<&str>| {
            let (start, took) = (number(&event["date"]) * MS, took.map(|path| number(event.pointer(path).unwrap())));
            (name, event, title.to_owned(), start, took)
        };
        let in_apm = |name, span: Json| {
            let title = span["name"].as_str().unwrap().to_owned();
            let (start, took) = (number(&span["start"]), number(&span["duration"]));
            (name, span, title, start, Some(took))
        };
        let tap_span = self.span("save");
        let begun = number(&tap_span["start"]);
        let logged = |name, line: Json, title: &str, time: &str| {
            let start = near(of_day(line[time].as_str().unwrap()), begun);
            (name, line, title.to_owned(), start, None)
        };
        // A view says more in each version.
        let views = self.rum.iter().filter(|event| event["type"] == "view" && event["view"]["name"] == "Profile");
        let view = views.max_by_key(|view| number(&view["_dd"]["document_version"])).unwrap().clone();
        Run::of([
            in_rum("view", view, "Profile", Some("/view/time_spent")),
            in_rum("tap", self.tap(), "save", Some("/action/loading_time")),
            in_apm("tap span", tap_span),
            in_apm("operation", self.span("UpdateDisplayName")),
            in_rum("mutation", self.mutation(), CHANGE, None),
            in_rum("resource", self.resource(), "POST /api/profile", Some("/resource/duration")),
            logged("app log", self.log(), "The name is saved.", "date"),
            in_apm("request", work("sanic.request", "POST /api/profile")),
            in_apm("work", work("user.profile.update", "POST /api/profile")),
            in_apm("database", work("db.update_user", "db.update_user")),
            in_apm("analytics", work("analytics.notify", "analytics.notify")),
            logged("service log", stored_line(&self.output, "profile updated"), "profile updated", "app.timestamp"),
            stored_request(&self.records),
        ])
    }
}

/// What the store gets from Fluentd of a record that comes in by a source.
fn stored(source: &str, tag: &str, record: &Json) -> Json {
    let configuration = Configuration::read(&read(Path::new(FLUENTD)));
    configuration.store(source, tag, FLUENTD_TIME, record.as_object().unwrap().clone()).into()
}

/// A line of the service's log, in the store. Docker's driver brings it to Fluentd.
fn stored_line(output: &str, event: &str) -> Json {
    let is = |line: &&str| serde_json::from_str::<Json>(line).is_ok_and(|line| line["event"] == event);
    let line = only(event, output.lines().filter(is));
    stored("forward", "docker.profile", &json!({ "log": line, "source": "stdout", "container_name": "/profile" }))
}

/// The app's request, in the store.
fn stored_request(records: &[Json]) -> (&'static str, Json, String, u64, Option<u64>) {
    let is = |record: &&Json| {
        record["kind"] == "resource" && record["url.full"].as_str().is_some_and(|url| url.ends_with("/api/profile"))
    };
    let record = stored("http", "profile.app", only("request in the store", records.iter().filter(is)));
    let start = record["time_unix_nano"].as_str().unwrap().parse().unwrap();
    let took = number(&record["duration_ns"]);
    ("stored request", record, "POST /api/profile".to_owned(), start, Some(took))
}

fn recorded() -> Run {
    Run::from_json(&read(Path::new(RUN)))
}

#[test]
fn one_tap_is_found_in_every_place_by_one_trace() {
    let mut arrived = None;
    for _ in 0..ATTEMPTS {
        let Some(found) = Arrived::run_once() else { return };
        if !found.stood_still() {
            arrived = Some(found);
            break;
        }
        println!("the app stood still, which ended the tap; once more");
    }
    let run = arrived.expect("the machine is too busy").run();
    let none: [String; 0] = [];
    assert_eq!(run.broken(), none);
    for (row, path, word) in [("mutation", "/context/state.cause", "operation"), ("request", "/meta/_dd.origin", "rum")]
    {
        assert_eq!(run.field((row, path)), word, "{row} {path}");
    }
    if std::env::var_os(BLESS).is_some() {
        std::fs::write(root().join(RUN), format!("{:#}\n", run.json())).unwrap();
        std::fs::write(root().join(PICTURE), picture::draw(&run)).unwrap();
    }
    assert_eq!(run.shape(), recorded().shape(), "`cargo xtask unified-view --write` draws the picture anew");
}

#[test]
fn the_picture_shows_the_run_that_is_written_down() {
    let run = recorded();
    let none: [String; 0] = [];
    assert_eq!(run.broken(), none);
    let drawn = picture::draw(&run);
    assert!(drawn == read(Path::new(PICTURE)), "`cargo xtask unified-view --write` draws the picture anew");
}

#[test]
fn a_field_that_names_something_else_breaks_its_joints_and_no_others() {
    let run = recorded();
    for row in &ROWS {
        for (path, _) in row.fields {
            let joints = JOINTS.iter().filter(|joint| joint.contains(&(row.name, *path))).count();
            let halves = if *path == run::HIGH_HALF { 1 } else { 0 };
            let mut other = run.clone();
            let field = other.0.get_mut(row.name).unwrap().fields.get_mut(*path).unwrap();
            // Another digit or letter at the end, of the same kind.
            *field = match field.as_u64() {
                Some(number) => (number ^ 1).into(),
                None => {
                    let mut text = field.as_str().unwrap().to_owned();
                    let last = text.pop().unwrap();
                    text.push(if last == '1' { '2' } else { '1' });
                    text.into()
                }
            };
            assert_eq!(other.broken().len(), joints + halves, "{} {path}: {:?}", row.name, other.broken());
        }
    }
}

#[test]
fn an_id_in_the_form_of_another_place_joins_nothing() {
    let run = recorded();
    for row in &ROWS {
        for (path, form) in row.fields {
            let sent = run.field((row.name, *path));
            let text = sent.as_str().map_or_else(|| sent.to_string(), str::to_owned);
            let wrong = match form {
                Form::Text => continue,
                Form::Hex | Form::HexHalf => u128::from_str_radix(&text, 16).unwrap().to_string(),
                Form::Decimal | Form::DecimalHalf => format!("{:016x}", text.parse::<u64>().unwrap()),
            };
            let mut other = run.clone();
            other.0.get_mut(row.name).unwrap().fields.insert((*path).to_owned(), wrong.clone().into());
            assert_eq!(other.value((row.name, *path)), None, "{} {path} {wrong}", row.name);
        }
    }
}

#[test]
fn fluentd_keeps_a_line_that_is_no_json_and_gives_a_line_outside_of_a_request_no_trace() {
    let plain = stored("forward", "docker.profile", &json!({ "log": "Traceback", "source": "stderr" }));
    let expected = json!({
        "log": "Traceback", "source": "stderr", "trace_id": null, "session.id": null,
        "fluentd.tag": "docker.profile", "fluentd.time": FLUENTD_TIME,
    });
    assert_eq!(plain, expected);
    // The line's own fields take no field of the record's place.
    let line = r#"{"source": "the line's", "trace_id": "7", "time": "yesterday", "dd.trace_id": "ab"}"#;
    let record = json!({ "log": line, "source": "stdout", "trace_id": "of the record" });
    let parsed = stored("forward", "docker.profile", &record);
    assert_eq!((&parsed["source"], &parsed["app.source"]), (&json!("stdout"), &json!("the line's")));
    assert_eq!((&parsed["trace_id"], &parsed["app.time"]), (&json!("ab"), &json!("yesterday")));
    assert_eq!(parsed.get("log"), None);
    // Phones send what they mean.
    let phone = stored("http", "profile.app", &json!({ "trace_id": "cd", "session.id": "s" }));
    assert_eq!((&phone["trace_id"], &phone["session.id"]), (&json!("cd"), &json!("s")));
}

#[test]
fn a_time_of_day_is_found_on_either_side_of_midnight() {
    assert_eq!(of_day("2026-01-02T00:00:01.5Z"), 1_500 * MS);
    assert_eq!(of_day("2026-01-02T01:01:01.000001Z"), 3_661_000_001_000);
    assert_eq!(near(5, 3 * DAY - 7), 3 * DAY + 5);
    assert_eq!(near(DAY - 5, 3 * DAY + 7), 3 * DAY - 5);
    assert_eq!(near(9, 3 * DAY + 7), 3 * DAY + 9);
}
