//! The page of a crash: why, where, what happened before, and what the state was.

use std::collections::HashSet;

use askama::Template;
use serde_json::Value;
use throughline::names::semconv::{
    EXCEPTION_MESSAGE, EXCEPTION_STACKTRACE, EXCEPTION_TYPE, PROCESS_PID, SCREEN_NAME, SERVICE_VERSION, THREAD_ID,
    THREAD_NAME,
};
use throughline::names::{
    BREADCRUMBS, BREADCRUMBS_DROPPED, CRASH_ADDRESS, CRASH_CODE, CRASH_OTHERS, CRASH_SIGNAL, CRASH_TRUNCATED,
    EVENT_ANR, EVENT_HANG, EVENT_OOM, OPERATION_NAME, STATE_NEW, STATE_NEW_LENGTH, STATE_NEW_TYPE, STATE_OLD,
    STATE_PATH, STATE_STORE, breadcrumb,
};

use super::line::{Line, MAX_LABEL, Room};
use super::page::Frame;
use super::received::{Item, plausible};
use super::shown::{MAX_NAME, NO_TIME, clock, counted, cut, duration, grouped, href, one_line};
use super::stacks::Stacks;

/// Most breadcrumbs of a page. The client sends 100.
const MAX_CRUMBS: usize = 1_000;
/// Most values of the state that are shown.
const MAX_VALUES: usize = 200;
/// Addresses below this one belong to a null pointer: no system maps the first pages, and a field
/// of what a null pointer leads to lies this near.
const NULL_PAGES: u64 = 64 * 1024;

/// Something that is known of the crash.
struct Fact {
    label: &'static str,
    text: String,
    /// Where it leads; empty if nowhere.
    href: String,
}

/// An event before the crash.
struct Crumb {
    before: String,
    class: &'static str,
    tag: String,
    name: String,
    /// Its message and its attributes.
    more: String,
}

/// The last value at a path of a store.
struct Held {
    store: String,
    path: String,
    value: String,
    before: String,
}

#[derive(Template)]
#[template(path = "crash.html")]
pub(super) struct Crash {
    frame: Frame,
    title: String,
    message: String,
    facts: Vec<Fact>,
    /// The stack, with functions and lines as far as symbols say them.
    stack: String,
    /// The stack as it was sent, if symbols said more; else empty.
    sent: String,
    crumbs: Vec<Crumb>,
    /// What of the breadcrumbs is missing; empty if nothing is.
    missing: String,
    state: Vec<Held>,
    /// The record as JSON.
    detail: String,
}

impl Crash {
    /// `mutations` are the last ones before the crash, the latest first.
    pub(super) fn new(frame: Frame, item: &Item, mutations: &[Item], stacks: &Stacks) -> Self {
        let Line { texts, detail, .. } = Line::new(item, None, &mut Room::of_a_page(), stacks);
        let stack = texts.into_iter().find(|text| text.label == EXCEPTION_STACKTRACE);
        let (stack, sent) = stack.map_or_else(Default::default, |text| (text.text, text.sent));
        let list = item.attributes.get(BREADCRUMBS).and_then(Value::as_array);
        let list = list.map(Vec::as_slice).unwrap_or_default();
        let cut_off = list.len().saturating_sub(MAX_CRUMBS);
        let crumbs = list.iter().skip(cut_off).rev().map(|crumb| Crumb::new(crumb, item.time_ns)).collect();
        let dropped = item.attributes.get(BREADCRUMBS_DROPPED).and_then(Value::as_u64).unwrap_or(0) + cut_off as u64;
        let missing =
            if dropped > 0 { format!("{} not shown", counted(dropped, "earlier event")) } else { String::new() };
        let message = one_line(&text(item, EXCEPTION_MESSAGE), MAX_NAME);
        let state = state(item, mutations);
        Self { frame, title: title(item), message, facts: facts(item), stack, sent, crumbs, missing, state, detail }
    }
}

fn text(item: &Item, key: &str) -> String {
    of_map(&item.attributes, key)
}

/// A text or a number of a map, as a text.
fn of_map(map: &Value, key: &str) -> String {
    match map.get(key) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    }
}

