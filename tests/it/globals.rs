//! The user, global attributes and feature flags are on every event that is recorded after they
//! were set, and on no event before.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::{metric::Data, number_data_point::Value as Number};
use prost::Message;
use throughline::event::Action;
use throughline::testing::FaultServer;
use throughline::{Consent, Telemetry, User};
use uuid::Uuid;

use crate::app::text;
use crate::support::{LONG, builder, until};

/// The attributes of the resource and of the record with which the tap on `target` was sent.
fn sent(server: &FaultServer, target: &str) -> (Vec<KeyValue>, Vec<KeyValue>) {
    let requests = server.received().into_iter().filter(|request| request.path.ends_with("/v1/logs"));
    let decoded = requests.map(|request| ExportLogsServiceRequest::decode(request.body.as_slice()).unwrap());
    for group in decoded.flat_map(|decoded| decoded.resource_logs) {
        let mut records = group.scope_logs.into_iter().flat_map(|scope| scope.log_records);
        if let Some(found) = records.find(|log| text(&log.attributes, "app.widget.name") == target) {
            return (group.resource.unwrap().attributes, found.attributes);
        }
    }
    panic!("no {target}")
}

/// The resource with which the tap on `target` was sent.
fn resource_of(server: &FaultServer, target: &str) -> Vec<KeyValue> {
    sent(server, target).0
}

#[test]
fn the_user_is_on_later_events_and_on_no_earlier_one() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let telemetry =
        Telemetry::start(builder(dir.path()).endpoint(server.url()).build().unwrap(), Consent::Granted).unwrap();
    telemetry.record_action(&Action::tap("before"));
    assert!(telemetry.set_user(Some(User { id: "u-1", attributes: &[("plan", "gold".into())], ..User::default() })));
    assert!(telemetry.set_global_attribute("tenant", Some("acme".into())));
    assert!(telemetry.set_global_attribute("api_key", Some("hush".into())));
    assert!(telemetry.set_global_attribute("state.store", Some("mine".into())));
    assert!(telemetry.set_feature_flag("new-cart", Some(true.into())));
    telemetry.record_action(&Action::tap("with"));
    assert!(telemetry.set_user(None) && telemetry.set_feature_flag("new-cart", None));
    telemetry.record_action(&Action::tap("after"));
    assert!(telemetry.flush(LONG).complete);
    let record = |name: &str| -> BTreeMap<String, String> {
        let (resource, attributes) = sent(&server, name);
        assert!(resource.iter().all(|entry| !entry.key.starts_with("user.") && entry.key != "tenant"), "{resource:?}");
        attributes.iter().map(|entry| (entry.key.clone(), text(&attributes, &entry.key))).collect()
    };
    let (before, with, after) = (record("before"), record("with"), record("after"));
    let user = ["user.id", "user.plan", "throughline.feature_flag.new-cart"];
    assert!(user.iter().all(|key| !before.contains_key(*key) && !after.contains_key(*key)));
    assert_eq!(
        [&with["user.id"], &with["user.plan"], &with["throughline.feature_flag.new-cart"]],
        ["u-1", "gold", "true"]
    );
    assert_eq!([&after["tenant"], &after["api_key"], &after["app.state.store"]], ["acme", "[redacted]", "mine"]);
    assert!(!before.contains_key("tenant"));
}

#[test]
fn what_is_set_at_run_time_divides_no_cumulative_series_and_is_on_no_point() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let telemetry =
        Telemetry::start(builder(dir.path()).endpoint(server.url()).build().unwrap(), Consent::Granted).unwrap();
    let counter = telemetry.counter("purchases", "1").unwrap();
    let changes: [&dyn Fn() -> bool; 4] = [
        &|| telemetry.start_view("Cart").is_some(),
        &|| telemetry.set_user(Some(User { id: "u1", ..User::default() })),
        &|| telemetry.set_global_attribute("tenant", Some("acme".into())),
        &|| telemetry.set_feature_flag("new-cart", Some(true.into())),
    ];
    for change in changes {
        counter.record(1.0, &[]);
        assert!(telemetry.flush(LONG).complete);
        assert!(change());
    }
    counter.record(1.0, &[]);
    assert!(telemetry.flush(LONG).complete);
    let requests = server.received().into_iter().filter(|request| request.path.ends_with("/v1/metrics"));
    let mut series = BTreeMap::new();
    for group in requests
        .map(|request| ExportMetricsServiceRequest::decode(request.body.as_slice()).unwrap())
        .flat_map(|decoded| decoded.resource_metrics)
    {
        let resource = format!("{:?}", group.resource);
        for metric in group.scope_metrics.into_iter().flat_map(|scope| scope.metrics) {
            let Some(Data::Sum(sum)) = metric.data else { panic!("{metric:?}") };
            for point in sum.data_points {
                assert!(point.attributes.is_empty());
                let said = format!("{point:?}");
                assert!(["u1", "acme", "session.id", "Cart"].iter().all(|other| !said.contains(other)), "{said}");
                let Some(Number::AsDouble(value)) = point.value else { panic!("{said}") };
                series.insert((resource.clone(), point.start_time_unix_nano), value);
            }
        }
    }
    assert_eq!(series.into_values().collect::<Vec<_>>(), [5.0]);
}

