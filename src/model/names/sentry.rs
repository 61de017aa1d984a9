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

/// The context with what Sentry has no place for.
pub const CONTEXT: &str = super::SCOPE_NAME;
/// The member of an event with its exceptions.
pub const EXCEPTION: &str = "exception";

// Categories of breadcrumbs.

/// Something that the user did.
pub const CATEGORY_ACTION: &str = "ui.action";
/// An error.
pub const CATEGORY_ERROR: &str = "exception";
/// A time in which the main thread was busy.
pub const CATEGORY_LONG_TASK: &str = "ui.long_task";
/// An event that only the app understands.
pub const CATEGORY_CUSTOM: &str = "custom";

// Attributes of logs that Sentry defines.

/// The release.
pub const LOG_RELEASE: &str = "sentry.release";
/// The environment.
pub const LOG_ENVIRONMENT: &str = "sentry.environment";
/// The name of the SDK.
pub const LOG_SDK_NAME: &str = "sentry.sdk.name";
/// The version of the SDK.
pub const LOG_SDK_VERSION: &str = "sentry.sdk.version";
/// The logger.
pub const LOG_LOGGER: &str = "logger.name";

// Attributes of the resource, each with its name in one of Sentry's contexts.

/// The name of the operating system.
pub const SYSTEM_NAME: &str = "os.name";

/// What is in the context of the device.
pub const DEVICE: [(&str, &str); 4] = [
    ("device.model.name", "name"),
    ("device.model.identifier", "model"),
    ("device.manufacturer", "manufacturer"),
    (super::semconv::HOST_ARCH, "arch"),
];
/// What is in the context of the operating system.
pub const SYSTEM: [(&str, &str); 5] = [
    (SYSTEM_NAME, "name"),
    ("os.version", "version"),
    ("os.build_id", "build"),
    ("os.description", "raw_description"),
    ("android.os.api_level", "api_level"),
];
/// What is in the context of the app.
pub const APP: [(&str, &str); 3] = [
    (super::semconv::SERVICE_NAME, "app_name"),
    (super::semconv::SERVICE_VERSION, "app_version"),
    ("app.build_id", "app_build"),
];
