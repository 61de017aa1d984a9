//! `cargo xtask`: one place for every command of the repository.
#![allow(clippy::print_stdout, reason = "a command line tool prints")]

mod android;
mod archive;
mod backends;
mod bench;
mod bindings;
mod calls;
mod cli;
#[cfg(test)]
mod commands;
mod connect;
mod docs;
mod example;
mod guide;
mod inspector;
mod ios;
mod kotlin;
mod libraries;
mod lint;
mod proof;
mod react_native_package;
mod release;
mod size;
mod steps;
mod swift;
mod test;
mod tools;
mod typedoc;
mod typescript;
mod xcode;

use anyhow::Result;
use clap::Parser;

use crate::cli::{Cli, Task};

fn main() -> Result<()> {
    match Cli::parse().task {
        Task::Test(options) => test::test(&options),
        Task::Bindings { check } => {
            let mode = if check { bindings::Mode::Check } else { bindings::Mode::Write };
            bindings::bindings(mode)?;
            typescript::install()?;
            bindings::react_native_bindings(mode)
        }
        Task::Lint { dependencies: true } => lint::dependencies(),
        Task::Lint { dependencies: false } => lint::lint(),
        Task::Bench(options) => bench::bench(&options),
        Task::Example { language, once: true } => example::example(language, example::After::End),
        Task::Example { language, once: false } => example::example(language, example::After::Serve),
        Task::UnifiedView { write } => backends::unified_view(write),
        Task::Guide { language: cli::Language::Rust } => guide::rust_guide(),
        Task::Guide { language: cli::Language::Swift } => guide::swift_guide(),
        Task::Guide { language: cli::Language::Kotlin } => release::kotlin_adopters(),
        Task::Guide { language: cli::Language::ReactNative } => typescript::guide(),
        Task::Guide { .. } => anyhow::bail!("there are guides to be followed for rust, swift, kotlin and react-native"),
        Task::Ios if cfg!(target_os = "macos") => release::swift::framework().map(|_| ()),
        Task::Ios => ios::ios(),
        Task::Release(options) => release::release(&options),
        Task::Docs => docs::docs(),
        Task::Archive => archive::archive(),
        Task::Proof => proof::proof(&libraries::target()?),
        Task::Size => size::size(),
        Task::Torture { arguments } => test::torture(&arguments.iter().map(String::as_str).collect::<Vec<_>>()),
        Task::Fuzz { target, seconds } => {
            let limit = format!("-max_total_time={seconds}");
            steps::run("fuzz", &["+nightly", "fuzz", "run", &target, "--", &limit])
        }
    }
}
