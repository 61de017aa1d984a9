//! Uploads that outlive the process, as those of a background session do: the next process gets
//! the same requests under the same keys, and answers them with what became of them.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use throughline_ffi::{
    Consent, DeviceConditions, HostDuration, HttpResponse, NetworkKind, PendingUpload, TelemetryCore,
};

use crate::support::{config, draft, record, seconds};

/// Set for the process that is to be killed: its data directory.
const CHILD: &str = "THROUGHLINE_UPLOADS_CHILD";

fn answer(status: u16) -> Option<HttpResponse> {
    Some(HttpResponse { status, headers: vec![], body: vec![] })
}

fn start(dir: &Path) -> Arc<TelemetryCore> {
    let mut config = config(dir, "http://127.0.0.1:9");
    config.pull = true;
    TelemetryCore::start(config, Consent::Granted, None, None, None).unwrap()
}

fn next(core: &TelemetryCore) -> Option<PendingUpload> {
    core.next_upload(HostDuration(Duration::from_secs(5)))
}

/// Not a test of its own: the process that dies between taking an upload and reporting it.
#[test]
fn child_takes_an_upload() {
    let Some(dir) = std::env::var_os(CHILD) else { return };
    let core = start(Path::new(&dir));
    for _ in 0..20 {
        record(core.door(), &draft("a tap with three attributes"));
    }
    let upload = next(&core).unwrap();
    std::fs::write(Path::new(&dir).with_extension("key"), format!("{}\n{}", upload.key, upload.request.url)).unwrap();
    // As a kill of the system's: nothing of the process runs after it.
    Command::new("kill").args(["-9", &std::process::id().to_string()]).status().unwrap();
    std::thread::sleep(Duration::from_secs(60));
}

/// Runs the process that dies, and returns the key of the upload that it had taken, and its URL.
fn killed(dir: &Path) -> (String, String) {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "uploads::child_takes_an_upload"]).env(CHILD, dir);
    let status = child.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    assert!(!status.success(), "the child was to be killed");
    let text = std::fs::read_to_string(dir.with_extension("key")).unwrap();
    let (key, url) = text.split_once('\n').unwrap();
    (key.to_owned(), url.to_owned())
}

/// What became of everything: accepted, delivered, queued, and dropped for any reason.
fn books(core: &TelemetryCore) -> [u64; 4] {
    let health = core.health();
    let destination = &health.destinations[0];
    let dropped: u64 = health.dropped.iter().chain(&destination.dropped).map(|dropped| dropped.count).sum();
    [health.accepted, destination.delivered, health.queued, dropped]
}

#[test]
fn an_upload_whose_app_has_died_is_settled_once_by_the_next_process() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let (key, url) = killed(&data);
    let core = start(&data);
    let mut times = BTreeMap::<String, u32>::new();
    let mut answered = Vec::new();
    while let Some(upload) = next(&core) {
        if upload.key == key {
            assert_eq!(upload.request.url, url);
        }
        *times.entry(upload.key.clone()).or_default() += 1;
        assert!(core.upload_done(upload.id, answer(200)));
        // Of an upload that is not known any more, nothing is settled.
        assert!(!core.upload_done(upload.id, answer(400)));
        assert!(!core.upload_done(upload.id + 1_000, answer(400)));
        answered.push(upload.key);
    }
    assert!(answered.contains(&key), "{key} was not handed out again: {answered:?}");
    assert!(times.values().all(|times| *times == 1), "a request was sent twice: {times:?}");
    let [accepted, delivered, queued, dropped] = books(&core);
    assert!(accepted > 20, "{accepted} accepted");
    assert_eq!((delivered, queued, dropped), (accepted, 0, 0));
    core.shutdown(seconds(5)).unwrap();
}

#[test]
fn a_host_that_waits_for_the_network_gets_what_was_recorded_offline() {
    let dir = tempfile::tempdir().unwrap();
    let core = start(&dir.path().join("data"));
    core.set_conditions(DeviceConditions {
        foreground: true,
        network: NetworkKind::Offline,
        battery_percent: None,
        charging: false,
        low_power: false,
    });
    // As `BackgroundUploads` does all the time.
    core.next_upload(HostDuration(Duration::ZERO));
    record(core.door(), &draft("a tap with three attributes"));
    let upload = next(&core).expect("the system keeps it until there is a network");
    assert!(core.upload_done(upload.id, answer(200)));
    core.shutdown(seconds(5)).unwrap();
}
