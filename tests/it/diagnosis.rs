//! What keeps data from arriving is named for a person: each cause is provoked for real.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use throughline::diagnosis::{Cause, Diagnosis};
use throughline::event::Action;
use throughline::internals::queue::FILE;
use throughline::testing::{Answer, FaultServer};
use throughline::trace::TraceHost;
use throughline::transport::{Request, Sending, Transport, TransportError};
use throughline::{Conditions, ConfigBuilder, Consent, Destination, Host, Network, StorageState, Telemetry};

use crate::support::{LONG, builder, until};

/// Long enough for an answer on the loopback interface.
const PATIENCE: Duration = Duration::from_secs(2);

fn started(config: ConfigBuilder, consent: Consent) -> Telemetry {
    let telemetry = Telemetry::start(config.build().unwrap(), consent).unwrap();
    telemetry.record_action(&Action::tap("buy"));
    telemetry
}

/// What a client says that sends to this endpoint.
fn said_of(dir: &Path, endpoint: &str) -> Diagnosis {
    started(builder(dir).endpoint(endpoint), Consent::Granted).diagnose(PATIENCE)
}

/// The only cause that blocks.
fn blocking(diagnosis: &Diagnosis) -> Cause {
    let blocking: Vec<_> = diagnosis.findings.iter().map(|finding| finding.cause).filter(|c| c.blocks()).collect();
    assert_eq!(blocking.len(), 1, "{diagnosis}");
    assert!(!diagnosis.is_clear() && diagnosis.to_string().starts_with("Data does not arrive"), "{diagnosis}");
    blocking[0]
}

fn has(diagnosis: &Diagnosis, cause: Cause) -> bool {
    diagnosis.findings.iter().any(|finding| finding.cause == cause)
}

/// A network stack that fails with this text.
#[derive(Debug)]
struct Fails(&'static str);

impl Transport for Fails {
    fn send(&self, _: Request) -> Sending<'_> {
        Box::pin(async { Err(TransportError(self.0.to_owned())) })
    }
}

/// A port that answers every connection with these bytes.
fn port(bytes: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let authority = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let _ = stream.read(&mut [0; 4_096]);
                let _ = stream.write_all(bytes);
            });
        }
    });
    authority
}

#[test]
fn a_client_whose_events_arrive_has_nothing_to_say() {
    let (dir, server) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap());
    let diagnosis = said_of(dir.path(), &server.url());
    assert!(diagnosis.is_clear() && diagnosis.findings.is_empty(), "{diagnosis}");
    assert!(diagnosis.delivered > 0 && diagnosis.waiting == 0, "{diagnosis}");
    assert!(diagnosis.to_string().starts_with("Nothing keeps data from arriving"));
}

#[test]
fn what_the_user_and_the_app_have_decided_is_named() {
    let server = FaultServer::start().unwrap();
    let said = |change: fn(ConfigBuilder) -> ConfigBuilder, consent| {
        let dir = tempfile::tempdir().unwrap();
        let telemetry = started(change(builder(dir.path()).endpoint(server.url())), consent);
        telemetry.diagnose(PATIENCE)
    };
    assert_eq!(blocking(&said(|config| config, Consent::Pending)), Cause::ConsentPending);
    assert_eq!(blocking(&said(|config| config, Consent::Denied)), Cause::ConsentDenied);
    assert_eq!(blocking(&said(|config| config.enabled(false), Consent::Granted)), Cause::SwitchedOff);
    let out = said(|config| config.session_sample_rate(0.0), Consent::Granted);
    assert!(out.is_clear() && has(&out, Cause::SampledOut), "{out}");

    let dir = tempfile::tempdir().unwrap();
    let telemetry = started(builder(dir.path()).endpoint(server.url()), Consent::Granted);
    assert!(telemetry.pause_destination("default"));
    assert_eq!(blocking(&telemetry.diagnose(PATIENCE)), Cause::PausedByApp);
    assert!(telemetry.resume_destination("default"));
    telemetry.set_conditions(Conditions { network: Network::Offline, ..Conditions::default() });
    telemetry.record_action(&Action::tap("offline"));
    assert_eq!(blocking(&telemetry.diagnose(PATIENCE)), Cause::Offline);
    assert_eq!(blocking(&telemetry.diagnose(Duration::ZERO)), Cause::Offline, "also without a flush");
    telemetry.set_conditions(Conditions::default());
    assert!(telemetry.diagnose(PATIENCE).is_clear());
    assert!(telemetry.suspend(LONG));
    assert_eq!(blocking(&telemetry.diagnose(PATIENCE)), Cause::Suspended);
    assert!(telemetry.resume(LONG) && telemetry.shutdown(LONG));
    assert_eq!(blocking(&telemetry.diagnose(PATIENCE)), Cause::NotStarted);
}

