//! The installation: a random id by which a backend can count devices without knowing them.
//!
//! The id exists in the data directory alone and is deleted with it. When the directory turns up on
//! another device, as a restored or cloned backup does, it gets a new id: otherwise two devices
//! would be counted as one.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

use super::replace::{Durability, replace};
use crate::model::ids::RunKey;

const FILE: &str = "installation.json";

/// The id of an installation, as the file keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Installation {
    /// A random id, version 4.
    pub(crate) id: Uuid,
    /// SHA-256 over the id and the tag that the host gives the device, in hexadecimal. The tag
    /// itself is not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    device: Option<String>,
}

/// What a start finds in the directory.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// The installation of an earlier start, which goes on.
    Known(Installation),
    /// An installation that has to be written to the file: this is the first start, or the device
    /// has a tag for the first time.
    New(Installation),
    /// A new installation, because the directory comes from another device. Nothing that identified
    /// the other device may be used.
    Moved(Installation),
}

impl Installation {
    /// Makes an installation with a new id.
    pub(crate) fn new(device_tag: Option<&str>) -> Self {
        let (high, low) = RunKey::random().halves();
        let id = Builder::from_random_bytes(Uuid::from_u64_pair(high, low).into_bytes()).into_uuid();
        Self { id, device: device_tag.map(|tag| marker(id, tag)) }
    }

    /// Reads the installation of a directory, or makes a new one. `None` when the file is there but
    /// cannot be read at the moment, because the device was not unlocked yet. A new id would
    /// replace the old one then.
    pub(crate) fn find(dir: &Path, device_tag: Option<&str>) -> Option<Found> {
        let known: Self = match std::fs::read(dir.join(FILE)).map(|bytes| serde_json::from_slice(&bytes)) {
            Ok(Ok(known)) => known,
            Err(error) if error.kind() != io::ErrorKind::NotFound => return None,
            _ => return Some(Found::New(Self::new(device_tag))),
        };
        Some(match (&known.device, device_tag.map(|tag| marker(known.id, tag))) {
            (Some(before), Some(now)) if *before != now => Found::Moved(Self::new(device_tag)),
            (None, Some(now)) => Found::New(Self { device: Some(now), ..known }),
            // Without a tag, which the host may not know before the first unlock, nothing says that
            // this is another device.
            _ => Found::Known(known),
        })
    }

    /// Replaces the file in one step, and syncs it: a device whose file is lost would be counted
    /// twice.
    pub(crate) fn store(&self, dir: &Path) -> io::Result<()> {
        replace(&dir.join(FILE), &serde_json::to_vec(self)?, Durability::Power)
    }
}

/// Tells this device from others. The id is hashed with the tag, so that the result cannot be used
/// to recognise the device anywhere else.
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
        // A later version of the app gives the device a tag.
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
        // Root can read every file. A directory in its place cannot be read as a file by anybody.
        std::fs::create_dir(dir.path().join(FILE)).unwrap();
        assert_eq!(Installation::find(dir.path(), None), None);
    }
}
