//! What people and scripts read: the pages, and the same as JSON.
//!
//! The JSON API answers with a list and says in headers where it lies among all: `X-Total-Count`,
//! and `Link` with the other pages (RFC 8288).

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Result;
use askama::Template;
use axum::extract::{OriginalUri, Path, Query, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Json, Response};
use axum::routing::get;
use axum::{Extension, Router};
use serde::Serialize;
use throughline::internals::ids::RunKey;
use tokio::task::block_in_place;

use super::crash::Crash;
use super::page::{self, Frame};
use super::received::{Asked, Of, Part, Place, Received, is_fatal};
use super::stacks::Stacks;
use crate::symbolicate::Symbols;

/// Sessions, and records of a session, on a page.
const PER_PAGE: u64 = 500;
/// Records of a trace on a page, which is better seen as a whole, and entries of an answer of the
/// API.
const MANY_PER_PAGE: u64 = 5_000;
/// Longest path in the header `Link`, which has it up to four times.
const MAX_LINK: usize = 1_000;
const TOTAL_COUNT: HeaderName = HeaderName::from_static("x-total-count");

type Shared = State<Arc<Received>>;
type Asking = Query<HashMap<String, String>>;
type Known = Extension<Arc<Symbols>>;

pub(super) fn router(symbols: Arc<Symbols>) -> Router<Arc<Received>> {
    Router::new()
        .route("/", get(sessions_page))
        .route("/session/{id}", get(session_page))
        .route("/session-of/{record}", get(session_of_page))
        .route("/without-session", get(without_session_page))
        .route("/trace/{id}", get(trace_page))
        .route("/trace-of/{record}", get(trace_of_page))
        .route("/crash/{record}", get(crash_page))
        .route("/api/sessions", get(sessions))
        .route("/api/session/{id}", get(session))
        .route("/api/session-of/{record}", get(session_of))
        .route("/api/without-session", get(without_session))
        .route("/api/trace/{id}", get(trace))
        .fallback(nothing_here)
        .layer(Extension(symbols))
}

/// A page, or why there is none.
pub(super) type Page = Result<Response, Failure>;

/// A failure of the database or of a template, answered with status 500.
pub(super) struct Failure(anyhow::Error);

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, format!("{:#}\n", self.0)).into_response()
    }
}

/// Renders a page that may run no script but its own, and load nothing.
pub(super) fn html<T: Template>(received: &Received, status: StatusCode, page: impl FnOnce(Frame) -> T) -> Page {
    let nonce = RunKey::draw().0.object_id(0).simple().to_string();
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'unsafe-inline'; img-src data:; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let page = page(Frame::new(&received.stats(), received.last_refusal(), nonce)).render()?;
    let policy = HeaderValue::try_from(policy)?;
    Ok((status, [(header::CONTENT_SECURITY_POLICY, policy)], Html(page)).into_response())
}

fn not_found(what: &str, why: &str) -> Page {
    Ok((StatusCode::NOT_FOUND, format!("{what}: {why}\n")).into_response())
}

async fn nothing_here() -> Page {
    let why = "Pages are /, /session/ID, /trace/ID, /crash/RECORD and /without-session. OTLP is sent to /v1/logs, \
               /v1/traces and /v1/metrics.";
    not_found("There is no such page", why)
}

fn no_record(record: i64) -> Page {
    not_found("There is no such record", &format!("No record has the number {record}."))
}

/// Ids of traces are shown and stored in lower case; other tools show them in upper case.
fn trace_id(id: &str) -> String {
    id.to_ascii_lowercase()
}

// The database answers on the thread that asks. `block_in_place` lets others be served meanwhile.

async fn sessions_page(State(received): Shared, Query(query): Asking) -> Page {
    block_in_place(|| {
        let (part, without) = (received.sessions(Asked::of(&query, PER_PAGE))?, received.without_session()?);
        html(&received, StatusCode::OK, |frame| page::Sessions::new(frame, part, without))
    })
}

async fn session_page(State(received): Shared, known: Known, Path(id): Path<String>, Query(query): Asking) -> Page {
    one_session(&received, &known, &id, &query)
}

async fn without_session_page(State(received): Shared, known: Known, Query(query): Asking) -> Page {
    one_session(&received, &known, "", &query)
}

