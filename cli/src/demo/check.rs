//! Whether the demo kept its promises: every acknowledged event is at the backend, the tap, what it
//! caused and the backend's work are one trace, and the crash has arrived once.

#![allow(clippy::indexing_slicing, reason = "indexing a JSON value gives null, never a panic")]

use std::collections::HashSet;

use anyhow::{Context, Result, ensure};
use throughline::names::semconv::{EVENT_CRASH, EVENT_TAP, EXCEPTION_STACKTRACE, EXCEPTION_TYPE, SCREEN_NAME};
use throughline::names::{BREADCRUMBS, MUTATION_COUNT, OPERATION_NAME, breadcrumb};

use super::protocol::Counts;
use crate::inspect::received::{Item, Received, Signal};
use crate::symbolicate::{Symbols, named};

/// The functions of the app at which it crashes, the innermost first.
const STACK: [&str; 3] = ["write_to_missing_receipt", "charge_card", "pay"];

/// The books in one line; an error if they do not balance.
pub(super) fn books(counts: &Counts) -> Result<String> {
    let Counts { accepted, delivered, queued, dropped } = *counts;
    ensure!(accepted == delivered + queued + dropped, "the books do not balance: {counts:?}");
    Ok(format!("accepted {accepted} = delivered {delivered} + queued {queued} + dropped {dropped}"))
}

/// Compares the app's books with what the inspector has received.
pub(super) fn delivery(received: &Received, counts: &Counts, acknowledged: &HashSet<String>) -> Result<()> {
    ensure!(counts.queued == 0 && counts.dropped == 0, "something was not delivered: {counts:?}");
    for id in acknowledged {
        ensure!(received.has_event(id)?, "event {id} was acknowledged but is not at the backend");
    }
    let stored = received.count_service("shop-app")?;
    ensure!(
        stored == counts.delivered,
        "the app has delivered {} events, but {stored} are at the backend",
        counts.delivered
    );
    Ok(())
}

/// Checks that the trace holds the whole story, and that each part has the right cause.
pub(super) fn trace(received: &Received, trace: &str) -> Result<()> {
    let items = received.whole_trace(trace)?;
    let find = |what: &str, is: &dyn Fn(&&Item) -> bool| {
        items.iter().find(is).with_context(|| format!("the trace {trace} has no {what}"))
    };
    let is_span = |item: &Item| item.signal == Signal::Span;
    let from_shop = |item: &Item| item.service == "shop-backend";
    let tap = find("tap", &|item| item.name == EVENT_TAP)?;
    let root = find("span of the tap", &|item| is_span(item) && item.span == tap.span)?;
    ensure!(root.parent.is_empty(), "the tap is not the root of the trace");
    let operation = find("operation", &|item| is_span(item) && item.name == "Checkout")?;
    ensure!(operation.parent == tap.span, "the operation is not under the tap");
    let mutation = find("state mutation", &|item| item.name == "Cart.items[*].quantity.Update")?;
    ensure!(mutation.span == operation.span, "the state mutation is not under the operation");
    ensure!(
        mutation.attributes[MUTATION_COUNT] == 2,
        "the two mutations of one path should be one action: {}",
        mutation.attributes
    );
    let request = find("request", &|item| is_span(item) && item.name == "POST")?;
    ensure!(request.parent == operation.span, "the request is not under the operation");
    find("log of the operation", &|item| item.body == "order placed" && item.span == operation.span)?;
    find("span of the backend under the request", &|item| from_shop(item) && item.parent == request.span)?;
    find("nested span of the backend", &|item| from_shop(item) && item.name == "reserve stock")?;
    find("log of the backend", &|item| from_shop(item) && item.signal == Signal::Log)?;
    Ok(())
}

/// Checks that the crash has arrived once, with functions and with what happened before. Returns
/// its number, and the innermost frame.
pub(super) fn crash(received: &Received, symbols: &Symbols) -> Result<(i64, String)> {
    let crashes = received.named(EVENT_CRASH)?;
    let [crash] = crashes.as_slice() else { anyhow::bail!("{} crashes have arrived instead of one", crashes.len()) };
    let attributes = &crash.attributes;
    let is = |key: &str, wanted: &str| attributes[key] == wanted;
    ensure!(is(EXCEPTION_TYPE, "SIGSEGV"), "the crash is no SIGSEGV: {attributes}");
    ensure!(is(SCREEN_NAME, "Payment") && is(OPERATION_NAME, "Pay"), "the crash is of another place: {attributes}");
    let told = attributes[BREADCRUMBS].as_array().map(Vec::as_slice).unwrap_or_default();
    // What was delivered long before it crashed, and what had just happened.
    for name in ["open again", "pay", "Cart.isPaid.Update"] {
        let is_told = told.iter().any(|crumb| crumb[breadcrumb::NAME] == name);
        ensure!(is_told, "the crash does not tell of `{name}`: {}", attributes[BREADCRUMBS]);
    }
    let stack = attributes[EXCEPTION_STACKTRACE].as_str().unwrap_or_default();
    let named = named(symbols, [(stack, attributes, &*crash.resource)].into_iter());
    let named = named.into_iter().next().flatten().with_context(|| format!("the stack has no symbols:\n{stack}"))?;
    let lines: Vec<&str> = named.lines().filter(|line| line.contains("payment::")).collect();
    for (line, function) in lines.iter().zip(STACK) {
        ensure!(line.contains(function), "`{function}` is not in its place:\n{named}");
    }
    ensure!(lines.len() >= STACK.len(), "the stack lacks the app's functions:\n{named}");
    let top = lines.first().copied().unwrap_or_default().trim().to_owned();
    Ok((crash.id, top))
}
