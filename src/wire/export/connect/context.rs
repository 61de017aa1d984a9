//! `Context`: what many events have in common.

use crate::model::event::EventKind;
use crate::model::export::ExportRow;
use crate::model::names::{self, semconv};
use crate::model::value::AnyValue;
use crate::wire::export::tree::Tree;

use super::attributes::{Pool, write};

/// What a context is made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Shared<'a> {
    resource: &'a [(String, AnyValue)],
    /// What held for every event. Empty for a metric: it would change the identity of its series.
    globals: &'a [(String, AnyValue)],
}

impl<'a> Shared<'a> {
    pub(super) fn of(row: &'a ExportRow<'_>) -> Self {
        let globals = if row.kind() == EventKind::Metric { &[] } else { row.global_attributes() };
        Self { resource: row.resource_attributes(), globals }
    }

    /// Whether two are the same lists, which is quick to see and nearly always so.
    pub(super) fn is(&self, other: &Self) -> bool {
        let same = |one: &[_], two: &[_]| std::ptr::eq(one, two);
        same(self.resource, other.resource) && same(self.globals, other.globals) || self == other
    }
}

/// The lists of contexts, each once, and for every row the place of its own.
pub(super) fn contexts<'a>(rows: &'a [ExportRow<'_>]) -> (Vec<Shared<'a>>, Vec<u32>) {
    let mut known: Vec<Shared<'a>> = Vec::new();
    let mut places = Vec::with_capacity(rows.len());
    for shared in rows.iter().map(Shared::of) {
        // The newest first: most events have the context of the event before.
        let place = known.iter().rposition(|other| other.is(&shared)).unwrap_or_else(|| {
            known.push(shared);
            known.len() - 1
        });
        places.push(place as u32);
    }
    (known, places)
}

/// A text field of a message: its number, its name, and the attribute that it is taken from.
type Text = (u32, &'static str, &'static str);

const APP: [Text; 3] =
    [(1, "name", semconv::SERVICE_NAME), (2, "version", semconv::SERVICE_VERSION), (3, "buildId", semconv::BUILD_ID)];
const DEVICE: [Text; 4] = [
    (1, "manufacturer", semconv::DEVICE_MANUFACTURER),
    (2, "model", semconv::DEVICE_MODEL),
    (3, "modelName", semconv::DEVICE_NAME),
    (4, "architecture", semconv::HOST_ARCH),
];
const OS: [Text; 4] = [
    (1, "name", semconv::OS_NAME),
    (2, "version", semconv::OS_VERSION),
    (3, "buildId", semconv::OS_BUILD),
    (4, "type", semconv::OS_TYPE),
];
const SDK: [Text; 3] =
    [(1, "name", semconv::SDK_NAME), (2, "version", semconv::SDK_VERSION), (3, "language", semconv::SDK_LANGUAGE)];

/// Writes the fields of a `Context`.
pub(super) fn context<T: Tree>(tree: &mut T, shared: Shared<'_>) {
    let (mut resource, mut globals) = (Pool::new(shared.resource), Pool::new(shared.globals));
    texts(tree, 1, "app", &APP, &mut resource);
    texts(tree, 2, "device", &DEVICE, &mut resource);
    texts(tree, 3, "os", &OS, &mut resource);
    texts(tree, 4, "sdk", &SDK, &mut resource);
    tree.text(5, "installationId", resource.text(semconv::INSTALLATION_ID));
    tree.text(6, "environment", resource.text(semconv::DEPLOYMENT_ENVIRONMENT));
    resource.write(tree, 7, "resourceAttributes");
    user(tree, globals.behind(semconv::USER));
    write(tree, 9, "featureFlags", globals.behind(names::FEATURE_FLAG));
    let offset = globals.take(names::SERVER_OFFSET, |value| match value {
        AnyValue::Int(millis) => Some(millis.saturating_mul(1_000_000)),
        _ => None,
    });
    globals.write(tree, 10, "globalAttributes");
    if let Some(offset) = offset {
        tree.duration(11, "serverTimeOffset", offset);
    }
}

/// Writes a message of texts, if one of them is known.
fn texts<T: Tree>(tree: &mut T, number: u32, name: &str, fields: &[Text], attributes: &mut Pool<'_>) {
    let found: Vec<_> = fields.iter().map(|(number, name, key)| (*number, *name, attributes.text(key))).collect();
    if found.iter().any(|(_, _, text)| !text.is_empty()) {
        tree.message(number, name, |tree| found.iter().for_each(|(number, name, text)| tree.text(*number, name, text)));
    }
}

/// The attributes of a user, without `user.`.
fn user<T: Tree>(tree: &mut T, attributes: Vec<(&str, &AnyValue)>) {
    if attributes.is_empty() {
        return;
    }
    let mut attributes = Pool::from(attributes);
    tree.message(8, "user", |tree| {
        for (number, name) in [(1, "id"), (2, "name"), (3, "email")] {
            tree.text(number, name, attributes.text(name));
        }
        attributes.write(tree, 4, "attributes");
    });
}