#[test]
fn flags_never_overwrite_each_other_whatever_they_are_called() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let telemetry =
        Telemetry::start(builder(dir.path()).endpoint(server.url()).build().unwrap(), Consent::Granted).unwrap();
    let flags = [("key", "a"), ("result.value", "b"), ("new-cart", "c")];
    for (name, value) in flags {
        assert!(telemetry.set_feature_flag(name, Some(value.into())));
        assert!(telemetry.set_feature_flag(name, Some(value.into())), "the same again is no news");
    }
    telemetry.record_action(&Action::tap("with"));
    assert!(telemetry.set_feature_flag("new-cart", None));
    assert!(telemetry.flush(LONG).complete);
    let (_, tap) = sent(&server, "with");
    for (name, value) in flags {
        assert_eq!(text(&tap, &format!("throughline.feature_flag.{name}")), value);
        assert_eq!(text(&tap, &format!("feature_flag.{name}")), "");
    }
    let received = crate::app::received(&server);
    let evaluated: Vec<_> = received
        .named("feature_flag.evaluation")
        .iter()
        .map(|log| (text(&log.attributes, "feature_flag.key"), text(&log.attributes, "feature_flag.result.value")))
        .collect();
    assert_eq!(evaluated, flags.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn too_many_global_attributes_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let telemetry = Telemetry::start(builder(dir.path()).build().unwrap(), Consent::Granted).unwrap();
    let kept = (0..200).filter(|n| telemetry.set_global_attribute(&format!("k{n}"), Some((*n).into()))).count();
    assert_eq!(kept, 112);
    assert!(telemetry.set_global_attribute("k0", None) && telemetry.set_global_attribute("again", Some(1.into())));
}

/// Starts a client, records a tap, sends it and shuts down. Returns the ids of the installation and
/// of the session.
fn visit(dir: &Path, server: &FaultServer, tag: &str, target: &str) -> (Uuid, Uuid) {
    let config = builder(dir).endpoint(server.url()).device_tag(tag.to_owned()).build().unwrap();
    let telemetry = Telemetry::start(config, Consent::Granted).unwrap();
    telemetry.record_action(&Action::tap(target));
    assert!(telemetry.flush(LONG).complete);
    let ids = (telemetry.installation_id().unwrap(), telemetry.session_id().unwrap());
    let resource = resource_of(server, target);
    assert_eq!(text(&resource, "app.installation.id"), ids.0.to_string());
    assert!(telemetry.shutdown(LONG));
    ids
}

#[test]
fn a_copy_of_the_directory_on_another_device_gets_its_own_installation_and_session() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let server = FaultServer::start().unwrap();
    let first = visit(dirs[0].path(), &server, "phone-a", "one");
    assert_eq!(visit(dirs[0].path(), &server, "phone-a", "two"), first, "the next start is the same installation");
    // A restored backup copies the directory to another device like this.
    let copy = ["-a".into(), dirs[0].path().join(".").into_os_string(), dirs[1].path().into()];
    assert!(Command::new("cp").args(copy).status().unwrap().success());
    let clone = visit(dirs[1].path(), &server, "phone-b", "three");
    assert!(clone.0 != first.0 && clone.1 != first.1);
    assert_eq!(visit(dirs[1].path(), &server, "phone-b", "four"), clone);
    assert_eq!(visit(dirs[0].path(), &server, "phone-a", "five"), first);
    let written = std::fs::read_to_string(dirs[0].path().join("installation.json")).unwrap();
    assert!(!written.contains("phone-a"), "{written}");
}

#[test]
fn an_erasure_and_a_withdrawn_consent_end_the_installation() {
    let dir = tempfile::tempdir().unwrap();
    let telemetry = Telemetry::start(builder(dir.path()).build().unwrap(), Consent::Granted).unwrap();
    assert!(telemetry.drain(LONG));
    let first = telemetry.installation_id().unwrap();
    assert!(telemetry.erase(LONG));
    let second = telemetry.installation_id().unwrap();
    telemetry.set_consent(Consent::Denied).unwrap();
    assert_eq!(telemetry.installation_id(), None);
    assert!(!dir.path().join("installation.json").exists());
    telemetry.set_consent(Consent::Granted).unwrap();
    let third = telemetry.installation_id().unwrap();
    assert!(first != second && second != third && first != third);
    assert!(telemetry.shutdown(LONG));
    let telemetry = Telemetry::start(builder(dir.path()).build().unwrap(), Consent::Granted).unwrap();
    assert_eq!(telemetry.installation_id(), Some(third));
    assert!(telemetry.shutdown(LONG));
    let config = builder(dir.path()).installation_id(false).build().unwrap();
    let telemetry = Telemetry::start(config, Consent::Granted).unwrap();
    assert_eq!(telemetry.installation_id(), None);
    assert!(telemetry.shutdown(LONG));
    // An id that the app sets replaces the client's own.
    let server = FaultServer::start().unwrap();
    let config = builder(dir.path()).endpoint(server.url()).resource("app.installation.id", "mine").build().unwrap();
    let telemetry = Telemetry::start(config, Consent::Granted).unwrap();
    telemetry.record_action(&Action::tap("here"));
    assert!(telemetry.flush(LONG).complete);
    let resource = resource_of(&server, "here");
    let ids = resource.iter().filter(|entry| entry.key == "app.installation.id");
    assert_eq!(ids.count(), 1);
    assert_eq!(text(&resource, "app.installation.id"), "mine");
}

