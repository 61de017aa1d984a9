//! The user, global attributes and feature flags stand on what is recorded after them, and on nothing before.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use prost::Message;
use throughline::event::Action;
use throughline::testing::FaultServer;
use throughline::{Consent, Telemetry, User};

use crate::app::text;
use crate::support::{LONG, builder};

/// The resource that the tap on a target was sent with.
fn resource_of(server: &FaultServer, target: &str) -> Vec<KeyValue> {
    let requests = server.received().into_iter().filter(|request| request.path.ends_with("/v1/logs"));
    let decoded = requests.map(|request| ExportLogsServiceRequest::decode(request.body.as_slice()).unwrap());
    let has = |resource: &opentelemetry_proto::tonic::logs::v1::ResourceLogs| {
        let records = resource.scope_logs.iter().flat_map(|scope| &scope.log_records);
        records.into_iter().any(|log| log.attributes.iter().any(|entry| text(&log.attributes, &entry.key) == target))
    };
    let found = decoded.flat_map(|decoded| decoded.resource_logs).find(has);
    found.and_then(|found| found.resource).unwrap_or_else(|| panic!("no {target}")).attributes
}

#[test]
fn what_is_said_of_the_user_stands_on_later_events_alone() {
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
    let resource = |name: &str| -> BTreeMap<String, String> {
        let attributes = resource_of(&server, name);
        attributes.iter().map(|entry| (entry.key.clone(), text(&attributes, &entry.key))).collect()
    };
    let (before, with, after) = (resource("before"), resource("with"), resource("after"));
    let user = ["user.id", "user.plan", "feature_flag.new-cart"];
    assert!(user.iter().all(|key| !before.contains_key(*key) && !after.contains_key(*key)));
    assert_eq!([&with["user.id"], &with["user.plan"], &with["feature_flag.new-cart"]], ["u-1", "gold", "true"]);
    assert_eq!([&after["tenant"], &after["api_key"], &after["app.state.store"]], ["acme", "[redacted]", "mine"]);
    assert!(!before.contains_key("tenant"));
}

#[test]
fn too_many_global_attributes_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let telemetry = Telemetry::start(builder(dir.path()).build().unwrap(), Consent::Granted).unwrap();
    let kept = (0..200).filter(|n| telemetry.set_global_attribute(&format!("k{n}"), Some((*n).into()))).count();
    assert_eq!(kept, 112);
    assert!(telemetry.set_global_attribute("k0", None) && telemetry.set_global_attribute("again", Some(1.into())));
}
