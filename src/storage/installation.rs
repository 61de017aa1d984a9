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

use super::replace::{Durability, create, read, replace};
use crate::model::ids::RunKey;

/// The file in the data directory.
pub(crate) const FILE: &str = "installation.json";

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
        let known: Self = match read(&dir.join(FILE)).map(|bytes| serde_json::from_slice(&bytes)) {
            Ok(Ok(known)) => known,
            Err(error) if error.kind() != io::ErrorKind::NotFound => return None,
            _ => return Some(Found::New(Self::new(device_tag))),
        };
        Some(match (&known.device, device_tag) {
            (Some(before), Some(tag)) if *before != marker(known.id, tag) => Found::Moved(known.moved(tag)),
            (None, Some(tag)) => Found::New(Self { device: Some(marker(known.id, tag)), ..known }),
            // Without a tag, which the host may not know before the first unlock, nothing says that
            // this is another device.
            _ => Found::Known(known),
        })
    }

    /// As [`Installation::find`], at the start of a process. A new installation is put into the
    /// file at once: of two processes that start together on a new device, the second takes that of
    /// the first.
    pub(crate) fn begin(dir: &Path, device_tag: Option<&str>) -> Option<Found> {
        let found = Self::find(dir, device_tag)?;
        let Found::New(new) = &found else { return Some(found) };
        // Not synced: this is the caller's thread, and the worker writes it once more.
        let made = serde_json::to_vec(new).map_err(io::Error::from);
        match made.and_then(|bytes| create(&dir.join(FILE), &bytes, Durability::Process)) {
            Ok(false) => Self::find(dir, device_tag),
            _ => Some(found),
        }
    }

    /// The installation of a directory that was copied from that of `self` to this device. Every
    /// process makes the same of it. Nobody who does not know the tag can tell from which it was
    /// copied.
    fn moved(&self, device_tag: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"moved");
        hash.update(self.id.as_bytes());
        hash.update(device_tag.as_bytes());
        let hash = hash.finalize();
        let bytes = hash.first_chunk::<16>().copied().unwrap_or_default();
        let id = Builder::from_random_bytes(bytes).into_uuid();
        Self { id, device: Some(marker(id, device_tag)) }
    }

    /// Puts the installation into the file, unless another process has put its own there first.
    /// Returns the one that holds.
    pub(crate) fn keep(self, dir: &Path, device_tag: Option<&str>) -> io::Result<Self> {
        if create(&dir.join(FILE), &serde_json::to_vec(&self)?, Durability::Power)? {
            return Ok(self);
        }
        match Self::find(dir, device_tag) {
            Some(Found::Known(other)) if other.id != self.id => Ok(other),
            _ => self.store(dir).map(|()| self),
        }
    }

    /// Replaces the file in one step, and syncs it: a device whose file is lost would be counted
    /// twice.
    pub(crate) fn store(&self, dir: &Path) -> io::Result<()> {
        replace(&dir.join(FILE), &serde_json::to_vec(self)?, Durability::Power)
    }
}

/// Removes the file.
pub(crate) fn forget(dir: &Path) {
    let _ = std::fs::remove_file(dir.join(FILE));
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
    fn two_processes_that_start_together_agree_on_one_installation() {
        for is_moved in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            if is_moved {
                Installation::new(Some("another device")).store(dir.path()).unwrap();
            }
            let begin = || {
                let found = Installation::begin(dir.path(), Some("a")).unwrap();
                let (Found::Known(found) | Found::New(found) | Found::Moved(found)) = found;
                let id = found.id;
                assert_eq!(found.keep(dir.path(), Some("a")).unwrap().id, id, "events already carry it");
                id
            };
            let ids = std::thread::scope(|scope| {
                let processes: Vec<_> = (0..8).map(|_| scope.spawn(begin)).collect();
                processes.into_iter().map(|process| process.join().unwrap()).collect::<Vec<_>>()
            });
            assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
            assert_eq!(known(dir.path(), Some("a")).id, ids[0]);
        }
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
