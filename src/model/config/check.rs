//! Refuses a configuration that cannot work, with the field and what would be right.

use super::{Config, TailSampling, TraceHost};
use crate::model::error::Error;
use crate::model::limits::{
    CRASH_BYTES_MIN, FLUSH_INTERVAL_RANGE, MAX_AGE_RANGE, MAX_DATA_DIR_BYTES, MAX_DESTINATIONS,
    MAX_RESOURCE_ATTRIBUTES, MAX_SERVICE_NAME_BYTES, QUEUE_BYTES_RANGE,
};

impl Config {
    pub(super) fn check(&self) -> Result<(), Error> {
        let require = |holds: bool, field, reason: &str| if holds { Ok(()) } else { Err(Error::config(field, reason)) };
        let is_share = |rate: f64| (0.0..=1.0).contains(&rate);
        require(!self.service_name.trim().is_empty(), "service_name", "is empty: name your service")?;
        let is_short = self.service_name.len() <= MAX_SERVICE_NAME_BYTES;
        require(is_short, "service_name", "is longer than 255 bytes")?;
        require(!self.data_dir.as_os_str().is_empty(), "data_dir", "is empty: give a directory of its own")?;
        let is_short = std::path::absolute(&self.data_dir).is_ok_and(|dir| dir.as_os_str().len() <= MAX_DATA_DIR_BYTES);
        require(is_short, "data_dir", "is longer than the 480 bytes that SQLite leaves for it")?;
        require(is_share(self.session_sample_rate), "session_sample_rate", "must be between 0.0 and 1.0")?;
        require(is_share(self.trace_sample_rate), "trace_sample_rate", "must be between 0.0 and 1.0")?;
        let holds = FLUSH_INTERVAL_RANGE.contains(&self.send.flush_interval);
        require(holds, "flush_interval", "must be between 100 ms and 1 day")?;
        require(self.send.flush_events > 0, "flush_events", "must be at least 1")?;
        require(self.send.daily_bytes != Some(0), "daily_bytes", "must be at least 1; leave it out for no cap")?;
        let holds = QUEUE_BYTES_RANGE.contains(&self.queue_bytes);
        require(holds, "queue_bytes", "must be between 1 MiB and 4 GiB")?;
        let holds = (CRASH_BYTES_MIN..=self.queue_bytes).contains(&self.crash_bytes);
        require(holds, "crash_bytes", "must be between 64 KiB and `queue_bytes`")?;
        require(MAX_AGE_RANGE.contains(&self.max_age), "max_age", "must be between 1 minute and 1 year")?;
        require(self.resource.len() <= MAX_RESOURCE_ATTRIBUTES, "resource", "has more than 112 attributes")?;
        require(self.destinations.len() <= MAX_DESTINATIONS, "destinations", "are more than 8")?;
        if let Some(fault) = self.tail_sampling.as_ref().and_then(TailSampling::fault) {
            return Err(Error::config("tail_sampling", fault));
        }
        for (at, host) in self.trace_hosts.iter().enumerate() {
            if let Some(fault) = host.fault() {
                return Err(Error::config("trace_hosts", format!("{fault}: `{}`", host.host)));
            }
            // The same rule again is harmless. Of two that differ, only one could count.
            let is_other = |other: &&TraceHost| {
                other.compared() == host.compared() && **other != TraceHost { host: other.host.clone(), ..host.clone() }
            };
            if let Some(other) = self.trace_hosts.iter().take(at).find(is_other) {
                let reason = format!("has two rules for one host: `{}` and `{}`", other.host, host.host);
                return Err(Error::config("trace_hosts", reason));
            }
        }
        for (at, destination) in self.destinations.iter().enumerate() {
            destination.check()?;
            let mut earlier = self.destinations.iter().take(at);
            let is_unique = earlier.all(|other| other.name != destination.name);
            require(is_unique && !destination.name.is_empty(), "destinations", "need names that differ")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::config::{ConfigBuilder, Encoding, Environment};
    use std::time::Duration;

    fn field_of(builder: ConfigBuilder) -> &'static str {
        match builder.build() {
            Err(Error::InvalidConfig { field, .. }) => field,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_bad_value_is_named() {
        let base = || Config::builder("s", "/d");
        assert_eq!(field_of(Config::builder(" ", "/d")), "service_name");
        assert_eq!(field_of(Config::builder("s", "")), "data_dir");
        assert_eq!(field_of(Config::builder("s", format!("/{}", "d".repeat(480)))), "data_dir");
        assert!(Config::builder("s", format!("/{}", "d".repeat(479))).build().is_ok());
        assert_eq!(field_of(base().session_sample_rate(1.5)), "session_sample_rate");
        assert_eq!(field_of(base().trace_sample_rate(f64::NAN)), "trace_sample_rate");
        assert_eq!(field_of(base().queue_bytes(0)), "queue_bytes");
        assert_eq!(field_of(base().queue_bytes(u64::MAX)), "queue_bytes");
        assert_eq!(field_of(base().crash_bytes(0)), "crash_bytes");
        assert_eq!(field_of(base().max_age(Duration::ZERO)), "max_age");
        assert_eq!(field_of(base().flush_interval(Duration::ZERO)), "flush_interval");
        assert_eq!(field_of(base().flush_events(0)), "flush_events");
        assert_eq!(field_of(base().daily_bytes(0)), "daily_bytes");
        assert_eq!(field_of(base().endpoint("http://h".to_owned()).header("a b", "c")), "headers");
        assert_eq!(field_of(base().endpoint("http://h".to_owned()).header("a", "b\r\nc")), "headers");
    }

    #[test]
    fn a_bad_url_is_an_error_that_shows_it() {
        for url in
            ["", "otlp.example.com", "ftp://h", "http://", "http://h:99999", "http://u:p@h", "http://h /", "http://h?x"]
        {
            assert_eq!(field_of(Config::builder("s", "/d").endpoint(url.to_owned())), "endpoint", "{url}");
        }
        for url in ["http://localhost:4318", "https://[::1]:4318/base", "https://h/", "http://[::1]"] {
            assert!(Config::builder("s", "/d").endpoint(url.to_owned()).build().is_ok(), "{url}");
        }
    }

    #[test]
    fn no_error_shows_a_secret_of_the_url() {
        for url in [
            "http://user:SECRET@h",
            "user:SECRET@h",
            "http://h?key=SECRET",
            "http://h#SECRET",
            "http://user:SECRET@h:99999",
            "http://user:SECRET@h /",
            "http://user:p@SECRET@h",
            "ftp://SECRET@h",
            "http://h/a?x=1@SECRET",
        ] {
            let error = Config::builder("s", "/d").endpoint(url.to_owned()).build().unwrap_err().to_string();
            assert!(!error.contains("SECRET") && error.contains('h'), "{url}: {error}");
        }
    }

    #[test]
    fn the_process_environment_names_signals_and_their_endpoints() {
        use crate::model::config::OtlpSignal::{Logs, Metrics, Traces};

        let read = |variables: &[(&str, &str)]| {
            let get = |name: &str| {
                let all = [("SERVICE_NAME", "s"), ("DATA_DIR", "/d")];
                let mut all = all.iter().chain(variables);
                all.find(|(key, _)| name.strip_prefix("THROUGHLINE_") == Some(key))
                    .map(|(_, value)| (*value).to_owned())
            };
            Config::from_lookup(get).map(|config| config.destinations)
        };
        let metrics = ("METRICS_ENDPOINT", "http://h/push");
        let only = read(&[metrics]).unwrap().remove(0);
        assert_eq!(only.signals.iter().copied().collect::<Vec<_>>(), [Metrics]);
        assert_eq!(only.url(Metrics), "http://h/push");
        let all = read(&[metrics, ("ENDPOINT", "http://b/"), ("HEADERS", "a=b")]).unwrap().remove(0);
        assert_eq!(
            [Logs, Traces, Metrics].map(|signal| all.url(signal)),
            ["http://b/v1/logs", "http://b/v1/traces", "http://h/push"]
        );
        assert_eq!((all.signals.len(), all.headers.len()), (3, 1));
        let two = read(&[("ENDPOINT", "http://b"), ("SIGNALS", "traces, Logs")]).unwrap().remove(0);
        assert_eq!(two.signals.iter().copied().collect::<Vec<_>>(), [Logs, Traces]);
        assert!(read(&[("ENDPOINT", "http://b"), ("SIGNALS", "spans")]).is_err());
        assert!(read(&[("ENDPOINT", "http://b/v1/logs")]).is_err());
        assert!(read(&[]).unwrap().is_empty());
    }

    #[test]
    fn of_two_rules_for_one_host_none_is_ignored_in_silence() {
        use crate::model::config::Format;

        let base = || Config::builder("s", "/d").trace_host("a.com");
        for same in ["A.com", "a.com.", "A.COM."] {
            let other = TraceHost::new(same).formats([Format::B3]);
            let Err(error) = base().trace_host(other).build() else { panic!("{same}") };
            assert!(error.to_string().contains(&format!("`a.com` and `{same}`")), "{error}");
            assert!(base().trace_host(same).build().is_ok(), "the same rule again is harmless");
        }
        assert!(base().trace_host(TraceHost::new("api.a.com").formats([Format::B3])).build().is_ok());
    }

    #[test]
    fn the_environment_sets_the_trace_rate() {
        let rate = |e| Config::builder("s", "/d").environment(e).build().unwrap().trace_sample_rate();
        assert_eq!([rate(Environment::Development), rate(Environment::Test)], [1.0, 1.0]);
        assert_eq!([rate(Environment::Staging), rate(Environment::Production)], [0.1, 0.1]);
    }

    #[test]
    fn the_process_environment_is_read_and_its_errors_name_the_variable() {
        let base = |name: &str| match name {
            "THROUGHLINE_SERVICE_NAME" => Some("shop".to_owned()),
            "THROUGHLINE_DATA_DIR" => Some("/d".to_owned()),
            _ => None,
        };
        let config = Config::from_lookup(|name| match name {
            "THROUGHLINE_ENDPOINT" => Some("http://127.0.0.1:4318".to_owned()),
            "THROUGHLINE_HEADERS" => Some("api-key=1, x=2".to_owned()),
            "THROUGHLINE_PROTOCOL" => Some("http/json".to_owned()),
            other => base(other),
        })
        .unwrap();
        assert_eq!(config.destinations[0].headers.len(), 2);
        assert_eq!(config.destinations[0].encoding, Encoding::Json);
        for (variable, value) in [
            ("THROUGHLINE_ENVIRONMENT", "moon"),
            ("THROUGHLINE_ENABLED", "maybe"),
            ("THROUGHLINE_QUEUE_BYTES", "many"),
            ("THROUGHLINE_PROTOCOL", "grpc"),
            ("THROUGHLINE_METERED_UPLOADS", "some"),
            ("THROUGHLINE_HEADERS", "novalue"),
        ] {
            let look = |name: &str| if name == variable { Some(value.to_owned()) } else { base(name) };
            match Config::from_lookup(look) {
                Err(Error::InvalidConfig { field, .. }) => assert_eq!(field, variable),
                other => panic!("{variable}: {other:?}"),
            }
        }
        assert!(Config::from_lookup(|_| None).is_err());
    }
}
