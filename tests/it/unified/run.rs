//! One run: what each part has sent, and which fields join the parts.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

/// What a field means. Every id has two forms, and a part that sends the wrong one joins nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Form {
    Text,
    Hex,
    Decimal,
    /// The low half of a trace's id in hex. The high half is beside it, in [`HIGH_HALF`].
    HexHalf,
    /// The same in decimal.
    DecimalHalf,
}

/// The field with the upper 64 bits of a trace's id, in hex.
pub const HIGH_HALF: &str = "/meta/_dd.p.tid";

/// A part's record: its name, its part, who sends it, and the fields that join it, by their path.
pub struct Row {
    pub name: &'static str,
    pub fields: &'static [(&'static str, Form)],
}

use Form::{Decimal, DecimalHalf, Hex, HexHalf, Text};

/// Everything that one tap leaves, in the order of its causes.
pub const ROWS: [Row; 13] = [
    Row {
        name: "view",
        fields: &[("/view/id", Text), ("/session/id", Text), ("/usr/id", Text), ("/application/id", Text)],
    },
    Row {
        name: "tap",
        fields: &[
            ("/action/id", Text),
            ("/context/trace_id", Hex),
            ("/context/span_id", Decimal),
            ("/view/id", Text),
            ("/session/id", Text),
        ],
    },
    Row {
        name: "tap span",
        fields: &[("/trace_id", HexHalf), ("/span_id", Hex), (HIGH_HALF, Text), ("/meta/rum.action.id", Text)],
    },
    Row {
        name: "operation",
        fields: &[
            ("/trace_id", HexHalf),
            ("/span_id", Hex),
            ("/parent_id", Hex),
            (HIGH_HALF, Text),
            ("/meta/rum.action.id", Text),
        ],
    },
    Row {
        name: "mutation",
        fields: &[
            ("/context/trace_id", Hex),
            ("/context/span_id", Decimal),
            ("/context/rum.action.id", Text),
            ("/context/state.cause", Text),
            ("/view/id", Text),
            ("/session/id", Text),
        ],
    },
    Row {
        name: "resource",
        fields: &[
            ("/_dd/trace_id", Hex),
            ("/_dd/span_id", Decimal),
            ("/_dd/parent_span_id", Decimal),
            ("/action/id/0", Text),
            ("/view/id", Text),
            ("/session/id", Text),
        ],
    },
    Row {
        name: "app log",
        fields: &[
            ("/dd.trace_id", Hex),
            ("/dd.span_id", Decimal),
            ("/user_action.id", Text),
            ("/view.id", Text),
            ("/session_id", Text),
            ("/application_id", Text),
        ],
    },
    Row {
        name: "request",
        fields: &[
            ("/trace_id", DecimalHalf),
            ("/span_id", Decimal),
            ("/parent_id", Decimal),
            (HIGH_HALF, Text),
            ("/meta/_dd.origin", Text),
            ("/meta/baggage.session.id", Text),
        ],
    },
    Row { name: "work", fields: &[("/span_id", Decimal), ("/parent_id", Decimal), ("/meta/usr.id", Text)] },
    Row { name: "database", fields: &[("/span_id", Decimal), ("/parent_id", Decimal)] },
    Row { name: "analytics", fields: &[("/span_id", Decimal), ("/parent_id", Decimal)] },
    Row {
        name: "service log",
        fields: &[("/trace_id", Hex), ("/app.dd.span_id", Decimal), ("/session.id", Text), ("/app.usr.id", Text)],
    },
    Row {
        name: "stored request",
        fields: &[
            ("/trace_id", Hex),
            ("/span_id", Hex),
            ("/parent_span_id", Hex),
            ("/rum.action.id", Text),
            ("/session.id", Text),
            ("/user.id", Text),
        ],
    },
];

/// Two fields that must name the same: the row and the field, and the row and the field that they
/// are joined to.
pub type Joint = [(&'static str, &'static str); 2];