async fn session_of_page(State(received): Shared, known: Known, Path(record): Path<i64>, Query(query): Asking) -> Page {
    match block_in_place(|| received.session_of(record))? {
        Some(id) => one_session(&received, &known, &id, &query),
        None => no_record(record),
    }
}

fn one_session(received: &Received, symbols: &Symbols, id: &str, query: &HashMap<String, String>) -> Page {
    block_in_place(|| {
        let part = received.items(Of::Session(id), Asked::of(query, PER_PAGE))?;
        let (start, stacks) = (received.start(id)?, Stacks::of_page(symbols, &part.entries));
        html(received, StatusCode::OK, |frame| page::Session::new(frame, id, start, &part, &stacks))
    })
}

async fn trace_page(State(received): Shared, known: Known, Path(id): Path<String>, Query(query): Asking) -> Page {
    one_trace(&received, &known, &trace_id(&id), &query)
}

async fn trace_of_page(State(received): Shared, known: Known, Path(record): Path<i64>, Query(query): Asking) -> Page {
    match block_in_place(|| received.trace_of(record))? {
        Some(id) => one_trace(&received, &known, &id, &query),
        None => no_record(record),
    }
}

fn one_trace(received: &Received, symbols: &Symbols, id: &str, query: &HashMap<String, String>) -> Page {
    block_in_place(|| {
        let part = received.items(Of::Trace(id), Asked::of(query, MANY_PER_PAGE))?;
        let stacks = Stacks::of_page(symbols, &part.entries);
        html(received, StatusCode::OK, |frame| page::Trace::new(frame, id, &part, &stacks))
    })
}

async fn crash_page(State(received): Shared, known: Known, Path(record): Path<i64>) -> Page {
    block_in_place(|| {
        let Some(item) = received.record(record)?.filter(is_fatal) else {
            return not_found("There is no such crash", &format!("No crash has the number {record}."));
        };
        let mutations = received.mutations(&item.session, item.time_ns)?;
        let stacks = Stacks::of_page(&known, std::slice::from_ref(&item));
        html(&received, StatusCode::OK, |frame| Crash::new(frame, &item, &mutations, &stacks))
    })
}

/// The entries as JSON, and where they lie.
fn list<T: Serialize>(part: Part<T>, uri: &OriginalUri) -> Page {
    let Place { page, pages, per_page, total, until, .. } = part.place;
    let mut links = vec![("first", 1), ("last", pages)];
    links.extend((page > 1).then(|| ("prev", page - 1)));
    links.extend((page < pages).then_some(("next", page + 1)));
    // Of a path that is too long for a header, the links hold what differs.
    let path = Some(uri.path()).filter(|path| path.len() <= MAX_LINK).unwrap_or_default();
    let link = |(rel, page)| format!("<{path}?page={page}&per_page={per_page}&until={until}>; rel=\"{rel}\"");
    let links: Vec<String> = links.into_iter().map(link).collect();
    let headers = [(TOTAL_COUNT, HeaderValue::from(total)), (header::LINK, HeaderValue::try_from(links.join(", "))?)];
    Ok((headers, Json(part.entries)).into_response())
}

async fn sessions(State(received): Shared, uri: OriginalUri, Query(query): Asking) -> Page {
    block_in_place(|| list(received.sessions(Asked::of(&query, MANY_PER_PAGE))?, &uri))
}

async fn session(State(received): Shared, uri: OriginalUri, Path(id): Path<String>, Query(query): Asking) -> Page {
    items(&received, Of::Session(&id), &query, &uri)
}

async fn without_session(State(received): Shared, uri: OriginalUri, Query(query): Asking) -> Page {
    items(&received, Of::Session(""), &query, &uri)
}

async fn session_of(State(received): Shared, uri: OriginalUri, Path(record): Path<i64>, Query(query): Asking) -> Page {
    match block_in_place(|| received.session_of(record))? {
        Some(id) => items(&received, Of::Session(&id), &query, &uri),
        None => no_record(record),
    }
}

async fn trace(State(received): Shared, uri: OriginalUri, Path(id): Path<String>, Query(query): Asking) -> Page {
    items(&received, Of::Trace(&trace_id(&id)), &query, &uri)
}

fn items(received: &Received, of: Of<'_>, query: &HashMap<String, String>, uri: &OriginalUri) -> Page {
    block_in_place(|| list(received.items(of, Asked::of(query, MANY_PER_PAGE))?, uri))
}
