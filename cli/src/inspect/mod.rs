//! `inspect`: a local OTLP/HTTP collector with a page, for development.
//!
//! It shows everything that it receives to anyone who asks, so the pages are served on the loopback
//! interface only. Devices in the network may send to another address, below a secret path.

mod causes;
mod crash;
mod decode;
mod line;
mod page;
mod protojson;
pub(crate) mod received;
mod refusals;
pub(crate) mod server;
mod shown;
mod stacks;
mod views;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use serde_json::json;
use uuid::Uuid;

use received::Received;

use crate::guard::{Names, host_name};
use crate::output;
use crate::shop::Shop;
use crate::symbolicate::{self, Symbols};

/// How often the sample backend exports what it has recorded.
const EXPORT_EVERY: Duration = Duration::from_millis(200);

#[derive(Args)]
pub(crate) struct Options {
    /// Port on the loopback interface; 0 takes a free one.
    #[arg(long, default_value_t = 4318)]
    port: u16,
    /// SQLite file that keeps what arrives. Without it, everything is kept in memory and lost at
    /// the end.
    #[arg(long)]
    store: Option<PathBuf>,
    /// A further name of this machine under which clients reach the inspector, besides localhost
    /// and the addresses of the loopback interface. May be given several times.
    #[arg(long, value_name = "NAME", value_parser = host_name)]
    allow_host: Vec<String>,
    /// The address of this machine in the network, at which phones send their data. Pages are not
    /// shown there, and the path of the printed URL is a secret of this run.
    #[arg(long, value_name = "ADDRESS")]
    host: Option<IpAddr>,
    /// The secret path for --host, so that it stays the same: at least 16 letters and digits.
    #[arg(long, requires = "host", value_parser = token)]
    token: Option<String>,
    /// Folders with symbol files, at any depth, or single files: stacks are shown with functions
    /// and lines. They are read when the inspector starts.
    #[arg(long, num_args = 1.., value_name = "DIR", value_parser = symbolicate::existing)]
    symbols: Vec<PathBuf>,
    /// Print the addresses as JSON.
    #[arg(long)]
    json: bool,
    /// Also serve the backend of the sample apps. It continues the traces of its callers and
    /// reports to this inspector.
    #[arg(long)]
    sample_backend: bool,
}

/// A secret that stands in a URL, and cannot be guessed if it is random.
fn token(text: &str) -> Result<String, String> {
    if text.len() >= 16 && text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        Ok(text.to_owned())
    } else {
        Err("give at least 16 letters and digits, for example the output of `openssl rand -hex 16`".to_owned())
    }
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(serve_until_interrupted(options))
}

async fn serve_until_interrupted(options: &Options) -> Result<()> {
    let received = Arc::new(Received::open(options.store.as_deref())?);
    let names = Names::new(&options.allow_host);
    let symbols = if options.symbols.is_empty() { Symbols::default() } else { symbolicate::index(&options.symbols) };
    let (address, server) = server::bind(options.port, names.clone(), Arc::clone(&received), Arc::new(symbols)).await?;
    let server = tokio::spawn(server);
    let mut device_url = None;
    if let Some(host) = options.host {
        let token = options.token.clone().unwrap_or_else(|| Uuid::new_v4().simple().to_string());
        let (url, devices) = server::bind_for_devices(host, address.port(), &token, received).await?;
        device_url = Some(url);
        tokio::spawn(devices);
    }
    let backend = if options.sample_backend { Some(Shop::start(address, names).await?) } else { None };
    let url = format!("http://{address}");
    let backend_url = backend.as_ref().map(|backend| format!("http://{}", backend.address));
    if options.json {
        // Readers of an older version know texts alone.
        let (backend, device_url) = (backend_url.unwrap_or_default(), device_url.unwrap_or_default());
        output::line(json!({ "url": url, "backend": backend, "device_url": device_url }))?;
    } else {
        let backend = backend_url.map_or(String::new(), |url| {
            format!("The sample backend listens at {url}: PUT /api/me, POST /api/checkout.\n")
        });
        let devices = device_url.map_or(String::new(), |url| format!("Devices in the network send to {url}.\n"));
        // At once: a reader that takes the first line alone is no reason to end.
        output::line(format_args!(
            "Collecting OTLP/HTTP at {url} (protobuf and JSON, plain or gzip).\n\
             {backend}{devices}Open {url}/ in a browser. Press Ctrl-C to stop."
        ))?;
    }
    tokio::select! {
        result = server => result??,
        result = tokio::signal::ctrl_c() => result.context("waiting for Ctrl-C")?,
        () = export(backend.as_ref()) => {}
    }
    Ok(())
}

/// Exports what the sample backend records, for as long as it is polled.
async fn export(backend: Option<&Shop>) {
    loop {
        tokio::time::sleep(EXPORT_EVERY).await;
        if let Some(backend) = backend {
            // A failure needs no handling: the next round tries again.
            let _ = backend.flush().await;
        }
    }
}