/// Every joint, as `docs/unified-view.md` explains it.
pub const JOINTS: [Joint; 39] = [
    // One trace.
    [("tap span", "/trace_id"), ("tap", "/context/trace_id")],
    [("operation", "/trace_id"), ("tap", "/context/trace_id")],
    [("mutation", "/context/trace_id"), ("tap", "/context/trace_id")],
    [("resource", "/_dd/trace_id"), ("tap", "/context/trace_id")],
    [("app log", "/dd.trace_id"), ("tap", "/context/trace_id")],
    [("request", "/trace_id"), ("tap", "/context/trace_id")],
    [("service log", "/trace_id"), ("tap", "/context/trace_id")],
    [("stored request", "/trace_id"), ("tap", "/context/trace_id")],
    [("stored request", "/trace_id"), ("service log", "/trace_id")],
    // In it, each in its place.
    [("tap", "/context/span_id"), ("tap span", "/span_id")],
    [("operation", "/parent_id"), ("tap span", "/span_id")],
    [("mutation", "/context/span_id"), ("operation", "/span_id")],
    [("resource", "/_dd/parent_span_id"), ("operation", "/span_id")],
    [("app log", "/dd.span_id"), ("operation", "/span_id")],
    [("request", "/parent_id"), ("resource", "/_dd/span_id")],
    [("work", "/parent_id"), ("request", "/span_id")],
    [("database", "/parent_id"), ("work", "/span_id")],
    [("analytics", "/parent_id"), ("work", "/span_id")],
    [("service log", "/app.dd.span_id"), ("work", "/span_id")],
    [("stored request", "/span_id"), ("resource", "/_dd/span_id")],
    [("stored request", "/parent_span_id"), ("operation", "/span_id")],
    // The tap, by its own id.
    [("tap span", "/meta/rum.action.id"), ("tap", "/action/id")],
    [("operation", "/meta/rum.action.id"), ("tap", "/action/id")],
    [("mutation", "/context/rum.action.id"), ("tap", "/action/id")],
    [("resource", "/action/id/0"), ("tap", "/action/id")],
    [("app log", "/user_action.id"), ("tap", "/action/id")],
    [("stored request", "/rum.action.id"), ("tap", "/action/id")],
    // The view, the session and the user.
    [("tap", "/view/id"), ("view", "/view/id")],
    [("mutation", "/view/id"), ("view", "/view/id")],
    [("resource", "/view/id"), ("view", "/view/id")],
    [("app log", "/view.id"), ("view", "/view/id")],
    [("app log", "/application_id"), ("view", "/application/id")],
    [("app log", "/session_id"), ("view", "/session/id")],
    [("request", "/meta/baggage.session.id"), ("view", "/session/id")],
    [("service log", "/session.id"), ("view", "/session/id")],
    [("work", "/meta/usr.id"), ("view", "/usr/id")],
    [("service log", "/app.usr.id"), ("view", "/usr/id")],
    [("stored request", "/session.id"), ("service log", "/session.id")],
    [("stored request", "/user.id"), ("view", "/usr/id")],
];

/// What a part has sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Sent {
    /// The name that people read.
    pub title: String,
    /// When it began, in nanoseconds after the tap.
    pub start: u64,
    /// How long it took, if it took time.
    pub took: Option<u64>,
    /// The fields of [`ROWS`], as they were sent.
    pub fields: BTreeMap<String, Json>,
}

/// What every part has sent, by the names of [`ROWS`].
#[derive(Debug, Clone, PartialEq)]
pub struct Run(pub BTreeMap<String, Sent>);

