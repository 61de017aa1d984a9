//! Guards of what looks odd and must stay (`docs/fragile.md`), where no other test would fail if it
//! was removed.

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use throughline::event::Action;
use throughline::health::JournalMode;
use throughline::{Config, Consent, Environment, Telemetry};

/// How long a test waits at most. It is far longer than the slowest machine needs.
const PATIENCE: Duration = Duration::from_secs(30);

fn started(dir: &Path) -> Telemetry {
    let config = Config::builder("fragile", dir).environment(Environment::Test).build().unwrap();
    let telemetry = Telemetry::start(config, Consent::Granted).unwrap();
    telemetry.record_action(&Action::tap("x"));
    assert!(telemetry.drain(PATIENCE));
    telemetry
}

#[cfg(unix)]
#[test]
fn a_journal_without_blocks_would_kill_the_app_on_a_full_disk() {
    use std::os::unix::fs::MetadataExt;

    let dir = tempfile::tempdir().unwrap();
    let telemetry = started(dir.path());
    assert_eq!(telemetry.health().journal, Some(JournalMode::Mapped));
    for run in std::fs::read_dir(dir.path().join("runs")).unwrap() {
        let file = run.unwrap().metadata().unwrap();
        // Blocks are counted in units of 512 bytes. A sparse file has fewer than its length needs.
        assert!(file.blocks() * 512 >= file.len(), "{} blocks for {} bytes", file.blocks(), file.len());
    }
    telemetry.shutdown(PATIENCE);
}

#[test]
fn a_setting_that_came_too_late_would_leave_the_database_without_it() {
    let dir = tempfile::tempdir().unwrap();
    let telemetry = started(dir.path());
    // There must be no index in shared memory: another process could truncate it while it is in
    // use.
    assert!(!dir.path().join("queue.db-shm").exists());
    telemetry.shutdown(PATIENCE);
    let db = Connection::open(dir.path().join("queue.db")).unwrap();
    let pragma = |name: &str| db.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap();
    let incremental = 2;
    assert_eq!((pragma("page_size"), pragma("auto_vacuum")), (4096, incremental));
}

/// Tests on a JVM pass without these switches, but apps on Android would not start, or would start
/// late.
#[test]
fn a_switch_of_the_kotlin_build_that_is_lost_would_show_on_phones_alone() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |file: &str| std::fs::read_to_string(root.join(file)).unwrap();
    assert!(read("uniffi/uniffi.toml").lines().any(|line| line.trim() == "omit_checksums = true"));
    let pom = read("bindings/kotlin/pom.xml");
    for switch in [
        "-Xlambdas=class",
        "-Xsam-conversions=class",
        "-Xno-param-assertions",
        "-Xno-call-assertions",
        "-XXLanguage:-EnumEntries",
    ] {
        assert!(pom.contains(&format!("<arg>{switch}</arg>")), "{switch}");
    }
}
