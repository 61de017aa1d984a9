//! What becomes of an event.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
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
    /// The length of what is whole, after a write that has failed.
    whole: Option<u64>,
}

impl Lines {
    /// Opens the file and reads which events it has.
    pub fn open(path: &Path) -> Result<Self> {
        let mut file = OpenOptions::new().create(true).append(true).read(true).open(path)?;
        let (mut known, mut reader, mut line) = (HashSet::new(), BufReader::new(&file), Vec::new());
        let mut ends_with_line = true;
        while reader.read_until(b'\n', &mut line)? > 0 {
            ends_with_line = line.ends_with(b"\n");
            // The last line may be cut off by a crash. Its event was never accepted.
            if let Ok(line) = serde_json::from_slice::<Value>(&line) {
                let context = Value::Null;
                let id = Received { event: &line["event"], context: &context }.deduplication_id().to_owned();
                known.insert(id);
            }
            line.clear();
        }
        // Also behind a line that lacks nothing else: the next event would be glued to it.
        if !ends_with_line {
            file.write_all(b"\n")?;
        }
        // What is known is called stored when it is sent again, and the process that wrote it may
        // have ended before it was on the disk.
        file.sync_data()?;
        Ok(Self { state: Mutex::new(State { file, known, whole: None }) })
    }
}

impl State {
    /// Appends lines that are on the disk when this returns. After an error the file is as it was:
    /// the client sends the batch again, and half of it would be there twice.
    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        self.cut()?;
        let whole = self.file.metadata()?.len();
        let written = self.file.write_all(lines).and_then(|()| self.file.sync_data());
        if written.is_err() {
            self.whole = Some(whole);
            // If it fails, it is tried again before the next write.
            let _ = self.cut();
        }
        written
    }

    /// Removes what a failed write has left.
    fn cut(&mut self) -> io::Result<()> {
        if let Some(whole) = self.whole {
            self.file.set_len(whole)?;
            self.whole = None;
        }
        Ok(())
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
        state.append(&lines).context("the file cannot be written")?;
        state.known.extend(new);
        Ok(fates)
    }
}
