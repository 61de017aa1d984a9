//! Errors, crashes and hangs as RUM has them.

use serde_json::Value;

use super::facts::Facts;
use super::json::{self, Object};
use super::kinds::{self, Kind};
use crate::model::event::{ErrorKind, ErrorSource};
use crate::model::export::{ErrorDetails, ResourceDetails};
use crate::model::limits::DATADOG_MAX_THREAD_STACK_BYTES;
use crate::model::names::{self, datadog, semconv, words};

/// Folders of libraries that are the system's.
const OF_THE_SYSTEM: [&str; 6] = ["/system/", "/apex/", "/vendor/", "/usr/", "/lib", "/System/"];

/// What a frame of our stacks writes before the build id of its module.
const BUILD: &str = " (BuildId: ";

pub(super) fn error(facts: &mut Facts<'_>, details: &ErrorDetails<'_>) -> Kind {
    let mut kind = Kind { name: "error", internal: kinds::trace(facts, None), ..Kind::default() };
    if kind.internal.is_empty() {
        kind.context = facts.trace_context();
    }
    let is_fatal = details.error_kind != ErrorKind::Handled;
    let hang = facts.take_count(names::HANG_DURATION);
    let signal = facts.take_text(names::CRASH_SIGNAL);
    let error = &mut kind.own;
    json::set(error, "id", facts.row.id().to_string());
    json::set(error, "message", if details.message.is_empty() { details.error_type } else { details.message });
    json::text(error, "type", details.error_type);
    json::text(error, "stack", details.stack);
    json::set(error, datadog::SOURCE, source(details.source));
    json::set(error, "is_crash", is_fatal);
    json::set(error, "handling", if is_fatal { "unhandled" } else { "handled" });
    json::set(error, "category", category(details, hang.is_some()));
    json::text(error, "source_type", source_type(facts.source(), facts.system(), !signal.is_empty()));
    if is_fatal {
        json::set(error, "meta", meta(facts, &signal));
        if let Some(threads) = threads(facts, details.stack) {
            json::set(error, "threads", threads);
        }
        let images = images(details.stack, facts.resource(semconv::HOST_ARCH));
        if !images.is_empty() {
            json::set(error, "binary_images", images);
        }
    } else {
        json::text(&mut kind.context, names::CRASH_SIGNAL, &signal);
    }
    if let Some(duration) = hang {
        let mut freeze = Object::new();
        json::set(&mut freeze, "duration", json::whole(duration));
        json::set(&mut kind.top, "freeze", freeze);
    }
    json::inner(&mut kind.top, "feature_flags", kinds::flags(facts));
    json::inner(&mut kind.top, "action", facts.cause());
    kind
}

/// The error that a request without an answer is for Datadog, beside the request itself. It has no
/// trace: the span is made of the request.
pub(super) fn of_request(facts: &mut Facts<'_>, request: &ResourceDetails<'_>) -> Option<Kind> {
    // What the user or the app did not want any more has not failed.
    if request.status.is_some() || ["", words::ERROR_CANCELLED].contains(&request.error_type) {
        return None;
    }
    let context = facts.trace_context();
    let mut kind = Kind { name: "error", context, after: request.duration, ..Kind::default() };
    let error = &mut kind.own;
    json::set(error, "id", facts.id_of("error"));
    json::set(error, "message", format!("The request got no answer: {}", request.error_type));
    json::set(error, "type", request.error_type);
    json::set(error, datadog::SOURCE, words::SOURCE_NETWORK);
    json::set(error, "is_crash", false);
    json::set(error, "handling", "handled");
    json::set(error, "category", NETWORK);
    json::text(error, "source_type", source_type(facts.source(), facts.system(), false));
    if let Some(method) = kinds::method(request.method) {
        let mut resource = Object::new();
        json::set(&mut resource, "method", method);
        json::set(&mut resource, "status_code", 0);
        json::set(&mut resource, "url", request.url);
        json::set(error, "resource", resource);
    }
    json::inner(&mut kind.top, "feature_flags", kinds::flags(facts));
    json::inner(&mut kind.top, "action", facts.cause());
    Some(kind)
}

/// The category of an error of the network.
const NETWORK: &str = "Network";

fn source(source: ErrorSource) -> &'static str {
    match source {
        ErrorSource::Source => words::SOURCE_CODE,
        ErrorSource::Network => words::SOURCE_NETWORK,
        ErrorSource::Logger => words::SOURCE_LOGGER,
        ErrorSource::WebView => words::SOURCE_WEBVIEW,
        ErrorSource::Custom => words::SOURCE_CUSTOM,
    }
}

