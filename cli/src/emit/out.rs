//! Writes requests to a file instead of sending them.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Mutex;

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use serde_json::json;
use throughline::transport::{Request, Response, Sending, Transport, TransportError};

/// Headers that hold credentials.
const SECRETS: [&str; 3] = ["authorization", "dd-api-key", "x-sentry-auth"];

/// A file with a line of JSON for each request.
#[derive(Debug)]
pub(super) struct Out(Mutex<File>);

impl Out {
    pub(super) fn create(path: &Path) -> Result<Self> {
        let file = File::create(path).with_context(|| format!("creating {}", path.display()))?;
        Ok(Self(Mutex::new(file)))
    }

    fn write(&self, request: &Request) -> std::io::Result<()> {
        let is_gzip = request.headers.iter().any(|(name, value)| name == "content-encoding" && value == "gzip");
        let mut plain = Vec::new();
        if is_gzip {
            GzDecoder::new(request.body.as_slice()).read_to_end(&mut plain)?;
        } else {
            plain.clone_from(&request.body);
        }
        let is_shown = |(name, _): &&(String, String)| !SECRETS.contains(&name.as_str());
        let headers: serde_json::Map<_, _> = request
            .headers
            .iter()
            .filter(is_shown)
            .map(|(name, value)| (name.clone(), value.as_str().into()))
            .collect();
        let body = match String::from_utf8(plain) {
            Ok(text) => json!({ "text": text }),
            Err(error) => json!({ "base64": STANDARD.encode(error.as_bytes()) }),
        };
        let line = json!({ "url": request.url, "headers": headers, "body": body, "sent_bytes": request.body.len() });
        let mut file = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        writeln!(file, "{line}")
    }
}

impl Transport for Out {
    /// Answers as a backend that has taken everything.
    fn send(&self, request: Request) -> Sending<'_> {
        Box::pin(async move {
            self.write(&request).map_err(|error| TransportError(format!("the file cannot be written: {error}")))?;
            let kind = request.headers.into_iter().find(|(name, _)| name == "content-type");
            let is_protobuf = kind.as_ref().is_some_and(|(_, kind)| kind.contains("proto"));
            let body: &[u8] = if is_protobuf { b"" } else { b"{}" };
            Ok(Response {
                status: 200,
                headers: kind.into_iter().collect(),
                body: body.to_vec(),
                ..Response::default()
            })
        })
    }
}