/// The crash in a few words: `SIGSEGV at 0x0: null pointer`.
fn title(item: &Item) -> String {
    let signal = text(item, CRASH_SIGNAL);
    if signal.is_empty() {
        let kind = match item.name.as_str() {
            EVENT_HANG => "Hang",
            EVENT_ANR => "ANR",
            EVENT_OOM => "Out of memory",
            _ => "Crash",
        };
        let what = text(item, EXCEPTION_TYPE);
        return if what.trim().is_empty() { kind.to_owned() } else { one_line(&what, MAX_NAME) };
    }
    let address = text(item, CRASH_ADDRESS);
    let at = if address.is_empty() { String::new() } else { format!(" at {}", cut(&address, MAX_LABEL)) };
    let why = why(&signal, &text(item, CRASH_CODE), &address);
    let why = why.map_or_else(String::new, |why| format!(": {why}"));
    format!("{}{at}{why}", cut(&signal, MAX_LABEL))
}

/// Why a signal was raised, in the words that a developer would use.
fn why(signal: &str, code: &str, address: &str) -> Option<&'static str> {
    let address = address.strip_prefix("0x").and_then(|digits| u64::from_str_radix(digits, 16).ok());
    Some(match (signal, code) {
        (_, "SI_USER" | "SI_TKILL" | "SI_QUEUE") if signal != "SIGABRT" => "sent by a process",
        ("SIGSEGV" | "SIGBUS", _) if address.is_some_and(|address| address < NULL_PAGES) => "null pointer",
        ("SIGSEGV", "SEGV_ACCERR") => "memory that must not be accessed in this way",
        ("SIGSEGV", "SEGV_MTEAERR" | "SEGV_MTESERR") => "pointer to memory that is not its own any more",
        ("SIGSEGV", "SI_KERNEL") => "address that no pointer can have",
        ("SIGSEGV", _) => "pointer to where no memory is",
        ("SIGBUS", "BUS_ADRALN") => "address that is not aligned",
        ("SIGBUS", _) => "memory that cannot be read",
        ("SIGFPE", "FPE_INTDIV") => "division by zero",
        ("SIGFPE", _) => "result out of range",
        ("SIGILL", _) => "no instruction of this processor",
        ("SIGTRAP", _) => "trap, as a failed assertion sets it",
        ("SIGABRT", _) => "the program ended itself",
        ("SIGSYS", _) => "system call that is not permitted",
        _ => return None,
    })
}

fn facts(item: &Item) -> Vec<Fact> {
    let mut facts = Vec::new();
    let mut add = |label, text: String, href: String| {
        if !text.trim().is_empty() {
            facts.push(Fact { label, text: one_line(&text, MAX_NAME), href });
        }
    };
    let plain = String::new;
    add("When", plausible(item.time_ns).map_or(NO_TIME.to_owned(), clock), plain());
    let version = item.resource.get(SERVICE_VERSION).and_then(Value::as_str).unwrap_or_default();
    add("App", format!("{} {version}", item.service).trim().to_owned(), plain());
    add("View", text(item, SCREEN_NAME), plain());
    add("Operation", text(item, OPERATION_NAME), plain());
    if !item.trace.is_empty() {
        let path = format!("{}?record={1}#i{1}", href("trace", &item.trace, item.id), item.id);
        add("Trace", item.trace.clone(), path);
    }
    if !item.session.is_empty() {
        let path = format!("{}?record={1}#i{1}", href("session", &item.session, item.id), item.id);
        add("Session", item.session.clone(), path);
    }
    add("Code", text(item, CRASH_CODE), plain());
    let (name, id) = (text(item, THREAD_NAME), text(item, THREAD_ID));
    let thread = if id.is_empty() || name.is_empty() { format!("{name}{id}") } else { format!("{name} ({id})") };
    add("Thread", thread, plain());
    let others = item.attributes.get(CRASH_OTHERS).and_then(Value::as_u64).unwrap_or(0);
    if others > 0 {
        add("Others", format!("{} crashed at the same time", counted(others, "more thread")), plain());
    }
    add("Process", text(item, PROCESS_PID), plain());
    let truncated = text(item, CRASH_TRUNCATED);
    if !truncated.is_empty() {
        add("Report", format!("the process ended before all was written: up to the {truncated}"), plain());
    }
    facts
}

/// How long before the crash something was.
fn before(crash_ns: i64, time_ns: Option<i64>) -> String {
    match (plausible(crash_ns), time_ns.and_then(plausible)) {
        (Some(crash), Some(time)) => format!("−{}", duration(crash.saturating_sub(time))),
        _ => NO_TIME.to_owned(),
    }
}

