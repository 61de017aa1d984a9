//! `throughline`: a local collector with a page, a demo, and a scenario emitter.
#![allow(clippy::print_stdout, reason = "a command line tool prints")]

mod demo;
mod emit;
mod explain;
mod inspect;
mod propagate;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "throughline", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Collects OTLP over HTTP on the loopback and shows sessions and traces in a page.
    Inspect(inspect::Options),
    /// Runs an app, its backend and the network between them; cuts the network, kills the app, and counts.
    Demo(demo::Options),
    /// Records a seeded scenario with every kind of event through the real client.
    Emit(emit::Options),
    /// Says what would happen to an event under a configuration, and why; for a URL, which headers would go.
    Explain(explain::Options),
    /// Reads lines of headers, `{"headers":[[name,value],…],"n":N}`, and prints those of N child spans.
    Propagate(propagate::Options),
    /// The app of the demo.
    #[command(hide = true)]
    DemoApp(demo::app::Options),
}

fn main() -> Result<()> {
    // The core's reqwest comes without a default provider; the demo's own clients need one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match Cli::parse().command {
        Command::Inspect(options) => inspect::run(&options),
        Command::Demo(options) => demo::run(&options),
        Command::Emit(options) => emit::run(&options),
        Command::Explain(options) => explain::run(&options),
        Command::Propagate(options) => propagate::run(&options),
        Command::DemoApp(options) => demo::app::run(&options),
    }
}
