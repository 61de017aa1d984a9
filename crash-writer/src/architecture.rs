//! The architecture that a run file was written on.

/// The architecture that a file was written on, as it stands in its header.
#[cfg(target_arch = "x86_64")]
pub const ARCHITECTURE: u32 = 1;
/// The architecture that a file was written on, as it stands in its header.
#[cfg(target_arch = "aarch64")]
pub const ARCHITECTURE: u32 = 2;
/// The architecture that a file was written on, as it stands in its header.
#[cfg(target_arch = "arm")]
pub const ARCHITECTURE: u32 = 3;
/// The architecture that a file was written on, as it stands in its header.
#[cfg(target_arch = "x86")]
pub const ARCHITECTURE: u32 = 4;
/// The architecture that a file was written on, as it stands in its header.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "arm", target_arch = "x86")))]
pub const ARCHITECTURE: u32 = 0;