fn category(details: &ErrorDetails<'_>, is_hang: bool) -> &'static str {
    match details.error_kind {
        ErrorKind::Hang => "App Hang",
        ErrorKind::Anr => "ANR",
        // What Datadog calls a kill of which nothing says that it was another one.
        ErrorKind::OutOfMemory => "Watchdog Termination",
        ErrorKind::Handled if is_hang => "App Hang",
        ErrorKind::Handled if details.source == ErrorSource::Network => NETWORK,
        _ => "Exception",
    }
}

/// The form of the stack, which decides how it is symbolicated. A signal is an error of native
/// code, whatever the app is written in.
fn source_type(source: &str, system: &str, is_native: bool) -> &'static str {
    const SCRIPTS: [&str; 5] = ["react-native", "flutter", "maui", "browser", "roku"];
    if let Some(script) = SCRIPTS.into_iter().find(|script| *script == source && !is_native) {
        return script;
    }
    match if ["android", "ios"].contains(&source) { source } else { system }.to_ascii_lowercase().as_str() {
        "android" if is_native => "ndk",
        "android" => "android",
        "ios" | "ipados" | "tvos" | "watchos" | "visionos" => "ios",
        "macos" | "darwin" => "macos",
        "windows" => "windows",
        "linux" => "linux",
        _ => "",
    }
}

/// What is known of the process that has died.
fn meta(facts: &mut Facts<'_>, signal: &str) -> Object {
    let mut meta = Object::new();
    json::set(&mut meta, "incident_identifier", facts.row.id().to_string());
    json::text(&mut meta, "code_type", facts.resource(semconv::HOST_ARCH));
    json::text(&mut meta, "exception_type", signal);
    json::text(&mut meta, "exception_codes", &facts.take_text(names::CRASH_CODE));
    let (name, number) = (facts.take_text(semconv::PROCESS_NAME), facts.take_text(semconv::PROCESS_PID));
    let process = match (name.is_empty(), number.is_empty()) {
        (true, true) => String::new(),
        (false, true) => name,
        (true, false) => format!("[{number}]"),
        (false, false) => format!("{name} [{number}]"),
    };
    json::text(&mut meta, "process", &process);
    meta
}

/// The thread that has crashed, if it is known.
fn threads(facts: &mut Facts<'_>, stack: &str) -> Option<Value> {
    if stack.is_empty() || stack.len() > DATADOG_MAX_THREAD_STACK_BYTES {
        return None;
    }
    let (name, number) = (facts.take_text(semconv::THREAD_NAME), facts.take_text(semconv::THREAD_ID));
    let name = match (name.is_empty(), number.is_empty()) {
        (true, true) => return None,
        (true, false) => format!("Thread {number}"),
        (false, true) => name,
        (false, false) => format!("{name} ({number})"),
    };
    let mut thread = Object::new();
    json::set(&mut thread, "name", name);
    json::set(&mut thread, "crashed", true);
    json::set(&mut thread, "stack", stack);
    Some(vec![Value::Object(thread)].into())
}

/// The modules of a native stack. Only a stack of our own has build ids.
fn images(stack: &str, arch: &str) -> Vec<Value> {
    let mut images: Vec<(&str, &str)> = Vec::new();
    for line in stack.lines() {
        let Some((frame, rest)) = line.split_once(BUILD) else { continue };
        let (Some((build, _)), Some((_, module))) = (rest.split_once(')'), frame.rsplit_once("  ")) else { continue };
        if !images.contains(&(module, build)) {
            images.push((module, build));
        }
    }
    let image = |(module, build): (&str, &str)| {
        let mut image = Object::new();
        json::set(&mut image, "uuid", build);
        json::set(&mut image, "name", module);
        json::set(&mut image, "is_system", OF_THE_SYSTEM.iter().any(|folder| module.starts_with(folder)));
        json::text(&mut image, "arch", arch);
        Value::Object(image)
    };
    images.into_iter().map(image).collect()
}

#[cfg(test)]
mod tests {
    use super::source_type;

    #[test]
    fn a_stack_has_the_form_of_its_platform_and_a_native_one_that_of_the_system() {
        for (source, system, is_native, form) in [
            ("android", "Android", false, "android"),
            ("android", "Android", true, "ndk"),
            ("ios", "iOS", true, "ios"),
            ("ios", "iPadOS", false, "ios"),
            ("react-native", "Android", false, "react-native"),
            ("react-native", "Android", true, "ndk"),
            ("react-native", "iOS", true, "ios"),
            ("rum-cpp", "Linux", true, "linux"),
            ("rum-cpp", "macOS", false, "macos"),
            ("rum-cpp", "darwin", false, "macos"),
            ("unity", "Windows", false, "windows"),
            ("rum-cpp", "", true, ""),
        ] {
            assert_eq!(source_type(source, system, is_native), form, "{source} {system} {is_native}");
        }
    }
}
