//! Names of Sentry's headers, and those that Throughline gives to what it sends to Sentry alone.

/// Who sends to which project: the key of the DSN.
pub const AUTH: &str = "x-sentry-auth";
/// How long which categories have to wait. Any answer may have it.
pub const RATE_LIMITS: &str = "x-sentry-rate-limits";

/// The tag that keeps a release that Sentry would not have taken.
pub const ORIGINAL_RELEASE: &str = "throughline.release";
/// The tag that keeps an environment that Sentry would not have taken.
pub const ORIGINAL_ENVIRONMENT: &str = "throughline.environment";
/// The tag that keeps a `dist` that Sentry would not have taken.
pub const ORIGINAL_DIST: &str = "throughline.dist";
/// The extra with a stack that was not understood in full.
pub const STACK: &str = "throughline.stack";
/// The extra that says how many attributes are missing.
pub const DROPPED_ATTRIBUTES: &str = "throughline.dropped_attributes";
