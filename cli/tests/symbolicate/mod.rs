//! `symbolicate`: reports of every kind against symbol files that real compilers have written.

mod android;
mod apple;
mod elf;
mod folders;
mod inspector;
mod script;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::throughline;

/// The status of a run that has lacked symbols.
const INCOMPLETE: i32 = 3;

/// What the command said.
struct Answer {
    status: i32,
    out: String,
    said: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|_| panic!("{}{}", self.out, self.said))
    }

    /// What was found for each line of the first report: `function file:line`, the inlined first.
    fn frames(&self) -> Vec<Vec<String>> {
        let json = self.json();
        let lines = json["reports"][0]["lines"].as_array().unwrap().clone();
        lines.iter().map(|line| calls(&line["frames"])).collect()
    }
}

fn calls(frames: &Value) -> Vec<String> {
    let frames = frames.as_array().cloned().unwrap_or_default();
    let call = |frame: &Value| {
        let file = frame["file"].as_str().map_or(String::new(), |file| {
            let name = Path::new(file).file_name().unwrap().to_str().unwrap().to_owned();
            frame["line"].as_u64().map_or(format!(" {name}"), |line| format!(" {name}:{line}"))
        });
        format!("{}{file}", frame["function"].as_str().unwrap())
    };
    frames.iter().map(call).collect()
}

/// Runs the command with a report on its standard input.
fn symbolicate(report: &str, arguments: &[&str], folders: &[&Path]) -> Answer {
    let mut command = throughline();
    command.args(["symbolicate", "-"]).args(arguments).arg("--debug-dir").args(folders);
    let mut process = command.stdin(std::process::Stdio::piped()).spawn().unwrap();
    let mut input = process.stdin.take().unwrap();
    input.write_all(report.as_bytes()).unwrap();
    drop(input);
    let output = process.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Answer { status: output.status.code().unwrap(), out: text(output.stdout), said: text(output.stderr) }
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/symbolicate/fixtures").join(name)
}

/// Unpacks a fixture into a file.
fn unpack(name: &str, to: &Path) {
    let packed = std::fs::File::open(fixture(name)).unwrap();
    let mut file = std::fs::File::create(to).unwrap();
    std::io::copy(&mut flate2::read::GzDecoder::new(packed), &mut file).unwrap();
}

/// Runs a tool, and returns what it printed.
fn tool(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
