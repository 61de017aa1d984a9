//! Destinations in another format than OTLP.

use throughline_ffi::{
    BackendFormat, Consent, Destination, Encoding, HeaderField, OtlpSignal, TelemetryCore, TelemetryError,
};

use crate::support::config;

/// Why a client with this destination does not start; `None` when it does.
fn refusal(change: impl FnOnce(&mut Destination)) -> Option<String> {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path(), "http://public@127.0.0.1:9/42");
    let destination = &mut config.destinations[0];
    destination.format = Some(BackendFormat::Sentry);
    change(destination);
    match TelemetryCore::start(config, Consent::Granted, None, None, None) {
        Ok(_) => None,
        Err(TelemetryError::InvalidConfig { reason }) => Some(reason),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_setting_that_a_format_would_ignore_is_an_error_and_not_silence() {
    assert_eq!(refusal(|_| ()), None);
    let header = HeaderField { name: "x-proxy".to_owned(), value: "secret".to_owned() };
    let refused = [
        refusal(|destination| destination.headers = vec![header.clone()]),
        refusal(|destination| destination.encoding = Some(Encoding::Json)),
        refusal(|destination| destination.signals = Some(vec![OtlpSignal::Logs])),
    ];
    let named = ["headers", "encoding", "signals: name kinds instead"];
    for (refused, named) in refused.into_iter().zip(named) {
        let refused = refused.unwrap();
        assert_eq!(refused, format!("destinations: `default` has a format that takes no {named}"));
    }
    // A service of one's own takes headers.
    let own = |destination: &mut Destination| {
        destination.endpoint = "http://127.0.0.1:9".to_owned();
        destination.format = Some(BackendFormat::Connect { json: false });
        destination.headers = vec![header];
    };
    assert_eq!(refusal(own), None);
}
