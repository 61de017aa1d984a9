//! The installation: an id that counts devices without knowing them. It lives in the data directory
//! alone, goes with it, and changes when the directory turns up on another device: a restored or
//! cloned backup.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

use super::replace::{Durability, replace};
use crate::model::ids::RunKey;

const FILE: &str = "installation.json";

/// What is written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Installation {
    /// A random id, version 4.
    pub(crate) id: Uuid,
    /// SHA-256 over the id and the host's tag of the device, in hexadecimal; the tag itself is not
    /// kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    device: Option<String>,
}

/// The installation of a directory at a start.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// As it was written down.
    Known(Installation),
    /// It has to be written down: a first start, or a tag that was not known before.
    New(Installation),
    /// The directory was another device's. What identified that one is not to be used.
    Moved(Installation),
}

impl Installation {
    /// A new one.
    pub(crate) fn new(device_tag: Option<&str>) -> Self {
        let (high, low) = RunKey::random().halves();
        let id = Builder::from_random_bytes(Uuid::from_u64_pair(high, low).into_bytes()).into_uuid();
        Self { id, device: device_tag.map(|tag| marker(id, tag)) }
    }

    /// Reads a directory's, or makes a new one. `None` when its file is there and cannot be read
    /// now: a device that was not unlocked yet.
    pub(crate) fn find(dir: &Path, device_tag: Option<&str>) -> Option<Found> {
        let known: Self = match std::fs::read(dir.join(FILE)).map(|bytes| serde_json::from_slice(&bytes)) {
            Ok(Ok(known)) => known,
            Err(error) if error.kind() != io::ErrorKind::NotFound => return None,
            _ => return Some(Found::New(Self::new(device_tag))),
        };
        Some(match (&known.device, device_tag.map(|tag| marker(known.id, tag))) {
            (Some(before), Some(now)) if *before != now => Found::Moved(Self::new(device_tag)),
            (None, Some(now)) => Found::New(Self { device: Some(now), ..known }),
            // A tag that is not known today (before the first unlock) proves nothing.
            _ => Found::Known(known),
        })
    }

    /// Replaces the file in one step, synced: losing it counts a device twice.
    pub(crate) fn store(&self, dir: &Path) -> io::Result<()> {
        replace(&dir.join(FILE), &serde_json::to_vec(self)?, Durability::Power)
    }
}

/// What tells this device from others. Mixed with the id, so that it says nothing elsewhere.
fn marker(id: Uuid, device_tag: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(id.as_bytes());
    hash.update(device_tag.as_bytes());
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(dir: &Path, tag: Option<&str>) -> Installation {
        match Installation::find(dir, tag) {
            Some(Found::Known(installation)) => installation,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_installation_keeps_its_id_until_its_directory_is_on_another_device() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let Some(Found::New(first)) = Installation::find(dir, None) else { panic!() };
        assert_eq!(first.id.get_version_num(), 4);
        first.store(dir).unwrap();
        assert_eq!(known(dir, None), first);
        // The host has learnt to tell devices apart.
        let Some(Found::New(tagged)) = Installation::find(dir, Some("a")) else { panic!() };
        assert_eq!(tagged.id, first.id);
        tagged.store(dir).unwrap();
        assert!(!std::fs::read_to_string(dir.join(FILE)).unwrap().contains("\"a\""));
        assert_eq!((known(dir, Some("a")), known(dir, None)), (tagged.clone(), tagged.clone()));
        let Some(Found::Moved(clone)) = Installation::find(dir, Some("b")) else { panic!() };
        assert_ne!(clone.id, tagged.id);
        clone.store(dir).unwrap();
        assert_eq!(known(dir, Some("b")), clone);
    }

    #[test]
    fn a_broken_file_is_a_first_start() {
        let dir = tempfile::tempdir().unwrap();
        for text in ["", "{", "{\"id\":\"x\"}", "[]"] {
            std::fs::write(dir.path().join(FILE), text).unwrap();
            assert!(matches!(Installation::find(dir.path(), Some("a")), Some(Found::New(_))), "{text}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_now_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        // Root reads everything: a directory in its place cannot be read by anybody.
        std::fs::create_dir(dir.path().join(FILE)).unwrap();
        assert_eq!(Installation::find(dir.path(), None), None);
    }
}
