//! Names of Datadog's intakes that look like names of attributes, and its sites.
//!
//! Sources: the JSON schemas of <https://github.com/DataDog/rum-events-format>, and those of logs
//! and spans in <https://github.com/DataDog/dd-sdk-android>.

/// The sites: the name, the domain by which Datadog's pages know it, the host of its intakes.
pub const SITES: [(&str, &str, &str); 8] = [
    ("us1", "datadoghq.com", "browser-intake-datadoghq.com"),
    ("us3", "us3.datadoghq.com", "browser-intake-us3-datadoghq.com"),
    ("us5", "us5.datadoghq.com", "browser-intake-us5-datadoghq.com"),
    ("eu1", "datadoghq.eu", "browser-intake-datadoghq.eu"),
    ("ap1", "ap1.datadoghq.com", "browser-intake-ap1-datadoghq.com"),
    ("ap2", "ap2.datadoghq.com", "browser-intake-ap2-datadoghq.com"),
    ("us1_fed", "ddog-gov.com", "browser-intake-ddog-gov.com"),
    ("us2_fed", "us2.ddog-gov.com", "browser-intake-us2-ddog-gov.com"),
];

/// The platforms that the RUM schemas know as the source of an event.
pub const SOURCES: [&str; 11] = [
    "android",
    "ios",
    "browser",
    "flutter",
    "react-native",
    "roku",
    "unity",
    "kotlin-multiplatform",
    "electron",
    "rum-cpp",
    "maui",
];

/// The methods of requests that the RUM schemas know.
pub const METHODS: [&str; 9] = ["POST", "GET", "HEAD", "PUT", "DELETE", "PATCH", "TRACE", "OPTIONS", "CONNECT"];

/// Members of a span's `meta` that Datadog reads, or that are objects.
pub const META: [&str; 9] = ["version", "env", "span", "tracer", "usr", "account", "network", "device", "os"];

/// What a key of the app's begins with that would else take the place of one of Datadog's.
pub const OF_THE_APP: &str = "app.";
/// Where an event or an error comes from.
pub const SOURCE: &str = "source";
/// The logger of a line.
pub const LOGGER: &str = "logger";

/// A log's trace.
pub const LOG_TRACE_ID: &str = "dd.trace_id";
/// A log's span.
pub const LOG_SPAN_ID: &str = "dd.span_id";
/// A log's view.
pub const LOG_VIEW_ID: &str = "view.id";
/// The name of a log's view.
pub const LOG_VIEW_NAME: &str = "view.name";
/// A log's action.
pub const LOG_ACTION_ID: &str = "user_action.id";

/// A span's links, as JSON in a text.
pub const SPAN_LINKS: &str = "_dd.span_links";
/// The role of a span.
pub const SPAN_KIND: &str = "span.kind";
/// The message of a span's error.
pub const ERROR_MESSAGE: &str = "error.message";
/// The type of a span's error.
pub const ERROR_TYPE: &str = "error.type";
/// The stack of a span's error.
pub const ERROR_STACK: &str = "error.stack";
/// The type of a span that no library of Datadog has made.
pub const SPAN_TYPE: &str = "custom";
