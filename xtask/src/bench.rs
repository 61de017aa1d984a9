//! The figures of the engine and of the facades, in one table and one file.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use crate::cli::Bench;
use crate::kotlin::maven;
use crate::libraries::{Build, target};
use crate::steps::{run, step_with_output};
use crate::swift::{PACKAGE, command};
use crate::typescript::hermes_figures;

/// The most that a row of the facades may be. Rows that are not listed have no goal.
const GOALS: [(&str, f64); 6] = [
    ("swift_record_p50_ns", 300.0),
    ("kotlin_record_p50_ns", 500.0),
    ("kotlin_null_check_times", 2.0),
    ("hermes_record_p50_ns", 700.0),
    ("hermes_ignored_ns", 300.0),
    ("hermes_lost_events", 0.0),
];

/// `cargo xtask bench`.
pub(crate) fn bench(options: &Bench) -> Result<()> {
    let mut rows = Vec::new();
    if !options.languages {
        rows.extend(engine(options)?);
    }
    if !options.no_languages && !options.wire {
        let facades = facades()?;
        print(&facades);
        rows.extend(facades);
    }
    let Some(path) = &options.json else { return Ok(()) };
    std::fs::write(path, format!("{:#}\n", json!({ "rows": rows }))).with_context(|| format!("{}", path.display()))
}

/// The rows of the engine and its peers. The program prints them itself.
fn engine(options: &Bench) -> Result<Vec<Value>> {
    let seconds = options.seconds.to_string();
    let file = target()?.join("bench.json");
    std::fs::create_dir_all(target()?)?;
    let path = file.to_str().context("a path is not UTF-8")?;
    let mut arguments = vec!["run", "--quiet", "--release", "--manifest-path", "benches/peers/Cargo.toml", "--"];
    arguments.extend(["--seconds", &seconds, "--json", path]);
    if options.no_peers {
        arguments.push("--no-peers");
    }
    if options.wire {
        arguments.push("--wire");
    }
    run("engine", &arguments)?;
    read_rows(&file)
}

fn read_rows(file: &Path) -> Result<Vec<Value>> {
    let mut read: Value = serde_json::from_str(&std::fs::read_to_string(file)?)?;
    let rows = read.get_mut("rows").and_then(Value::as_array_mut).context("the engine wrote no rows")?;
    Ok(std::mem::take(rows))
}

/// The rows of Kotlin and Swift, each measured in its own runtime.
fn facades() -> Result<Vec<Value>> {
    let main = ["test-compile", "exec:java", "-Dexec.mainClass=dev.throughline.BenchKt", "-Dexec.classpathScope=test"];
    let mut kotlin = maven(Build::Shipped, &[&["--projects", "core"][..], &main].concat())?;
    let mut rows = rows_in(&step_with_output("Kotlin", &mut kotlin)?).context("Kotlin printed no figures")?;
    let tests = ["test", "-c", "release", "-Xswiftc", "-enable-testing", "--filter", "BenchTests"];
    let mut swift = command(Build::Shipped, PACKAGE, &tests, &[("THROUGHLINE_BENCH", "1")])?;
    rows.extend(rows_in(&step_with_output("Swift", &mut swift)?).context("Swift printed no figures")?);
    rows.extend(rows_in(&hermes_figures()?).context("Hermes printed no figures")?);
    Ok(rows)
}

/// The rows in what a facade's bench printed: the figures are an object of JSON at the end of a
/// line. Maven puts the codes of its colours before it.
fn rows_in(printed: &str) -> Option<Vec<Value>> {
    let object = |line: &str| serde_json::from_str::<Map<String, Value>>(line.get(line.find('{')?..)?.trim()).ok();
    let figures = printed.lines().find_map(object)?;
    Some(figures.iter().filter_map(|(name, value)| row(name, value.as_f64()?)).collect())
}

/// A row in the form of the engine's. The unit is the end of the name.
fn row(name: &str, value: f64) -> Option<Value> {
    let (_, unit) = name.rsplit_once('_')?;
    let goal = GOALS.iter().find(|(known, _)| *known == name).map(|(_, most)| *most);
    let text = goal.map(|most| format!("<= {most:.1}")).unwrap_or_default();
    Some(
        json!({ "name": name, "value": value, "unit": unit, "goal": text, "ok": goal.is_none_or(|most| value <= most) }),
    )
}

fn print(rows: &[Value]) {
    println!("\n{:<38} {:>12} {:<4} {:>10}  ok", "figure", "value", "unit", "goal");
    for row in rows {
        let text = |key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default();
        let value = row.get("value").and_then(Value::as_f64).unwrap_or_default();
        let mark = match row.get("ok").and_then(Value::as_bool) {
            _ if text("goal").is_empty() => "",
            Some(true) => "yes",
            _ => "NO",
        };
        println!("{:<38} {value:>12.1} {:<4} {:>10}  {mark}", text("name"), text("unit"), text("goal"));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use super::rows_in;

    #[test]
    fn figures_among_other_lines_are_not_overlooked() {
        let printed =
            "Test Case started\n{\"swift_record_p50_ns\":301,\"kotlin_first_call_ms\":1.5}\nTest Case passed\n";
        let rows = rows_in(printed).unwrap();
        let of = |name: &str| rows.iter().find(|row| row["name"] == name).unwrap();
        let (record, first) = (of("swift_record_p50_ns"), of("kotlin_first_call_ms"));
        assert_eq!(
            (record["value"].as_f64(), record["unit"].as_str(), record["ok"].as_bool()),
            (Some(301.0), Some("ns"), Some(false))
        );
        assert_eq!(
            (first["value"].as_f64(), first["unit"].as_str(), first["ok"].as_bool()),
            (Some(1.5), Some("ms"), Some(true))
        );
        assert!(rows_in("Test Case started\n").is_none());
    }

    #[test]
    fn figures_are_read_behind_the_codes_of_a_terminal() {
        let printed =
            "── Kotlin\n\u{1b}[0m\u{1b}[0m{\"kotlin_record_p50_ns\":240,\"kotlin_first_start_ms\":4.1}\n\u{1b}[0m";
        let rows = rows_in(printed).unwrap();
        let named = |name: &str| rows.iter().find(|row| row["name"] == name).map(|row| row["value"].as_f64());
        assert_eq!(named("kotlin_record_p50_ns"), Some(Some(240.0)));
        assert_eq!(named("kotlin_first_start_ms"), Some(Some(4.1)));
    }
}