#[test]
fn a_client_without_an_endpoint_or_without_an_event_says_so() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(blocking(&started(builder(dir.path()), Consent::Granted).diagnose(PATIENCE)), Cause::NoEndpoint);
    let (dir, server) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap());
    let config = builder(dir.path()).endpoint(server.url()).session_events(false).build().unwrap();
    let diagnosis = Telemetry::start(config, Consent::Granted).unwrap().diagnose(PATIENCE);
    assert!(diagnosis.is_clear() && has(&diagnosis, Cause::NothingRecorded), "{diagnosis}");
}

#[test]
fn what_a_backend_answers_is_named() {
    let server = FaultServer::start().unwrap();
    for (status, cause) in [
        (401, Cause::Unauthorized),
        (403, Cause::Unauthorized),
        (404, Cause::NotFound),
        (415, Cause::UnsupportedFormat),
        (302, Cause::NotABackend),
        (503, Cause::BackendFails),
    ] {
        let dir = tempfile::tempdir().unwrap();
        server.always(Some(Answer::Status(status, Vec::new(), Vec::new())));
        let diagnosis = said_of(dir.path(), &server.url());
        assert_eq!(blocking(&diagnosis), cause, "{status}: {diagnosis}");
        assert_eq!(diagnosis.findings[0].destination.as_deref(), Some("default"));
        assert!(diagnosis.findings[0].seen.contains(&status.to_string()), "{diagnosis}");
    }
    let dir = tempfile::tempdir().unwrap();
    server.always(Some(Answer::CaptivePortal));
    assert_eq!(blocking(&said_of(dir.path(), &server.url())), Cause::NotABackend);
}

#[test]
fn a_backend_that_cannot_be_reached_is_named() {
    let dir = || tempfile::tempdir().unwrap();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(blocking(&said_of(dir().path(), &format!("http://{nobody}"))), Cause::Unreachable);
    let grpc = port(b"\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64");
    assert_eq!(blocking(&said_of(dir().path(), &format!("http://{grpc}"))), Cause::WrongPort);
    let tls = port(b"\x15\x03\x01\x00\x02\x02\x28");
    assert_eq!(blocking(&said_of(dir().path(), &format!("http://{tls}"))), Cause::WrongPort);
    // What a phone's own network stack says: the texts are OkHttp's and Darwin's.
    for text in [
        "java.net.UnknownServiceException: CLEARTEXT communication to h not permitted by network security policy",
        "The resource could not be loaded because the App Transport Security policy requires the use of a secure \
         connection.",
    ] {
        let dir = dir();
        let mut host = Host::default();
        host.transport = Some(Arc::new(Fails(text)));
        let config = builder(dir.path()).endpoint("http://backend.test").build().unwrap();
        let telemetry = Telemetry::start_with(config, Consent::Granted, host).unwrap();
        telemetry.record_action(&Action::tap("buy"));
        assert_eq!(blocking(&telemetry.diagnose(PATIENCE)), Cause::CleartextBlocked);
    }
}

