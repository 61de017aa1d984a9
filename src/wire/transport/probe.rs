//! Asks a port with which the client cannot talk what it speaks, so that the error can say it.
//! Nothing of the app is sent, and nothing depends on the answer but the text.

use std::io::{Error, ErrorKind};

use tokio::net::TcpStream;

use super::cause::protocol_of;
use crate::model::limits::{PROBE_BYTES, PROBE_TIMEOUT};

/// What a client of HTTP/2 sends first (RFC 9113 §3.4), with empty SETTINGS.
const HTTP_2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// What a port of `http` speaks that does not answer in HTTP/1.1. The client does not show the
/// bytes that it could not read.
pub(super) async fn what_it_speaks(url: &str) -> Option<&'static str> {
    let authority = url.strip_prefix("http://")?.split('/').next()?;
    protocol_of(&ask(authority, "80", HTTP_2_PREFACE).await?)
}

/// Whether a port of `https` answers a request without TLS. Servers with TLS answer it with 400.
pub(super) async fn is_plain(url: &str) -> bool {
    let Some(authority) = url.strip_prefix("https://").and_then(|rest| rest.split('/').next()) else { return false };
    let question = format!("OPTIONS * HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n\r\n");
    let first = ask(authority, "443", question.as_bytes()).await.unwrap_or_default();
    first.starts_with(b"HTTP/1.") && first.get(9..12).is_some_and(|status| status != b"400")
}

/// The first bytes of the answer to a question.
async fn ask(authority: &str, usual_port: &str, question: &[u8]) -> Option<Vec<u8>> {
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
    let address = if has_port { authority.to_owned() } else { format!("{authority}:{usual_port}") };
    tokio::time::timeout(PROBE_TIMEOUT, first_bytes(&address, question)).await.ok()?.ok()
}

async fn first_bytes(address: &str, question: &[u8]) -> Result<Vec<u8>, Error> {
    let stream = TcpStream::connect(address).await?;
    stream.writable().await?;
    stream.try_write(question)?;
    let mut first = Vec::new();
    while first.len() < PROBE_BYTES {
        let mut more = [0; PROBE_BYTES];
        stream.readable().await?;
        match stream.try_read(&mut more) {
            Ok(0) => break,
            Ok(count) => first.extend_from_slice(more.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            // What came before the connection was reset says enough.
            Err(_) => break,
        }
    }
    Ok(first)
}
