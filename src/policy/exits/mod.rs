//! Why a run of the process ended: from what the run left behind, from what the system says, and
//! from what has changed until the next launch.
//!
//! [`classify`] is total and pure: the same facts always give the same class, and what is not
//! known is [`Class::Unknown`] with its [reasons](Reason). It never guesses that memory ran out.
//! The decisions stand row by row in `table.rs`. [`weigh`] decides which run a record of the system
//! belongs to, and that each record is reported once ever.
//!
//! ```
//! use throughline::internals::exits::{Class, Fault, Now, PreviousRun, classify};
//! use throughline::time::{BootId, BootTime};
//!
//! let now = Now { boot: BootId(1), at: BootTime(9_000_000_000), app: None };
//! let fault = Some(Fault { signal: 11, at: BootTime(5_000_000_000) });
//! let crashed = classify(&PreviousRun { fault, ..PreviousRun::default() }, &now, None);
//! assert_eq!((crashed.class, crashed.evidence.rule), (Class::NativeCrash, "crash_slot"));
//!
//! let gone = classify(&PreviousRun::default(), &now, None);
//! assert_eq!(gone.class, Class::Unknown);
//! ```

mod android;
mod apple;
mod facts;
mod join;
mod metrickit;
mod said;
mod table;
#[cfg(test)]
mod tests;
mod told;

pub use android::{AndroidExit, AndroidReason};
pub use apple::{AppleCount, AppleExit, AppleExits};
pub use facts::{AppVersion, ExitRecord, Fault, Memory, Now, Phase, Pressure, PreviousRun};
pub use join::{RunMark, join, run_of_summary, summary};
pub use metrickit::{AppleCrash, Diagnostic, DiagnosticKind, Payload, Stated};
pub use table::{Class, Evidence, Reason, Source, Termination, classify, rules};
pub use told::{Fate, Told, weigh};
