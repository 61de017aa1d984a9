//! Traced state: mutations of an app's stores become actions, filtered and counted by a policy.
//!
//! [`Telemetry::traced_store`](crate::Telemetry::traced_store) declares a store with a
//! [`StorePolicy`]. Every mutation of a path that the policy allows becomes an action
//! `{Store}.{pattern}.Update`; its full path is an attribute, so names stay few. Mutations of one
//! path that follow each other closely are one action with a count, the first and the last value.
//!
//! ```
//! use std::time::Duration;
//! use throughline::state::{Capture, StorePolicy, Suppressed};
//! use throughline::{Config, Consent, Telemetry};
//!
//! let dir = tempfile::tempdir()?;
//! let config = Config::builder("shop", dir.path()).build()?;
//! let telemetry = Telemetry::start(config, Consent::Granted)?;
//! let policy = StorePolicy::default()
//!     .allow(["items[*].*", "coupon"])
//!     .transient(["**.isLoading"])
//!     .capture("coupon", Capture::Full)
//!     .coalesce(Duration::from_millis(100));
//! let cart = telemetry.traced_store("Cart", &policy)?;
//!
//! cart.set("items[0].quantity", 1, 2);
//! cart.set("items[0].quantity", 2, 3); // joins the action of the first
//! cart.set("items[0].isLoading", false, true);
//!
//! let counts = cart.counts();
//! assert_eq!((counts.mutations, counts.recorded, counts.actions), (3, 2, 1));
//! assert_eq!(counts.suppressed(Suppressed::Transient), 1);
//! assert!(counts.balanced());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Paths and patterns
//!
//! ```text
//! path      cart.items[3].price    keys with dots, [index]; an odd key as ["a.b"] or a\.b
//! pattern   items[*].price         * one key · [*] one index · ** any number of either
//! ```
//!
//! `deny` and `transient` win over `allow`. A path has at most 1,024 bytes and 63 steps; a pattern
//! that cannot be read is an [`Error::InvalidConfig`](crate::Error::InvalidConfig) that names the
//! list, the pattern and the byte.
//!
//! # What is captured of values
//!
//! By default booleans and numbers are recorded as they are, texts and bytes by their length alone:
//! text of users is opt-in, per path ([`Capture`]).
//!
//! # Books
//!
//! Every mutation is counted in exactly one place: `mutations = recorded + Σ suppressed(reason) +
//! dropped` ([`StateCounts`]). What was suppressed also travels with the store's next action.

pub use crate::policy::state::{
    Capture, CaptureRule, Mutation, MutationKind, PathDecision, StateCounts, StorePolicy, Suppressed,
};
