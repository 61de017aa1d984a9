//! Runs a sample app against the inspector and the sample backend.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::cli::Language;
use crate::kotlin::kotlin;
use crate::libraries::{Build, inspector};
use crate::steps::run;
use crate::swift::swift;

/// What happens when the sample app has ended.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum After {
    /// Everything ends.
    End,
    /// The inspector serves the page of the session until Ctrl-C.
    Serve,
}

/// `cargo xtask example`.
pub(crate) fn example(language: Language, after: After) -> Result<()> {
    let port = if after == After::Serve { "4318" } else { "0" };
    let mut inspector = Inspector(
        Command::new(inspector()?)
            .args(["inspect", "--json", "--sample-backend", "--port", port])
            .stdout(Stdio::piped())
            .spawn()
            .context("the inspector")?,
    );
    let mut line = String::new();
    BufReader::new(inspector.0.stdout.take().context("the inspector has no output")?).read_line(&mut line)?;
    let printed: serde_json::Value = serde_json::from_str(&line).context("the inspector did not start")?;
    let address = |key: &str| printed.get(key).and_then(|value| value.as_str()).context("an address is missing");
    let (collector, backend) = (address("url")?, address("backend")?);
    match language {
        Language::Rust => run("quickstart", &["run", "--quiet", "--example", "quickstart"])?,
        Language::ReactNative => bail!("there is no sample app for React Native yet"),
        Language::Kotlin => {
            let arguments = format!("-Dexec.args={collector} {backend}");
            let app = ["--projects", "core,../../examples/kotlin", "--activate-profiles", "run", "process-classes"];
            kotlin(Build::Testing, &[&app[..], &[&arguments]].concat())?;
        }
        Language::Swift => {
            let app = ["run", "-c", "release", "-Xswiftc", "-enable-testing", "profile-app", collector, backend];
            swift(Build::Testing, "examples/swift/profile", &app, &[])?;
        }
    }
    if after == After::Serve {
        println!("── {collector}/ shows the session and its traces; Ctrl-C ends");
        inspector.0.wait()?;
    }
    Ok(())
}

/// A running inspector, which ends when this is dropped.
struct Inspector(Child);

impl Drop for Inspector {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