#[test]
fn a_certificate_that_nobody_trusts_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let private = rustls::pki_types::PrivatePkcs8KeyDer::from(key.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![key.cert.der().clone()], private.into())
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, config) = (stream.unwrap(), Arc::clone(&config));
            std::thread::spawn(move || {
                let mut connection = rustls::ServerConnection::new(config).unwrap();
                // The client ends it when it has seen the certificate.
                while connection.complete_io(&mut stream).is_ok_and(|(read, _)| read > 0) {}
            });
        }
    });
    let diagnosis = said_of(dir.path(), &format!("https://localhost:{port}"));
    assert_eq!(blocking(&diagnosis), Cause::CertificateRefused, "{diagnosis}");
}

#[test]
fn a_database_that_is_locked_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    assert!(started(builder(dir.path()).endpoint(server.url()), Consent::Granted).shutdown(LONG));
    let other = rusqlite::Connection::open(dir.path().join(FILE)).unwrap();
    other.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE").unwrap();
    let telemetry = started(builder(dir.path()).endpoint(server.url()), Consent::Granted);
    until("it is locked", || matches!(telemetry.health().storage, StorageState::Locked(_)));
    assert_eq!(blocking(&telemetry.diagnose(Duration::from_millis(50))), Cause::StorageLocked);
}

#[test]
fn a_clock_that_is_wrong_is_named() {
    let (dir, server) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap());
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(3 * 3_600));
    server.always(Some(Answer::Status(200, vec![format!("date: {date}")], Vec::new())));
    let diagnosis = said_of(dir.path(), &server.url());
    assert!(diagnosis.is_clear() && has(&diagnosis, Cause::ClockWrong), "{diagnosis}");
    assert!(diagnosis.to_string().contains("s behind the backend's"), "{diagnosis}");
}

#[test]
fn a_host_that_gets_no_trace_headers_is_named_without_its_secrets() {
    let (dir, server) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap());
    let config = builder(dir.path()).endpoint(server.url()).trace_host(TraceHost::new("api.shop.test"));
    let telemetry = started(config, Consent::Granted);
    let hostile = ["data:,secret", "tel:+49secret", "file:///secret", "https://secret\\@evil.test/"];
    for url in ["https://api.shop.test/cart", "https://ada:secret@api.other.test:8443/v1?token=secret"]
        .into_iter()
        .chain(hostile)
    {
        let mut request = telemetry.start_resource("GET", url);
        request.headers(&[]);
        request.stop(200, |resource| resource);
    }
    let text = telemetry.diagnose(PATIENCE).to_string();
    assert!(text.contains("[host_not_listed]") && text.contains(": api.other.test."), "{text}");
    assert!(!text.contains("api.shop.test") && !text.contains("secret"), "{text}");
    assert!(telemetry.erase(LONG));
    assert!(!telemetry.diagnose(PATIENCE).to_string().contains("other.test"), "it was erased");
}

#[test]
fn of_two_backends_the_one_that_fails_is_named_although_the_other_works() {
    let (dir, server) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap());
    let refuses = FaultServer::start().unwrap();
    refuses.always(Some(Answer::Status(401, Vec::new(), Vec::new())));
    let config = || {
        let second = Destination::new("second", refuses.url());
        builder(dir.path()).endpoint(server.url()).destination(second)
    };
    let telemetry = started(config(), Consent::Granted);
    let diagnosis = telemetry.diagnose(PATIENCE);
    assert_eq!(blocking(&diagnosis), Cause::Unauthorized, "{diagnosis}");
    assert_eq!(diagnosis.findings[0].destination.as_deref(), Some("second"));
    assert!(telemetry.shutdown(LONG));
    // The next process has sent it nothing, and knows why.
    let telemetry = started(config(), Consent::Granted);
    let diagnosis = telemetry.diagnose(PATIENCE);
    assert_eq!(blocking(&diagnosis), Cause::Unauthorized, "{diagnosis}");
}
