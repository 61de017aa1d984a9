//! The `throughline` command: a local collector with a page, a demo, and tools that show what the
//! client does.
//!
//! `demo` and `inspect` serve people, `emit`, `explain` and `propagate` also serve tests and
//! scripts: what they print on standard output is JSON. `symbolicate` serves both.

mod demo;
mod doctor;
mod emit;
mod explain;
mod guard;
mod inspect;
mod output;
mod propagate;
mod shop;
mod symbolicate;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "throughline", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Collects OTLP/HTTP on the loopback interface and serves a page of the sessions and traces.
    Inspect(inspect::Options),
    /// Runs an app, its backend and the network between them, cuts the network, kills the app, and
    /// counts the events.
    Demo(demo::Options),
    /// Records a reproducible scenario with every kind of event through the real client, and sends
    /// it.
    Emit(emit::Options),
    /// Says what keeps data from arriving: from an app's data directory, and from what an endpoint
    /// answers.
    Doctor(doctor::Options),
    /// Explains what a configuration does with one event, and which trace headers a request to its
    /// URL gets.
    Explain(explain::Options),
    /// Continues traces: reads lines `{"headers":[[name,value],…],"n":N}` and prints the headers of
    /// N child spans each.
    Propagate(propagate::Options),
    /// Names the functions and lines of a stack trace with the symbol files of the build: ELF,
    /// dSYM, Breakpad, R8 mappings and source maps.
    Symbolicate(symbolicate::Options),
    /// The app process that `demo` starts.
    #[command(hide = true)]
    DemoApp(demo::app::Options),
}

fn main() -> ExitCode {
    // The core builds reqwest without a default TLS provider, and Cargo unites the features of both
    // users. So the blocking client of the demo's app needs a provider that is installed here. It
    // fails only if one is installed already, which does as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let done = |()| ExitCode::SUCCESS;
    output::exit(match Cli::parse().command {
        Command::Inspect(options) => inspect::run(&options).map(done),
        Command::Demo(options) => demo::run(&options).map(done),
        Command::Emit(options) => emit::run(&options).map(done),
        Command::Explain(options) => explain::run(&options).map(done),
        Command::Propagate(options) => propagate::run(&options).map(done),
        Command::DemoApp(options) => demo::app::run(&options).map(done),
        Command::Doctor(options) => doctor::run(&options),
        Command::Symbolicate(options) => symbolicate::run(&options),
    })
}

#[cfg(test)]
#[path = "../../xtask/src/commands.rs"]
mod commands;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::Parser;
    use clap::error::ErrorKind;

    use super::Cli;
    use super::commands::{commands, documents};

    #[test]
    fn a_page_that_names_a_command_or_an_option_that_is_gone_is_found() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let (mut count, mut wrong) = (0, Vec::new());
        let programs = ["throughline", "cargo run -p throughline-cli --", "cargo run --quiet -p throughline-cli --"];
        for page in documents(&root).unwrap_or_default() {
            for command in commands(&std::fs::read_to_string(&page).unwrap_or_default(), &programs) {
                let words = std::iter::once("throughline").chain(command.iter().map(String::as_str));
                // Prose names a command alone, without what it needs. An example's files are not
                // there.
                let is_named = |error: &clap::Error| match error.kind() {
                    ErrorKind::MissingRequiredArgument => command.len() == 1,
                    ErrorKind::ValueValidation => error.to_string().contains("cannot open"),
                    _ => false,
                };
                if let Some(error) = Cli::try_parse_from(words).err().filter(|error| !is_named(error)) {
                    wrong.push(format!("{}: throughline {}: {error}", page.display(), command.join(" ")));
                }
                count += 1;
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert!(count > 15, "{count} commands");
        assert!(Cli::try_parse_from(["throughline", "inspect", "--portal", "1"]).is_err());
    }
}
