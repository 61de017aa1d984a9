//! Hosts of requests that got no trace headers: a diagnosis names them.

use std::sync::{Mutex, PoisonError};

use crate::model::diagnosis::{Cause, Finding};
use crate::model::limits::{MAX_UNLISTED_HOST_BYTES, MAX_UNLISTED_HOSTS};
use crate::policy::trace::host_of;

/// Hosts of requests that got no trace headers because nobody has listed them.
#[derive(Debug, Default)]
pub(super) struct UnlistedHosts(Mutex<Vec<String>>);

impl UnlistedHosts {
    /// Notes the host of a URL. Never waits: what another thread notes at the same time is left
    /// out.
    #[cold]
    pub(super) fn note(&self, url: &str) {
        let (Some(host), Ok(mut hosts)) = (host_of(url), self.0.try_lock()) else { return };
        if hosts.len() < MAX_UNLISTED_HOSTS
            && host.len() <= MAX_UNLISTED_HOST_BYTES
            && !hosts.iter().any(|known| known == host)
        {
            hosts.push(host.to_owned());
        }
    }

    /// Forgets them: they say where the user was.
    pub(super) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// What a diagnosis says of them.
    pub(super) fn finding(&self) -> Option<Finding> {
        let hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner).join(", ");
        let seen = || format!("requests to these hosts carried no trace headers: {hosts}");
        (!hosts.is_empty()).then(|| Finding::new(Cause::HostNotListed, seen()))
    }
}
