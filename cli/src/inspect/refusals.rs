//! What becomes of an answer that is no success, whoever gave it: the extractors and layers of the
//! server answer by themselves, too.

use std::sync::Arc;

use axum::body::{self, Body};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::task::block_in_place;

use super::page;
use super::received::Received;
use super::views::html;

/// Longest text of an answer that is looked at, in bytes.
const MAX_TEXT: usize = 64 * 1024;

/// Counts what was sent and not taken, wherever it was sent to. The list of sessions says the
/// reason: the log of an app seldom does.
pub(super) async fn count(State(received): State<Arc<Received>>, request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let response = next.run(request).await;
    if method != Method::POST || response.status().is_success() {
        return response;
    }
    let (head, text) = read(response).await;
    received.count_refused(format!("POST {path} got {}: {}", head.status.as_u16(), text.trim()));
    Response::from_parts(head, Body::from(text))
}

/// Every error is a line of text. A browser gets it as a page, with the way back.
pub(super) async fn for_browsers(State(received): State<Arc<Received>>, request: Request, next: Next) -> Response {
    let accept = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let is_browser = accept.contains("text/html") && matches!(*request.method(), Method::GET | Method::HEAD);
    let response = next.run(request).await;
    let status = response.status();
    if !is_browser || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let (_, text) = read(response).await;
    let (what, why) = match text.trim().split_once(": ") {
        Some((what, why)) if status == StatusCode::NOT_FOUND => (what, why),
        _ if status.is_server_error() => ("This page could not be made", text.trim()),
        _ => ("This address has no page", text.trim()),
    };
    let page = |frame| page::Error::new(frame, what.to_owned(), why.to_owned());
    block_in_place(|| html(&received, status, page)).into_response()
}

async fn read(response: Response) -> (axum::http::response::Parts, String) {
    let (head, body) = response.into_parts();
    let bytes = body::to_bytes(body, MAX_TEXT).await.unwrap_or_default();
    (head, String::from_utf8_lossy(&bytes).into_owned())
}
