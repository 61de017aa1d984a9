//! The versions of the context and of the scope that events refer to: two numbers that are read
//! together by every event.

use std::sync::atomic::{AtomicU64, Ordering};

/// Versions of the context record and of the scope record; 0 for none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Versions {
    /// The app, device, OS, user and network.
    pub context: u32,
    /// The session and the view.
    pub scope: u32,
}

impl Versions {
    fn pack(self) -> u64 {
        u64::from(self.context) << 32 | u64::from(self.scope)
    }

    fn unpack(packed: u64) -> Self {
        Self { context: (packed >> 32) as u32, scope: packed as u32 }
    }
}

/// The versions that are in use, in one word.
#[derive(Debug, Default)]
pub(super) struct CurrentVersions(AtomicU64);

impl CurrentVersions {
    #[inline]
    pub(super) fn get(&self) -> Versions {
        Versions::unpack(self.0.load(Ordering::Acquire))
    }

    pub(super) fn change(&self, change: impl Fn(&mut Versions)) {
        let _ = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |packed| {
            let mut versions = Versions::unpack(packed);
            change(&mut versions);
            Some(versions.pack())
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_version_is_changed_without_the_other() {
        let current = CurrentVersions::default();
        current.change(|versions| versions.context = u32::MAX);
        current.change(|versions| versions.scope = 7);
        assert_eq!(current.get(), Versions { context: u32::MAX, scope: 7 });
        current.change(|versions| versions.context = 1);
        assert_eq!(current.get(), Versions { context: 1, scope: 7 });
    }
}
