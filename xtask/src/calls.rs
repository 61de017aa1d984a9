//! The constants of draft events in each language: codes of calls and enums, tags, limits, answers.
//!
//! The boundary's crate defines them and prints them as JSON (`uniffi/src/draft/table.rs`). This
//! file only spells them in the way of each language. A further language is a function and a line
//! of [`FILES`].

use std::fmt::Write;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::steps::{cargo, output};

/// Spells the table in the way of one language.
type Spell = fn(&Value) -> Result<String>;

/// What writes a file, and where it lies.
const FILES: [(Spell, &str); 4] = [
    (kotlin, "bindings/kotlin/core/src/main/kotlin/dev/throughline/internal/Calls.kt"),
    (swift, "bindings/swift/Sources/Throughline/Generated/Calls.swift"),
    (typescript, "bindings/typescript/core/src/calls.ts"),
    (cpp, "bindings/typescript/react-native/cpp/Calls.h"),
];

/// The first line of each file.
const HEADER: &str = "// Written by `cargo xtask bindings` from `uniffi/src/draft`. Do not change it by hand.";

/// Columns of a comment.
const WIDTH: usize = 100;

/// The enums that Swift's public API has: their name in the table and in Swift. The others are
/// internal.
const PUBLIC_IN_SWIFT: [(&str, &str); 6] = [
    ("ActionType", "ActionType"),
    ("ErrorKind", "ErrorKind"),
    ("Instrument", "Instrument"),
    ("MutationKind", "MutationKind"),
    ("Phase", "TracedRequest.Phase"),
    ("Severity", "Severity"),
];

/// The files: where each lies, and its text.
pub(crate) fn files() -> Result<Vec<(&'static str, String)>> {
    let arguments = ["run", "--quiet", "--package", "throughline-ffi", "--features", "bindgen", "--", "draft-table"];
    let printed = output(&mut cargo(&arguments))?;
    let table = serde_json::from_str(&printed).context("the table of calls is not JSON")?;
    FILES.iter().map(|(language, place)| Ok((*place, language(&table)?))).collect()
}

fn kotlin(table: &Value) -> Result<String> {
    let mut out = format!("{HEADER}\npackage dev.throughline.internal\n");
    let mut object = |name: &str, doc: &str, constants: Vec<Constant>| -> Result<()> {
        writeln!(out, "\n{}internal object {name} {{", kdoc("", doc))?;
        for (place, Constant { doc, name, number, value }) in constants.into_iter().enumerate() {
            let number = match number.as_str() {
                "i64" | "u64" => "Long",
                _ => "Int",
            };
            let gap = if place > 0 && !doc.is_empty() { "\n" } else { "" };
            writeln!(out, "{gap}{}    const val {name}: {number} = {value}", kdoc("    ", &doc))?;
        }
        writeln!(out, "}}")?;
        Ok(())
    };
    object("Call", "The codes of calls.", calls_of(table, snake)?)?;
    for codes in list(table, "codes")? {
        let name = format!("{}Code", text(codes, "name")?);
        object(&name, &doc_of(codes)?, cases_of(codes, snake)?)?;
    }
    for group in list(table, "constants")? {
        let constants = with_units(table, group)?;
        object(text(group, "name")?, &doc_of(group)?, constants)?;
    }
    object("Facade", FACADE_DOC, facade_of(table, "kotlin", "FIRST_SLOT", "FIRST_STORE")?)?;
    Ok(out)
}

fn swift(table: &Value) -> Result<String> {
    let mut out = format!("{HEADER}\n");
    writeln!(out, "\n/// The codes of calls.\nenum Call: UInt8 {{")?;
    for Constant { doc, name, value, .. } in calls_of(table, camel)? {
        writeln!(out, "{}    case {name} = {value}", comment("    ", &doc))?;
    }
    writeln!(out, "}}")?;
    for codes in list(table, "codes")? {
        let name = text(codes, "name")?;
        let cases = cases_of(codes, camel)?;
        match PUBLIC_IN_SWIFT.iter().find(|(known, _)| *known == name) {
            Some((_, name)) => {
                writeln!(out, "\nextension {name} {{\n    /// The code in a draft.\n    var code: UInt8 {{")?;
                writeln!(out, "        switch self {{")?;
                for case in cases {
                    writeln!(out, "        case .{}: {}", case.name, case.value)?;
                }
                writeln!(out, "        }}\n    }}\n}}")?;
            }
            None => {
                writeln!(out, "\n{}enum {name}: UInt8 {{", comment("", &doc_of(codes)?))?;
                for case in cases {
                    writeln!(out, "    case {} = {}", case.name, case.value)?;
                }
                writeln!(out, "}}")?;
            }
        }
    }
    let mut group = |name: &str, doc: &str, constants: Vec<Constant>| -> Result<()> {
        writeln!(out, "\n{}enum {name} {{", comment("", doc))?;
        for Constant { doc, name, number, value } in constants {
            let number = match number.as_str() {
                "u8" => "UInt8",
                "u32" => "UInt32",
                "u64" => "UInt64",
                "i64" => "Int64",
                _ => "Int",
            };
            writeln!(out, "{}    static let {name}: {number} = {value}", comment("    ", &doc))?;
        }
        writeln!(out, "}}")?;
        Ok(())
    };
    for constants in list(table, "constants")? {
        let name = text(constants, "name")?;
        let mut all = constants_of(constants, |name| camel(&pascal(name)))?;
        if name == "Limit" {
            for limit in list(table, "text_limits")? {
                all.push(Constant {
                    doc: format!("{} In bytes of UTF-8.", text(limit, "doc")?),
                    name: format!("{}Bytes", camel(&pascal(text(limit, "name")?))),
                    number: "usize".to_owned(),
                    value: number(limit, "utf8_bytes")?,
                });
            }
        }
        group(name, &doc_of(constants)?, all)?;
    }
    group("Facade", FACADE_DOC, facade_of(table, "swift", "firstSlot", "firstStore")?)?;
    Ok(out)
}

