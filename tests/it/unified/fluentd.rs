//! What `examples/backends/fluentd/fluentd.conf` makes of a line of a service.
//!
//! Fluentd is in no registry that a test can count on, so this reads the file and does what Fluentd
//! documents for the plugins in it. It knows just these, and fails at whatever else it finds: the
//! file cannot change without this.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

/// A record on its way.
pub type Record = Map<String, Json>;

/// `<name argument>` with what is in it.
#[derive(Debug, Default)]
struct Directive {
    name: String,
    argument: String,
    settings: BTreeMap<String, String>,
    inner: Vec<Directive>,
}

impl Directive {
    fn setting(&self, key: &str) -> &str {
        self.settings.get(key).map_or("", String::as_str)
    }

    fn kind(&self) -> &str {
        self.setting("@type")
    }

    fn is_on(&self, key: &str) -> bool {
        match self.setting(key) {
            "true" => true,
            "" | "false" => false,
            other => panic!("{key} {other}"),
        }
    }

    fn only_inner(&self, name: &str) -> &Self {
        assert!(self.inner.len() == 1 && self.inner[0].name == name, "{self:?}");
        &self.inner[0]
    }

    /// Fails at a setting whose meaning is not known here.
    fn knows(&self, settings: &[&str]) {
        for key in self.settings.keys() {
            assert!(settings.contains(&key.as_str()), "<{} {}> has {key}", self.name, self.argument);
        }
    }
}

/// A configuration that has been read.
pub struct Configuration(Directive);

impl Configuration {
    pub fn read(text: &str) -> Self {
        let mut open = vec![Directive::default()];
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if let Some(name) = line.strip_prefix("</") {
                let closed = open.pop().unwrap();
                assert_eq!(name, format!("{}>", closed.name));
                open.last_mut().unwrap().inner.push(closed);
            } else if let Some(begun) = line.strip_prefix('<').and_then(|line| line.strip_suffix('>')) {
                let (name, argument) = begun.split_once(' ').unwrap_or((begun, ""));
                open.push(Directive { name: name.to_owned(), argument: argument.to_owned(), ..Directive::default() });
            } else {
                let (key, value) = line.split_once(' ').unwrap_or((line, ""));
                open.last_mut().unwrap().settings.insert(key.to_owned(), value.trim().to_owned());
            }
        }
        assert_eq!(open.len(), 1, "a directive is not closed");
        Self(open.remove(0))
    }

    /// What reaches the store of a record that comes in by the source of a type, at a time in UTC.
    pub fn store(&self, source: &str, tag: &str, time: &str, mut record: Record) -> Record {
        let sources = self.0.inner.iter().filter(|directive| directive.name == "source");
        let mut found = sources.filter(|directive| directive.kind() == source);
        let mut label = found.next().expect("there is no such source").setting("@label");
        assert!(found.next().is_none(), "two sources are {source}");
        loop {
            let is_label = |directive: &&Directive| directive.name == "label" && directive.argument == label;
            let rules = &self.0.inner.iter().find(is_label).expect(label).inner;
            let mut next = None;
            for rule in rules {
                assert_eq!(rule.argument, "**", "other patterns are not known here");
                match (rule.name.as_str(), rule.kind()) {
                    ("filter", "parser") => record = parse(rule, record),
                    ("filter", "record_transformer") => record = transform(rule, tag, time, record),
                    ("match", kind) => {
                        next = Some((kind, rule.setting("@label")));
                        break;
                    }
                    _ => panic!("{rule:?} is not known here"),
                }
            }
            match next {
                Some(("relabel", other)) => label = other,
                Some(("http", _)) => return record,
                other => panic!("{label} ends in {other:?}"),
            }
        }
    }
}

/// The filter `parser`: a field's JSON becomes fields of the record.
fn parse(rule: &Directive, record: Record) -> Record {
    rule.knows(&[
        "@type",
        "key_name",
        "inject_key_prefix",
        "reserve_data",
        "reserve_time",
        "remove_key_name_field",
        "emit_invalid_record_to_error",
    ]);
    let form = rule.only_inner("parse");
    form.knows(&["@type", "time_key"]);
    // Otherwise a line's own time would be read, and one that is a text would drop the line.
    assert_eq!((form.kind(), form.setting("time_key")), ("json", "-"));
    let key = rule.setting("key_name");
    let parsed = record.get(key).and_then(Json::as_str).and_then(|line| serde_json::from_str::<Record>(line).ok());
    let Some(parsed) = parsed else {
        // By default the record would go to the label `@ERROR`, and not to the store.
        assert!(rule.setting("emit_invalid_record_to_error") == "false" && rule.is_on("reserve_data"));
        return record;
    };
    let mut all = if rule.is_on("reserve_data") { record } else { Record::new() };
    if rule.is_on("remove_key_name_field") {
        all.remove(key);
    }
    let prefix = rule.setting("inject_key_prefix");
    all.extend(parsed.into_iter().map(|(key, value)| (format!("{prefix}{key}"), value)));
    all
}

/// The filter `record_transformer` with `enable_ruby`.
fn transform(rule: &Directive, tag: &str, time: &str, record: Record) -> Record {
    rule.knows(&["@type", "enable_ruby"]);
    assert!(rule.is_on("enable_ruby"));
    let fields = rule.only_inner("record").settings.iter();
    let made: Vec<_> = fields.map(|(key, code)| (key.clone(), value(code, tag, time, &record))).collect();
    let mut record = record;
    record.extend(made);
    record
}

/// The value of a template: a tag, a time, or the first of some fields that is there.
fn value(template: &str, tag: &str, time: &str, record: &Record) -> Json {
    let code = template.strip_prefix("${").and_then(|code| code.strip_suffix('}')).expect(template);
    match code {
        "tag" => tag.into(),
        "time.utc.iso8601(9)" => time.into(),
        _ => {
            let field = |part: &str| {
                let key = part.trim().strip_prefix("record[\"").and_then(|part| part.strip_suffix("\"]"));
                record.get(key.unwrap_or_else(|| panic!("{template} is not known here"))).cloned()
            };
            code.split("||").filter_map(field).find(|value| !value.is_null()).unwrap_or(Json::Null)
        }
    }
}
