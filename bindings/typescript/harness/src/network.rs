//! The platform's network for JavaScript in Hermes: requests and WebSockets over real sockets.
//! Every call waits, so the harness makes it on a thread of its own.

use std::io::{ErrorKind, Read};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tungstenite::stream::MaybeTlsStream;
use tungstenite::{Error, Message, WebSocket};

type Failed = Box<dyn std::error::Error>;

/// A request of the app's.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Request {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: Option<String>,
}

/// Sends a request, and waits for the whole answer.
pub(crate) fn http(request: Request) -> Result<Value, Failed> {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let mut builder = ureq::http::Request::builder().method(request.method.as_str()).uri(&request.url);
    for (name, value) in &request.headers {
        builder = builder.header(name, value);
    }
    let mut response = agent.run(builder.body(request.body.unwrap_or_default())?)?;
    let headers: Vec<_> = response
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    let mut body = Vec::new();
    response.body_mut().as_reader().read_to_end(&mut body)?;
    let status = response.status().as_u16();
    Ok(json!({ "status": status, "headers": headers, "body": String::from_utf8_lossy(&body) }))
}

type Socket = Arc<Mutex<WebSocket<MaybeTlsStream<TcpStream>>>>;

/// The WebSockets that were opened, by their number.
static SOCKETS: Mutex<Vec<Socket>> = Mutex::new(Vec::new());

/// How long reading keeps a socket from being written to.
const TURN: Duration = Duration::from_millis(10);

/// Opens a WebSocket. Answers its number.
pub(crate) fn open(url: &str) -> Result<Value, Failed> {
    let (socket, _) = tungstenite::connect(url)?;
    let MaybeTlsStream::Plain(stream) = socket.get_ref() else { return Err("only ws:// is served".into()) };
    stream.set_read_timeout(Some(TURN))?;
    let mut sockets = SOCKETS.lock().unwrap_or_else(PoisonError::into_inner);
    sockets.push(Arc::new(Mutex::new(socket)));
    Ok(json!(sockets.len() - 1))
}

fn socket(number: usize) -> Result<Socket, Failed> {
    let sockets = SOCKETS.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(Arc::clone(sockets.get(number).ok_or("there is no such WebSocket")?))
}

/// Sends a text.
pub(crate) fn send(number: usize, text: String) -> Result<Value, Failed> {
    socket(number)?.lock().unwrap_or_else(PoisonError::into_inner).send(Message::text(text))?;
    Ok(Value::Null)
}

/// Waits for a text. Answers null when the WebSocket is closed.
pub(crate) fn receive(number: usize) -> Result<Value, Failed> {
    let socket = socket(number)?;
    loop {
        match socket.lock().unwrap_or_else(PoisonError::into_inner).read() {
            Ok(Message::Text(text)) => return Ok(json!(text.as_str())),
            Ok(Message::Close(_)) | Err(Error::ConnectionClosed | Error::AlreadyClosed) => return Ok(Value::Null),
            Ok(_) => {}
            Err(Error::Io(error)) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Closes a WebSocket.
pub(crate) fn close(number: usize) -> Result<Value, Failed> {
    socket(number)?.lock().unwrap_or_else(PoisonError::into_inner).close(None)?;
    Ok(Value::Null)
}

/// Starts a server that sends back each element of a JSON list as a message. Answers its URL.
pub(crate) fn echo() -> Result<Value, Failed> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("ws://{}", listener.local_addr()?);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || tell_back(stream).ok());
        }
    });
    Ok(json!(url))
}

fn tell_back(stream: TcpStream) -> Result<(), Failed> {
    let mut socket = tungstenite::accept(stream)?;
    loop {
        if let Message::Text(text) = socket.read()? {
            for message in serde_json::from_str::<Vec<String>>(&text)? {
                socket.send(Message::text(message))?;
            }
        }
    }
}