/// Constants without objects around them, so that a bundler puts in the numbers and leaves out the
/// rest.
fn typescript(table: &Value) -> Result<String> {
    let mut out = format!("{HEADER}\n");
    let mut group = |doc: &str, prefix: &str, constants: Vec<Constant>| -> Result<()> {
        writeln!(out, "\n// {}\n", lines(doc, WIDTH - 3).join("\n// "))?;
        for Constant { doc, name, value, .. } in constants {
            writeln!(out, "{}export const {prefix}_{name} = {value};", kdoc("", &doc))?;
        }
        Ok(())
    };
    group("The codes of calls.", "CALL", calls_of(table, snake)?)?;
    for codes in list(table, "codes")? {
        group(&doc_of(codes)?, &snake(text(codes, "name")?), cases_of(codes, snake)?)?;
    }
    for constants in list(table, "constants")? {
        group(&doc_of(constants)?, &snake(text(constants, "name")?), with_units(table, constants)?)?;
    }
    group(FACADE_DOC, "FACADE", facade_of(table, "typescript", "FIRST_SLOT", "FIRST_STORE")?)?;
    Ok(out)
}

/// What a draft consists of, as letters that one loop reads.
fn cpp(table: &Value) -> Result<String> {
    let mut out = format!("{HEADER}\n#pragma once\n\n#include <cstddef>\n#include <cstdint>\n");
    writeln!(out, "\nnamespace throughline {{\n")?;
    writeln!(
        out,
        "/// The fields of a call in their order, or null if there is no such call: `b` u8, `h` u16,\n\
         /// `w` u32, `q` u64, `i` i64, `d` f64, `f` flag, `t` text, `v` value or none,\n\
         /// `a` attributes, `H` headers, `p` phases."
    )?;
    writeln!(out, "constexpr const char *fieldsOf(uint8_t call) {{\n  switch (call) {{")?;
    for call in list(table, "calls")? {
        let letter = |field: &Value| {
            Ok(match text(field, "layout")? {
                "u16" => 'h',
                "u32" => 'w',
                "u64" => 'q',
                "i64" => 'i',
                "f64" => 'd',
                "flag" => 'f',
                "text" => 't',
                "value?" => 'v',
                "attributes" => 'a',
                "headers" => 'H',
                "phases" => 'p',
                // The enums.
                _ => 'b',
            })
        };
        let letters: Result<String> = list(call, "fields")?.iter().map(letter).collect();
        writeln!(out, "  case {}: // {}\n    return \"{}\";", number(call, "code")?, text(call, "name")?, letters?)?;
    }
    writeln!(out, "  default:\n    return nullptr;\n  }}\n}}")?;
    for constants in list(table, "constants")? {
        let group = snake(text(constants, "name")?);
        writeln!(out)?;
        for Constant { doc, name, value, .. } in with_units(table, constants)? {
            writeln!(out, "{}constexpr int64_t {group}_{name} = {value};", comment("", &doc))?;
        }
    }
    writeln!(out, "\n}} // namespace throughline")?;
    Ok(out)
}

const FACADE_DOC: &str = "Where this facade's numbers begin: other languages may share the process.";

/// A constant, in the spelling of a language.
struct Constant {
    doc: String,
    name: String,
    /// Its type in Rust.
    number: String,
    value: i64,
}

