//! `inspect --store FILE`: only a file of the inspector's own is written to.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Output;

use rusqlite::Connection;
use serde_json::json;

use super::{Inspector, emit, throughline, total};
use crate::intake::{logs, of_session};

/// What a directory holds. SQLite may make the index of a log (`-shm`), which holds nothing of its
/// own, anew.
fn contents(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap()).filter(|entry| entry.path().is_file());
    let files = files.map(|file| (file.file_name().into_string().unwrap(), std::fs::read(file.path()).unwrap()));
    files.filter(|(name, _)| !name.ends_with("-shm")).collect()
}

/// Starts an inspector that has to refuse its store.
fn refused(file: &Path) -> String {
    let Output { status, stderr, stdout } =
        throughline().args(["inspect", "--port", "0", "--store"]).arg(file).output().unwrap();
    let said = String::from_utf8(stderr).unwrap();
    assert!(status.code() == Some(1) && stdout.is_empty(), "{said}");
    said
}

fn made_by(dir: &Path, name: &str, sql: &str) -> std::path::PathBuf {
    let file = dir.join(name);
    Connection::open(&file).unwrap().execute_batch(sql).unwrap();
    file
}

#[test]
fn a_file_of_another_program_is_refused_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let notes = "CREATE TABLE notes(text TEXT); INSERT INTO notes VALUES('mine');";
    let items = "CREATE TABLE items(id INTEGER PRIMARY KEY, name TEXT); INSERT INTO items VALUES(1, 'mine');";
    let ours = "PRAGMA application_id = 0x544c4931; PRAGMA user_version = 99; CREATE TABLE t(x);";
    let cases = [
        (made_by(dir.path(), "notes.db", notes), "another program"),
        (made_by(dir.path(), "wal.db", &format!("PRAGMA journal_mode = WAL; {notes}")), "another program"),
        (made_by(dir.path(), "items.db", items), "another program"),
        (made_by(dir.path(), "app.db", &format!("PRAGMA application_id = 7; {notes}")), "another program"),
        (made_by(dir.path(), "version.db", &format!("PRAGMA user_version = 3; {notes}")), "another program"),
        (made_by(dir.path(), "later.db", ours), "format 99"),
    ];
    for (name, bytes) in [("text.txt", &b"my notes\n"[..]), ("short.db", b"SQLite format 3\0")] {
        std::fs::write(dir.path().join(name), bytes).unwrap();
    }
    let before = contents(dir.path());
    for (file, why) in &cases {
        let said = refused(file);
        assert!(said.contains(why) && said.contains(file.to_str().unwrap()), "{said}");
    }
    for name in ["text.txt", "short.db"] {
        assert!(refused(&dir.path().join(name)).contains("is no database"), "{name}");
    }
    assert!(refused(dir.path()).contains("is no file"));
    let said = refused(&dir.path().join("missing/items.db"));
    assert!(said.contains("there is no directory") && !said.contains("Error code"), "{said}");
    assert_eq!(contents(dir.path()), before);
}

#[test]
fn a_name_that_sqlite_takes_for_an_address_is_a_file_like_any_other() {
    let dir = tempfile::tempdir().unwrap();
    made_by(dir.path(), "notes.db", "CREATE TABLE notes(text TEXT); INSERT INTO notes VALUES('mine');");
    let before = contents(dir.path());
    let start = |store: &str| {
        let mut command = throughline();
        command.args(["inspect", "--port", "0", "--json", "--store", store]).current_dir(dir.path());
        Inspector::of(command)
    };
    for store in ["file:notes.db", "file:notes.db?mode=rw", ":memory:"] {
        start(store).take("/v1/logs", &logs(json!([{"timeUnixNano": "1"}])));
        assert_eq!(total(&start(store).stats()), 1, "{store}");
        assert!(dir.path().join(store).is_file(), "{store}");
    }
    assert_eq!(contents(dir.path())["notes.db"], before["notes.db"]);
}

#[test]
fn the_log_of_another_programs_database_is_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let (live, copy) = (dir.path().join("live"), dir.path().join("copy"));
    for dir in [&live, &copy] {
        std::fs::create_dir(dir).unwrap();
    }
    // A program that was killed leaves its log behind. The copy is taken while the log is there.
    let db = Connection::open(live.join("notes.db")).unwrap();
    db.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE notes(text TEXT);").unwrap();
    for name in ["notes.db", "notes.db-wal"] {
        std::fs::copy(live.join(name), copy.join(name)).unwrap();
    }
    drop(db);
    let before = contents(&copy);
    assert!(!before["notes.db-wal"].is_empty());
    assert!(refused(&copy.join("notes.db")).contains("another program"));
    assert_eq!(contents(&copy), before);
}

#[test]
fn the_queue_of_an_app_is_no_store() {
    let dir = tempfile::tempdir().unwrap();
    let options = ["--record-only", "--events", "11", "--data-dir", dir.path().to_str().unwrap()];
    emit("http://127.0.0.1:9", "otlp-proto", &options);
    let before = contents(dir.path());
    assert!(refused(&dir.path().join("queue.db")).contains("the queue of an app"));
    assert_eq!(contents(dir.path()), before);
}