#[test]
fn a_user_that_is_set_while_the_client_is_off_is_kept_until_consent_is_withdrawn() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let config = builder(dir.path()).endpoint(server.url()).build().unwrap();
    let telemetry = Telemetry::start(config, Consent::Denied).unwrap();
    let user = |id| telemetry.set_user(Some(User { id, ..User::default() }));
    let visit = |target: &str| {
        assert!(telemetry.record_action(&Action::tap(target)).is_some(), "{target}");
        assert!(telemetry.flush(LONG).complete);
        text(&sent(&server, target).1, "user.id")
    };
    assert!(user("before consent"));
    telemetry.set_consent(Consent::Granted).unwrap();
    assert_eq!(visit("one"), "before consent");
    telemetry.set_enabled(false).unwrap();
    assert!(user("while off"));
    telemetry.set_enabled(true).unwrap();
    assert_eq!(visit("two"), "while off");
    telemetry.set_consent(Consent::Denied).unwrap();
    telemetry.set_consent(Consent::Granted).unwrap();
    assert_eq!(visit("three"), "");
    assert!(telemetry.shutdown(LONG));
    assert!(!user("after the end"));
}

#[test]
fn an_installation_that_cannot_be_read_at_first_is_found_later_and_not_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let (file, aside) = (dir.path().join("installation.json"), dir.path().join("aside"));
    let start = || Telemetry::start(builder(dir.path()).build().unwrap(), Consent::Granted).unwrap();
    let telemetry = start();
    let known = telemetry.installation_id().unwrap();
    assert!(telemetry.shutdown(LONG));
    // Before the first unlock of a device, the file is there but cannot be read. Root can read
    // files of any mode, so a link to itself stands for such a file.
    std::fs::rename(&file, &aside).unwrap();
    std::os::unix::fs::symlink(&file, &file).unwrap();
    let telemetry = start();
    telemetry.record_action(&Action::tap("locked"));
    assert!(telemetry.drain(LONG));
    assert_eq!(telemetry.installation_id(), None);
    std::fs::rename(&aside, &file).unwrap();
    until("the installation is found", || {
        telemetry.record_action(&Action::tap("unlocked"));
        telemetry.drain(LONG) && telemetry.installation_id().is_some()
    });
    assert_eq!(telemetry.installation_id(), Some(known));
}

#[test]
fn attributes_that_are_too_large_together_cost_no_event_its_service() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let telemetry =
        Telemetry::start(builder(dir.path()).endpoint(server.url()).build().unwrap(), Consent::Granted).unwrap();
    let long = "\u{1f600}".repeat(1_024);
    for n in 0..60 {
        assert!(telemetry.set_global_attribute(&format!("large{n:02}"), Some((&long).into())));
        assert!(telemetry.drain(LONG));
    }
    telemetry.record_action(&Action::tap("tap")).unwrap();
    assert!(telemetry.flush(LONG).complete);
    let (resource, record) = sent(&server, "tap");
    assert_eq!(text(&resource, "service.name"), "it");
    assert_eq!(text(&record, "large00"), long);
    assert_eq!(text(&record, "large59"), "");
    assert_eq!(crate::support::books(&telemetry).dropped.total(), 0);
}

#[test]
fn an_erasure_takes_the_totals_of_metrics_along() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let telemetry =
        Telemetry::start(builder(dir.path()).endpoint(server.url()).build().unwrap(), Consent::Granted).unwrap();
    let counter = telemetry.counter("purchases", "1").unwrap();
    for (erase, then) in [(true, 1.0), (false, 2.0)] {
        counter.record(41.0, &[]);
        if erase {
            assert!(telemetry.erase(LONG));
        } else {
            telemetry.set_consent(Consent::Denied).unwrap();
            telemetry.set_consent(Consent::Granted).unwrap();
        }
        counter.record(then, &[]);
        assert!(telemetry.flush(LONG).complete);
        let last = server.received().into_iter().rfind(|request| request.path.ends_with("/v1/metrics")).unwrap();
        let decoded = ExportMetricsServiceRequest::decode(last.body.as_slice()).unwrap();
        let metrics = decoded.resource_metrics.into_iter().flat_map(|group| group.scope_metrics);
        let values: Vec<_> = metrics
            .flat_map(|scope| scope.metrics)
            .filter_map(|metric| match metric.data {
                Some(Data::Sum(sum)) => sum.data_points.into_iter().next_back()?.value,
                _ => None,
            })
            .collect();
        assert_eq!(values, [Number::AsDouble(then)], "41 were counted before it");
    }
}
