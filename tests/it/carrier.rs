//! A transport that answers as a test says, and remembers what was sent.

use std::future::Future;
use std::io::Read;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use throughline::testing::event_ids;
use throughline::time::{Clock, ManualClock};
use throughline::transport::{Request, Response, Sending, Transport, TransportError};
use throughline::{Config, ConfigBuilder, Consent, Host, Telemetry};
use uuid::Uuid;

use crate::support::{LONG, builder};

/// What a request asks a [`Carrier`].
pub struct Asked<'a> {
    pub url: &'a str,
    /// The uncompressed body.
    pub body: &'a [u8],
}

impl Asked<'_> {
    pub fn contains(&self, text: &str) -> bool {
        self.body.windows(text.len()).any(|window| window == text.as_bytes())
    }
}

/// What a [`Carrier`] does.
pub enum Carried {
    Answer(Response),
    /// There is no answer: the network failed.
    Lost,
    /// There is no answer, and no end.
    Silence,
}

/// The backend answered with this status and nothing else.
pub fn status(status: u16) -> Carried {
    Carried::Answer(Response { status, ..Response::default() })
}

type Decide = dyn Fn(&Asked<'_>) -> Carried + Send + Sync;

/// A request that was carried.
#[derive(Clone)]
pub struct Seen {
    pub url: String,
    pub ids: Vec<Uuid>,
    /// Bytes of the compressed body.
    pub bytes: usize,
    pub is_accepted: bool,
}

pub struct Carrier {
    decide: Box<Decide>,
    seen: Mutex<Vec<Seen>>,
    /// How often the client has said that its connections may be closed.
    pub idle: AtomicUsize,
}

impl std::fmt::Debug for Carrier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Carrier")
    }
}

impl Carrier {
    pub fn new(decide: impl Fn(&Asked<'_>) -> Carried + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { decide: Box::new(decide), seen: Mutex::default(), idle: AtomicUsize::new(0) })
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub fn requests(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    pub fn has_accepted(&self, id: Uuid) -> bool {
        self.seen.lock().unwrap().iter().any(|request| request.is_accepted && request.ids.contains(&id))
    }

    /// A host whose requests go here and whose clock the test moves.
    pub fn host(self: &Arc<Self>, clock: &Arc<ManualClock>) -> Host {
        let mut host = Host::default();
        host.transport = Some(self.clone());
        host.clock = Clock::Manual(clock.clone());
        host
    }

    /// A client whose requests go here.
    pub fn start(self: &Arc<Self>, config: Config, clock: &Arc<ManualClock>) -> Telemetry {
        let telemetry = Telemetry::start_with(config, Consent::Granted, self.host(clock)).unwrap();
        assert!(telemetry.drain(LONG));
        telemetry
    }
}

/// The configuration of a client with one destination.
pub fn one(dir: &Path) -> ConfigBuilder {
    builder(dir).endpoint("http://backend.test")
}

impl Transport for Carrier {
    fn send(&self, request: Request) -> Sending<'_> {
        let mut body = Vec::new();
        flate2::read::GzDecoder::new(request.body.as_slice()).read_to_end(&mut body).unwrap();
        let carried = (self.decide)(&Asked { url: &request.url, body: &body });
        let is_accepted = matches!(&carried, Carried::Answer(response) if response.status == 200);
        let bytes = request.body.len();
        self.seen.lock().unwrap().push(Seen { url: request.url, ids: event_ids(&body), bytes, is_accepted });
        let answer: Pin<Box<dyn Future<Output = _> + Send>> = match carried {
            Carried::Answer(response) => Box::pin(std::future::ready(Ok(response))),
            Carried::Lost => Box::pin(std::future::ready(Err(TransportError("no route to host".to_owned())))),
            Carried::Silence => Box::pin(std::future::pending()),
        };
        answer
    }

    fn idle(&self) {
        self.idle.fetch_add(1, Ordering::Relaxed);
    }
}

/// A switch that a test throws while a carrier looks at it.
#[derive(Clone, Default)]
pub struct Switch(Arc<AtomicBool>);

impl Switch {
    pub fn is_on(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    pub fn on(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