/// The tables as the inspector made them before a file said whose it is.
const OLD: &str = "
PRAGMA journal_mode = WAL;
CREATE TABLE items(
    id INTEGER PRIMARY KEY, signal TEXT NOT NULL, time_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL, service TEXT NOT NULL,
    session TEXT NOT NULL, trace TEXT NOT NULL, span TEXT NOT NULL, parent TEXT NOT NULL, name TEXT NOT NULL,
    severity INTEGER NOT NULL, body TEXT NOT NULL, event_id TEXT, attributes TEXT NOT NULL, events TEXT NOT NULL DEFAULT '[]',
    resource INTEGER NOT NULL DEFAULT 0, scope TEXT NOT NULL DEFAULT '');
CREATE TABLE resources(id INTEGER PRIMARY KEY, attributes TEXT NOT NULL UNIQUE);
CREATE UNIQUE INDEX by_event ON items(event_id) WHERE event_id IS NOT NULL;
CREATE INDEX by_session ON items(session, time_ns);
CREATE INDEX by_trace ON items(trace, time_ns);
INSERT INTO items(signal, time_ns, end_ns, service, session, trace, span, parent, name, severity, body, attributes)
VALUES('log', 9223372036854775807, -9223372036854775808, 'shop', 'old', '', '', '', 'odd', 0, '', '{}'),
      ('log', -1, -1, 'shop', 'old', '', '', '', 'odd', 0, '', '{}'),
      ('log', 1700000000000000000, 1700000000000000000, 'shop', 'fine', 't', '', '', 'fine', 0, '', '{}');
";

#[test]
fn a_store_of_an_earlier_version_is_continued_whatever_times_it_holds() {
    let dir = tempfile::tempdir().unwrap();
    let file = made_by(dir.path(), "items.db", OLD);
    // As a killed inspector leaves it: most of it is still in the log.
    let killed = dir.path().join("killed.db");
    let db = Connection::open(dir.path().join("live.db")).unwrap();
    db.execute_batch(OLD).unwrap();
    for end in ["", "-wal"] {
        std::fs::copy(dir.path().join(format!("live.db{end}")), dir.path().join(format!("killed.db{end}"))).unwrap();
    }
    drop(db);
    for file in [file, killed] {
        for _ in 0..2 {
            let inspector = Inspector::start(&["--store", file.to_str().unwrap()]);
            let list = inspector.get("/");
            assert!(list.contains("2023-11-14 22:13:20 UTC") && list.contains("time not plausible"), "{list}");
            assert_eq!(inspector.get("/session/old").matches("time not plausible").count(), 2);
            for page in ["/session/fine", "/trace/t", "/api/sessions", "/api/session/old", "/without-session"] {
                inspector.get(page);
            }
            inspector.take("/v1/logs", &logs(json!([{"timeUnixNano": "1", "attributes": of_session("new")}])));
        }
        assert_eq!(total(&Inspector::start(&["--store", file.to_str().unwrap()]).stats()), 5);
    }
}

#[test]
fn an_empty_file_and_an_empty_database_become_a_store() {
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().join("empty");
    std::fs::write(&empty, "").unwrap();
    let database = made_by(dir.path(), "database", "PRAGMA journal_mode = WAL;");
    for file in [empty, database, dir.path().join("new 100%?#.db")] {
        let store = ["--store", file.to_str().unwrap()];
        Inspector::start(&store).take("/v1/logs", &logs(json!([{"timeUnixNano": "1"}])));
        assert_eq!(total(&Inspector::start(&store).stats()), 1, "{}", file.display());
    }
}

#[test]
fn records_are_not_taken_into_a_store_that_was_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("items.db");
    let inspector = Inspector::start(&["--store", file.to_str().unwrap()]);
    let body = logs(json!([{"timeUnixNano": "1"}])).to_string();
    let post = || inspector.post("/v1/logs", &[("content-type", "application/json")], body.as_bytes());
    assert_eq!(post().0, 200);
    let aside = dir.path().join("aside.db");
    std::fs::rename(&file, &aside).unwrap();
    let (status, answer) = post();
    assert!(status == 503 && answer.contains("was deleted or replaced"), "{answer}");
    assert_eq!(inspector.send("GET /health/ready", &[], b"").0, 503);
    std::fs::write(&file, "").unwrap();
    assert_eq!(post().0, 503);
    std::fs::rename(&aside, &file).unwrap();
    assert_eq!((post().0, total(&inspector.stats())), (200, 2));
}

#[test]
fn records_that_someone_has_deleted_are_no_longer_counted() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("items.db");
    let inspector = Inspector::start(&["--store", file.to_str().unwrap()]);
    inspector.take("/v1/logs", &logs(json!([{"timeUnixNano": "1"}, {"timeUnixNano": "2"}, {"timeUnixNano": "3"}])));
    assert_eq!(total(&inspector.stats()), 3);
    Connection::open(&file).unwrap().execute_batch("DELETE FROM items").unwrap();
    inspector.take("/v1/logs", &logs(json!([{"timeUnixNano": "4"}])));
    assert_eq!(total(&inspector.stats()), 1);
}
