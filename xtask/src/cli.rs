//! The command line: every command with its options.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::release;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Every command of the repository")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) task: Task,
}

#[derive(Subcommand)]
pub(crate) enum Task {
    /// Checks everything: lints, tests in Rust, Kotlin and Swift, the backends' examples, the
    /// README's commands, the short tortures. At the end it prints how long each step took.
    Test(Test),
    /// Writes the generated Swift and Kotlin code.
    Bindings {
        /// Write nothing, and fail if the committed code differs.
        #[arg(long)]
        check: bool,
    },
    /// Checks formatting, clippy, documentation, and the licences and sources of dependencies.
    Lint {
        /// Check the licences and sources of dependencies alone. Compiles cargo-deny (5 to 15
        /// minutes) if there is none on the path or in the cache.
        #[arg(long)]
        dependencies: bool,
    },
    /// Measures the engine beside its peers, and the facades, and prints the figures.
    Bench(Bench),
    /// Runs a sample app against the inspector and a sample backend, and serves its session's page.
    Example {
        /// The language of the sample app.
        #[arg(value_enum)]
        language: Language,
        /// End when the app has ended.
        #[arg(long)]
        once: bool,
    },
    /// Follows one tap of the Kotlin example into Datadog's intakes, a service, its spans and its
    /// logs, and checks that one trace joins them.
    UnifiedView {
        /// Write the run and its picture to `docs/`.
        #[arg(long)]
        write: bool,
    },
    /// Follows the guide for a language word for word, from an empty folder to the first event.
    Guide {
        /// The language.
        #[arg(value_enum)]
        language: Language,
    },
    /// Builds the arm64 static library for iOS; on a Mac the XCFramework.
    Ios,
    /// Writes everything that is published, with checksums and the list of what is in it; or what
    /// is published of one language.
    Release(release::Options),
    /// Writes the pages of the API in every language to `target/docs`.
    Docs,
    /// Checks the shipped static library: it shows only our symbols, and links beside another
    /// SQLite.
    Archive,
    /// Proves on the compiled code that the crash handler calls nobody but the kernel.
    Proof,
    /// Prints the size of the shipped libraries.
    Size,
    /// Runs a torture: `cargo xtask torture kill -n 2000`.
    Torture {
        /// The torture's name and its options.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        arguments: Vec<String>,
    },
    /// Runs one fuzz target: `draft`, `frame`, `headers`, `journal`, `response` or `row`. Needs a
    /// nightly toolchain and cargo-fuzz.
    Fuzz {
        /// The name of the target.
        target: String,
        /// How long to run, in seconds.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
}

#[derive(Args)]
pub(crate) struct Test {
    /// Test one language only.
    #[arg(long, value_enum)]
    pub(crate) only: Option<Language>,
    /// How often a recording process is killed in Kotlin, in Swift and in Hermes. Programs of Swift
    /// and of Hermes crash as often, and at least 50 times.
    #[arg(long, default_value_t = 5)]
    pub(crate) kills: u32,
    /// Also write the time of each step to this file.
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct Bench {
    /// Also write the rows to this file.
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
    /// Length of the paced recording, in seconds. The published figures are for 60.
    #[arg(long, default_value_t = 60)]
    pub(crate) seconds: u64,
    /// Leave out the peers.
    #[arg(long)]
    pub(crate) no_peers: bool,
    /// Measure Kotlin and Swift only.
    #[arg(long, conflicts_with = "no_languages")]
    pub(crate) languages: bool,
    /// Leave out Kotlin and Swift.
    #[arg(long)]
    pub(crate) no_languages: bool,
    /// Measure only what goes over the wire: bytes an event, and the speed of a flush.
    #[arg(long, conflicts_with = "languages")]
    pub(crate) wire: bool,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub(crate) enum Language {
    Rust,
    Kotlin,
    Swift,
    /// TypeScript, in Node and in Hermes.
    ReactNative,
    /// The services and configurations below `examples/backends`, against the Rust client and an
    /// app in Kotlin.
    Backends,
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::Parser;

    use super::Cli;
    use crate::commands::{commands, documents};

    #[test]
    fn a_page_that_names_a_command_or_an_option_that_is_gone_is_found() -> anyhow::Result<()> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let (mut count, mut wrong) = (0, Vec::new());
        for page in documents(&root)? {
            for command in commands(&std::fs::read_to_string(&page)?, &["cargo xtask"]) {
                let words = std::iter::once("xtask").chain(command.iter().map(String::as_str));
                if let Err(error) = Cli::try_parse_from(words) {
                    wrong.push(format!("{}: cargo xtask {}: {error}", page.display(), command.join(" ")));
                }
                count += 1;
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert!(count > 30, "{count} commands");
        assert!(Cli::try_parse_from(["xtask", "release", "pascal"]).is_err());
        Ok(())
    }
}
