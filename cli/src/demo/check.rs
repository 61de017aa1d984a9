//! Whether the demo kept its promises: every acknowledged event is at the backend, and the tap,
//! what it caused and the backend's work are one trace.

#![allow(clippy::indexing_slicing, reason = "indexing a JSON value gives null, never a panic")]

use std::collections::HashSet;

use anyhow::{Context, Result, ensure};
use throughline::names::MUTATION_COUNT;
use throughline::names::semconv::EVENT_TAP;

use super::protocol::Counts;
use crate::inspect::received::{Item, Received, Signal};

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
