//! A running inspector with the sample backend, for the sample apps and for tests.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::libraries::inspector;

/// A running inspector, which ends when this is dropped.
pub(crate) struct Inspector {
    process: Child,
    /// The URL that takes telemetry and serves the page.
    pub(crate) collector: String,
    /// The URL of the sample backend.
    pub(crate) backend: String,
}

impl Inspector {
    /// Starts an inspector on a port. 0: any.
    pub(crate) fn start(port: u16) -> Result<Self> {
        let mut process = Command::new(inspector()?)
            .args(["inspect", "--json", "--sample-backend", "--port", &port.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .context("the inspector")?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().context("the inspector has no output")?).read_line(&mut line)?;
        let printed: serde_json::Value = serde_json::from_str(&line).context("the inspector did not start")?;
        let address = |key: &str| {
            printed.get(key).and_then(|url| url.as_str()).map(str::to_owned).context("an address is missing")
        };
        Ok(Self { process, collector: address("url")?, backend: address("backend")? })
    }

    /// What a page of it says.
    pub(crate) fn get(&self, path: &str) -> Result<String> {
        get(self.collector.trim_start_matches("http://"), path)
    }

    /// Waits until it is ended from outside.
    pub(crate) fn wait(&mut self) -> Result<()> {
        self.process.wait()?;
        Ok(())
    }
}

impl Drop for Inspector {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Reads a page of a server on this machine.
pub(crate) fn get(address: &str, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address).with_context(|| format!("nobody answers at {address}"))?;
    stream.set_read_timeout(Some(std::time::Duration::from_secs(20)))?;
    write!(stream, "GET {path} HTTP/1.0\r\nhost: {address}\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no HTTP")?;
    ensure!(head.lines().next().is_some_and(|line| line.contains(" 200 ")), "{path}: {head}");
    Ok(body.to_owned())
}