impl Run {
    /// What was sent, of which the fields in [`ROWS`] are kept. Beside each record are its title,
    /// and its beginning and its length in nanoseconds.
    pub fn of(found: impl IntoIterator<Item = (&'static str, Json, String, u64, Option<u64>)>) -> Self {
        let found: Vec<_> = found.into_iter().collect();
        let first = found.iter().find(|(name, ..)| *name == "tap span").expect("there is a tap").3;
        let sent = found.into_iter().map(|(name, record, title, start, took)| {
            let row = ROWS.iter().find(|row| row.name == name).expect(name);
            let field = |(path, _): &(&str, Form)| {
                let value = record.pointer(path).unwrap_or_else(|| panic!("{name} has no {path}: {record}"));
                ((*path).to_owned(), value.clone())
            };
            let fields = row.fields.iter().map(field).collect();
            // RUM has milliseconds, so that the view may seem to begin after the tap.
            (name.to_owned(), Sent { title, start: start.saturating_sub(first), took, fields })
        });
        Self(sent.collect())
    }

    pub fn sent(&self, row: &str) -> &Sent {
        self.0.get(row).unwrap_or_else(|| panic!("nothing is called {row}"))
    }

    pub fn field(&self, (row, path): (&str, &str)) -> &Json {
        self.sent(row).fields.get(path).unwrap_or_else(|| panic!("{row} has no {path}"))
    }

    /// What a field names, in one form: ids as numbers. `None` if it does not have its form.
    pub fn value(&self, (row, path): (&str, &str)) -> Option<String> {
        let fields = ROWS.iter().find(|known| known.name == row)?.fields;
        let (_, form) = fields.iter().find(|(known, _)| *known == path)?;
        let plain = |json: &Json| json.as_str().map_or_else(|| json.to_string(), str::to_owned);
        let text = plain(self.field((row, path)));
        let hex = |text: &str, digits: usize| {
            let is_hex = text.len() == digits && text.bytes().all(|digit| b"0123456789abcdef".contains(&digit));
            is_hex.then(|| u128::from_str_radix(text, 16).ok()).flatten()
        };
        let decimal = |text: &str| text.parse::<u64>().ok().map(u128::from);
        let whole = |low: Option<u128>| {
            let high = hex(&plain(self.field((row, HIGH_HALF))), 16)?;
            Some(format!("{:032x}", high << 64 | low?))
        };
        match form {
            Text => Some(text),
            Hex if text.len() == 32 => hex(&text, 32).map(|id| format!("{id:032x}")),
            Hex => hex(&text, 16).map(|id| format!("{id:016x}")),
            Decimal => decimal(&text).map(|id| format!("{id:016x}")),
            HexHalf => whole(hex(&text, 16)),
            DecimalHalf => whole(decimal(&text)),
        }
    }

    /// The joints that do not hold.
    pub fn broken(&self) -> Vec<String> {
        let holds = |[joined, to]: &Joint| self.value(*joined).is_some_and(|value| self.value(*to) == Some(value));
        let said = |[(row, path), (other, to)]: &Joint| {
            format!("{row} {path} {} is not {other} {to} {}", self.field((row, path)), self.field((other, to)))
        };
        JOINTS.iter().filter(|joint| !holds(joint)).map(said).collect()
    }

    /// What does not change from run to run: the titles, the fields, and which of them have one
    /// value.
    pub fn shape(&self) -> Vec<String> {
        let mut known = Vec::new();
        let mut lines = Vec::new();
        for row in &ROWS {
            let sent = self.sent(row.name);
            lines.push(format!("{}: {}, {}", row.name, sent.title, if sent.took.is_some() { "lasts" } else { "is" }));
            for (path, _) in row.fields {
                let value = self.value((row.name, path));
                let at = known.iter().position(|known| *known == value).unwrap_or_else(|| {
                    known.push(value);
                    known.len() - 1
                });
                lines.push(format!("{} {path} #{at}", row.name));
            }
        }
        lines
    }

    pub fn json(&self) -> Json {
        let rows = ROWS.iter().map(|row| {
            let sent = self.sent(row.name);
            json!({ "name": row.name, "title": sent.title, "start": sent.start, "took": sent.took, "fields": sent.fields })
        });
        rows.collect::<Vec<_>>().into()
    }

    pub fn from_json(text: &str) -> Self {
        let rows: Vec<Json> = serde_json::from_str(text).expect("the run is JSON");
        let sent = rows.iter().map(|row| {
            let sent = Sent {
                title: row["title"].as_str().unwrap().to_owned(),
                start: row["start"].as_u64().unwrap(),
                took: row["took"].as_u64(),
                fields: serde_json::from_value(row["fields"].clone()).unwrap(),
            };
            (row["name"].as_str().unwrap().to_owned(), sent)
        });
        Self(sent.collect())
    }
}