fn calls_of(table: &Value, spell: fn(&str) -> String) -> Result<Vec<Constant>> {
    let call = |call: &Value| {
        let fields: Result<Vec<String>> = list(call, "fields")?
            .iter()
            .map(|field| {
                let (name, layout) = (text(field, "name")?, text(field, "layout")?);
                Ok(if name == layout { name.to_owned() } else { format!("{name} ({layout})") })
            })
            .collect();
        let fields = match fields?.join(", ") {
            none if none.is_empty() => "No fields.".to_owned(),
            fields => format!("Fields: {fields}."),
        };
        let doc = format!("{} {fields}", doc_of(call)?);
        Ok(Constant { doc, name: spell(text(call, "name")?), number: "u8".to_owned(), value: number(call, "code")? })
    };
    list(table, "calls")?.iter().map(call).collect()
}

fn cases_of(codes: &Value, spell: fn(&str) -> String) -> Result<Vec<Constant>> {
    let case = |case: &Value| {
        let (name, value) = (spell(text(case, "name")?), number(case, "code")?);
        Ok(Constant { doc: String::new(), name, number: "u8".to_owned(), value })
    };
    list(codes, "codes")?.iter().map(case).collect()
}

fn constants_of(group: &Value, spell: fn(&str) -> String) -> Result<Vec<Constant>> {
    let constant = |constant: &Value| {
        Ok(Constant {
            doc: doc_of(constant)?,
            name: spell(text(constant, "name")?),
            number: text(constant, "number")?.to_owned(),
            value: number(constant, "value")?,
        })
    };
    list(group, "constants")?.iter().map(constant).collect()
}

/// The constants of a group. Those of the limits include the limits of texts, for languages whose
/// texts are counted in UTF-16 units.
fn with_units(table: &Value, group: &Value) -> Result<Vec<Constant>> {
    let mut constants = constants_of(group, str::to_owned)?;
    if text(group, "name")? == "Limit" {
        for limit in list(table, "text_limits")? {
            constants.push(Constant {
                doc: format!("{} In UTF-16 units.", text(limit, "doc")?),
                name: format!("{}_UNITS", text(limit, "name")?),
                number: "usize".to_owned(),
                value: number(limit, "utf16_units")?,
            });
        }
    }
    Ok(constants)
}

fn facade_of(table: &Value, language: &str, slot: &str, store: &str) -> Result<Vec<Constant>> {
    let facades = list(table, "facades")?;
    let facade = facades.iter().find(|facade| text(facade, "language").is_ok_and(|known| known == language));
    let facade = facade.with_context(|| format!("the table of calls has no facade `{language}`"))?;
    let rows = [
        ("Slots are greater than this.", slot, "u64", "first_slot"),
        ("The numbers of stores are greater than this.", store, "u32", "first_store"),
    ];
    let constant = |(doc, name, kind, key): (&str, &str, &str, &str)| {
        Ok(Constant {
            doc: doc.to_owned(),
            name: name.to_owned(),
            number: kind.to_owned(),
            value: number(facade, key)?,
        })
    };
    rows.into_iter().map(constant).collect()
}

fn list<'a>(value: &'a Value, key: &str) -> Result<&'a Vec<Value>> {
    value.get(key).and_then(Value::as_array).with_context(|| format!("the table of calls has no list `{key}`"))
}

fn text<'a>(value: &'a Value, key: &str) -> Result<&'a str> {
    value.get(key).and_then(Value::as_str).with_context(|| format!("the table of calls has no text `{key}`"))
}

fn number(value: &Value, key: &str) -> Result<i64> {
    value.get(key).and_then(Value::as_i64).with_context(|| format!("the table of calls has no number `{key}`"))
}

/// The documentation of a row, in one line.
fn doc_of(value: &Value) -> Result<String> {
    let lines: Vec<&str> = list(value, "doc")?.iter().filter_map(Value::as_str).map(str::trim).collect();
    Ok(lines.join(" "))
}

/// `StartView` as `startView`.
fn camel(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(chars).collect()
}

/// `HEADER_BYTES` as `HeaderBytes`.
fn pascal(name: &str) -> String {
    let word = |word: &str| {
        let mut chars = word.chars();
        chars.next().into_iter().chain(chars.map(|char| char.to_ascii_lowercase())).collect::<String>()
    };
    name.split('_').map(word).collect()
}

/// `StartView` as `START_VIEW`.
fn snake(name: &str) -> String {
    let mut out = String::new();
    for char in name.chars() {
        if char.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(char.to_ascii_uppercase());
    }
    out
}

/// A text as lines of a width.
fn lines(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// A text as comments of Swift.
fn comment(indent: &str, text: &str) -> String {
    let lines = lines(text, WIDTH - indent.len() - 4);
    lines.iter().map(|line| format!("{indent}/// {line}\n")).collect()
}

/// A text as a comment of Kotlin.
fn kdoc(indent: &str, text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    if indent.len() + text.len() + 7 <= WIDTH {
        return format!("{indent}/** {text} */\n");
    }
    let lines = lines(text, WIDTH - indent.len() - 3);
    let body: String = lines.iter().map(|line| format!("{indent} * {line}\n")).collect();
    format!("{indent}/**\n{body}{indent} */\n")
}
