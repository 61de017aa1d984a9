//! One value for each lane.

use serde::{Deserialize, Serialize};

use crate::model::event::Lane;

/// One value for each lane, in the order of [`Lane::ALL`]. Stored as an array of four.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ByLane<T>(pub [T; 4]);

impl<T> ByLane<T> {
    /// The value of a lane.
    pub fn get(&self, lane: Lane) -> &T {
        let [crash, error, event, bulk] = &self.0;
        match lane {
            Lane::Crash => crash,
            Lane::Error => error,
            Lane::Event => event,
            Lane::Bulk => bulk,
        }
    }

    /// The value of a lane, to be changed.
    pub fn get_mut(&mut self, lane: Lane) -> &mut T {
        let [crash, error, event, bulk] = &mut self.0;
        match lane {
            Lane::Crash => crash,
            Lane::Error => error,
            Lane::Event => event,
            Lane::Bulk => bulk,
        }
    }

    /// The values in the order of [`Lane::ALL`].
    pub fn values(&self) -> std::slice::Iter<'_, T> {
        self.0.iter()
    }
}