impl Crumb {
    fn new(crumb: &Value, crash_ns: i64) -> Self {
        let kind = of_map(crumb, breadcrumb::KIND);
        let class = match kind.as_str() {
            "action" => "action",
            "resource" => "span",
            "span" => "operation",
            "error" => "error",
            "log" => "log",
            _ => "",
        };
        let tag = match kind.as_str() {
            "resource" => "request",
            "span" => "operation",
            "long_task" => "long task",
            other => other,
        };
        let mut more: Vec<String> = vec![of_map(crumb, breadcrumb::MESSAGE)];
        more.extend(crumb.get(breadcrumb::DURATION).and_then(Value::as_i64).map(duration));
        more.extend(crumb.get(breadcrumb::ATTRIBUTES).map(attributes));
        more.retain(|part| !part.trim().is_empty());
        Self {
            before: before(crash_ns, crumb.get(breadcrumb::TIME).and_then(Value::as_i64)),
            class,
            tag: cut(tag, MAX_LABEL),
            name: one_line(&of_map(crumb, breadcrumb::NAME), MAX_NAME),
            more: one_line(&more.join(" · "), 2 * MAX_NAME),
        }
    }
}

/// The attributes of a breadcrumb: of a mutation of traced state, what it changed, before others.
fn attributes(map: &Value) -> String {
    let state = (map.get(STATE_OLD), map.get(STATE_NEW));
    let change = match state {
        (Some(old), Some(new)) => Some(format!("{old} → {new}")),
        _ => None,
    };
    let is_said = |key: &str| change.is_some() && [STATE_OLD, STATE_NEW].contains(&key);
    let others = map.as_object().into_iter().flatten().filter(|(key, _)| !is_said(key));
    let others: Vec<String> = others.map(|(key, value)| format!("{key} = {value}")).collect();
    change.into_iter().chain(others).collect::<Vec<_>>().join(" · ")
}

/// The last values of the state, by store and path.
fn state(crash: &Item, mutations: &[Item]) -> Vec<Held> {
    let mut seen = HashSet::new();
    // Records that have such an attribute within another one, such as crashes, were found as well.
    let mutations = mutations.iter().filter(|item| !text(item, STATE_PATH).is_empty());
    let latest = mutations.filter(|item| seen.insert((text(item, STATE_STORE), text(item, STATE_PATH))));
    let mut held: Vec<Held> = latest
        .take(MAX_VALUES)
        .map(|item| Held {
            store: one_line(&text(item, STATE_STORE), MAX_LABEL),
            path: one_line(&text(item, STATE_PATH), MAX_NAME),
            value: one_line(&value(item), MAX_NAME),
            before: before(crash.time_ns, Some(item.time_ns)),
        })
        .collect();
    held.sort_by(|one, other| (&one.store, &one.path).cmp(&(&other.store, &other.path)));
    held
}

/// A value, or what its policy lets be known of it.
fn value(item: &Item) -> String {
    if let Some(value) = item.attributes.get(STATE_NEW) {
        return value.to_string();
    }
    let kind = text(item, STATE_NEW_TYPE);
    match item.attributes.get(STATE_NEW_LENGTH).and_then(Value::as_u64) {
        _ if kind.is_empty() => "(removed)".to_owned(),
        Some(length) => format!("({kind} of length {})", grouped(length)),
        None => format!("({kind})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_said_in_words() {
        for (signal, code, address, words) in [
            ("SIGSEGV", "SEGV_MAPERR", "0x8", "SIGSEGV at 0x8: null pointer"),
            ("SIGSEGV", "SEGV_ACCERR", "0x7f00", "SIGSEGV at 0x7f00: null pointer"),
            (
                "SIGSEGV",
                "SEGV_ACCERR",
                "0x7f0000000000",
                "SIGSEGV at 0x7f0000000000: memory that must not be accessed in this way",
            ),
            ("SIGABRT", "SI_TKILL", "", "SIGABRT: the program ended itself"),
            ("SIGSEGV", "SI_USER", "", "SIGSEGV: sent by a process"),
            ("SIGFPE", "FPE_INTDIV", "0x55", "SIGFPE at 0x55: division by zero"),
            ("SIGSEGV", "?", "no address", "SIGSEGV at no address: pointer to where no memory is"),
            ("SIGWHAT", "", "", "SIGWHAT"),
        ] {
            let attributes = serde_json::json!({ CRASH_SIGNAL: signal, CRASH_CODE: code, CRASH_ADDRESS: address });
            assert_eq!(title(&Item { attributes, ..Item::default() }), words);
        }
        let attributes = serde_json::json!({ EXCEPTION_TYPE: "java.lang.IllegalStateException" });
        assert_eq!(title(&Item { attributes, ..Item::default() }), "java.lang.IllegalStateException");
        assert_eq!(title(&Item { name: EVENT_ANR.to_owned(), ..Item::default() }), "ANR");
    }
}
