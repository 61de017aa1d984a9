//! `inspect`: a local OTLP/HTTP collector with a page, for development.
//!
//! It listens on the loopback interface only, because it shows everything that it receives to
//! anyone who asks.

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

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use serde_json::json;

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

pub(crate) fn run(options: &Options) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(serve_until_interrupted(options))
}

async fn serve_until_interrupted(options: &Options) -> Result<()> {
    let received = Arc::new(Received::open(options.store.as_deref())?);
    let names = Names::new(&options.allow_host);
    let symbols = if options.symbols.is_empty() { Symbols::default() } else { symbolicate::index(&options.symbols) };
    let (address, server) = server::bind(options.port, names.clone(), received, Arc::new(symbols)).await?;
    let server = tokio::spawn(server);
    let backend = if options.sample_backend { Some(Shop::start(address, names).await?) } else { None };
    let url = format!("http://{address}");
    let backend_url = backend.as_ref().map(|backend| format!("http://{}", backend.address));
    if options.json {
        output::line(json!({ "url": url, "backend": backend_url.unwrap_or_default() }))?;
    } else {
        let backend = backend_url.map_or(String::new(), |url| {
            format!("The sample backend listens at {url}: PUT /api/me, POST /api/checkout.\n")
        });
        // At once: a reader that takes the first line alone is no reason to end.
        output::line(format_args!(
            "Collecting OTLP/HTTP at {url} (protobuf and JSON, plain or gzip).\n\
             {backend}Open {url}/ in a browser. Press Ctrl-C to stop."
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
