//! What becomes of an event.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// An event, in the JSON of the protobuf file: an `Event` or an `ErrorEvent`.
#[derive(Debug, Clone, Copy)]
pub struct Received<'a> {
    pub event: &'a Value,
    /// The `Context` that the event names.
    pub context: &'a Value,
}

impl<'a> Received<'a> {
    fn header(&self, field: &str) -> &'a str {
        self.event.get("header").and_then(|header| header.get(field)).and_then(Value::as_str).unwrap_or_default()
    }

    /// The id by which an answer names the event.
    pub fn id(&self) -> &'a str {
        self.header("eventId")
    }

    /// What is received twice has this in common.
    pub fn deduplication_id(&self) -> &'a str {
        self.header("deduplicationId")
    }
}

/// What became of an event.
#[derive(Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is stored, now or since an earlier request.
    Stored,
    /// It is not stored and never will be. The client counts it and does not send it again.
    Rejected {
        /// A value of `RejectReason`.
        reason: &'static str,
        message: String,
    },
}

/// Takes events. After an error the client sends all of the batch again: what was stored before is
/// known by its `deduplication_id`.
pub trait Handler: Send + Sync + 'static {
    fn handle(&self, batch: &[Received<'_>]) -> Result<Vec<Fate>>;
}

/// Appends events to a file, one line of JSON for each.
#[derive(Debug)]
pub struct Lines {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    file: File,
    known: HashSet<String>,
}

impl Lines {
    /// Opens the file and reads which events it has.
    pub fn open(path: &Path) -> Result<Self> {
        let mut file = OpenOptions::new().create(true).append(true).read(true).open(path)?;
        let (mut known, mut ends_with_line) = (HashSet::new(), true);
        for line in BufReader::new(&file).split(b'\n') {
            // The last line may be cut off by a crash. Its event was never accepted.
            let parsed = serde_json::from_slice::<Value>(&line?);
            ends_with_line = parsed.is_ok();
            if let Ok(line) = parsed {
                let context = Value::Null;
                let id = Received { event: &line["event"], context: &context }.deduplication_id().to_owned();
                known.insert(id);
            }
        }
        if !ends_with_line {
            file.write_all(b"\n")?;
        }
        Ok(Self { state: Mutex::new(State { file, known }) })
    }
}

impl Handler for Lines {
    fn handle(&self, batch: &[Received<'_>]) -> Result<Vec<Fate>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut lines, mut fates, mut new) = (Vec::new(), Vec::new(), HashSet::new());
        for received in batch {
            let id = received.deduplication_id();
            if id.is_empty() || received.id().is_empty() {
                let message = "has no event_id or no deduplication_id".to_owned();
                fates.push(Fate::Rejected { reason: "REJECT_REASON_INVALID", message });
                continue;
            }
            if !state.known.contains(id) && new.insert(id.to_owned()) {
                serde_json::to_writer(&mut lines, &json!({ "context": received.context, "event": received.event }))?;
                lines.push(b'\n');
            }
            fates.push(Fate::Stored);
        }
        // An answer says that they are stored, so they are on the disk before.
        state.file.write_all(&lines).and_then(|()| state.file.sync_data()).context("the file cannot be written")?;
        state.known.extend(new);
        Ok(fates)
    }
}
