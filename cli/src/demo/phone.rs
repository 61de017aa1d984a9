//! The app's process, as the demo holds it.

use std::collections::HashSet;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::protocol::{Cue, ID_PREFIX, Report};

/// How long the app may take for one step.
const STEP: Duration = Duration::from_secs(60);
/// The number of the signal of an access to memory that is not there, on every Unix.
const SIGSEGV: i32 = 11;
/// Characters of an id. A line that the kill has cut off is shorter.
const ID_LENGTH: usize = 36;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Launch {
    First,
    /// After the process of the first launch was killed.
    Second,
    /// After the process of the second launch has crashed.
    Third,
}

/// Where the app reaches its backends.
pub(super) struct Backends {
    pub(super) collector: String,
    pub(super) shop: String,
}

pub(super) struct Phone {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
    /// `None` once the app is told nothing more.
    input: Option<ChildStdin>,
    acknowledged: HashSet<String>,
}

impl Phone {
    pub(super) fn start(data_dir: &Path, backends: &Backends, launch: Launch) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("demo-app").arg("--data-dir").arg(data_dir);
        command.args(["--collector", &backends.collector, "--shop", &backends.shop]);
        match launch {
            Launch::First => {}
            Launch::Second => _ = command.arg("--relaunch"),
            Launch::Third => _ = command.arg("--after-crash"),
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().context("starting the app")?;
        let lines = BufReader::new(process.stdout.take().context("the app has no standard output")?).lines();
        let input = process.stdin.take().context("the app has no standard input")?;
        Ok(Self { process, lines, input: Some(input), acknowledged: HashSet::new() })
    }

    pub(super) async fn give(&mut self, cue: Cue) -> Result<()> {
        let input = self.input.as_mut().context("the app is told nothing more")?;
        Ok(input.write_all(format!("{}\n", cue.line()).as_bytes()).await?)
    }

    /// Waits for the app's next report. `step` names it in errors.
    pub(super) async fn report(&mut self, step: &str) -> Result<Report> {
        let read = async {
            while let Some(line) = self.lines.next_line().await? {
                match line.strip_prefix(ID_PREFIX) {
                    Some(id) => {
                        self.acknowledged.insert(id.to_owned());
                    }
                    None => return serde_json::from_str(&line).with_context(|| format!("the app wrote `{line}`")),
                }
            }
            bail!("the app ended before it had reported the {step}")
        };
        tokio::time::timeout(STEP, read).await.with_context(|| format!("the app did not report the {step} in time"))?
    }

    /// Kills the process with SIGKILL. Returns the ids of the events that it has acknowledged.
    pub(super) async fn kill(mut self) -> Result<HashSet<String>> {
        self.process.start_kill()?;
        self.read_to_end().await
    }

    /// Waits until the app has crashed. Returns the ids of the events that it has acknowledged.
    pub(super) async fn crash(mut self) -> Result<HashSet<String>> {
        let status =
            tokio::time::timeout(STEP, self.process.wait()).await.context("the app did not crash in time")??;
        ensure!(status.signal() == Some(SIGSEGV), "the app did not crash as it should: {status}");
        self.read_to_end().await
    }

    /// Waits until the app has ended by itself. Returns the ids of the events that it has
    /// acknowledged.
    pub(super) async fn wait(mut self) -> Result<HashSet<String>> {
        self.input = None;
        let status = tokio::time::timeout(STEP, self.process.wait()).await.context("the app did not end in time")??;
        ensure!(status.success(), "the app failed: {status}");
        self.read_to_end().await
    }

    /// Reads the lines that are still in the pipe. A line that the kill has cut off acknowledges
    /// nothing.
    async fn read_to_end(mut self) -> Result<HashSet<String>> {
        while let Ok(Some(line)) = self.lines.next_line().await {
            if let Some(id) = line.strip_prefix(ID_PREFIX).filter(|id| id.len() == ID_LENGTH) {
                self.acknowledged.insert(id.to_owned());
            }
        }
        self.process.wait().await?;
        Ok(self.acknowledged)
    }
}
