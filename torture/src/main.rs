//! Kills, corrupts and starves the engine with real processes, files and sockets, and counts what came out.
//!
//! Every torture prints its seed first and ends with a line `N passed, N failed`.
#![allow(clippy::print_stdout, reason = "a command line tool prints")]

mod child;
mod corrupt;
mod disk_full;
mod kill;
mod random;
#[cfg(target_os = "linux")]
mod system_call;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "throughline-torture", version, about)]
struct Cli {
    #[command(subcommand)]
    torture: Torture,
}

#[derive(Subcommand)]
enum Torture {
    /// Kills a recording process with SIGKILL at named points, at the n-th system call of its worker, and at random times; nothing acknowledged may be lost.
    Kill(kill::Options),
    /// Flips bits, truncates, and writes garbage into a store; no panic, no wrong payload delivered.
    Corrupt(corrupt::Options),
    /// Fills a small file system under a recording process; needs the right to mount.
    DiskFull(disk_full::Options),
    /// The process that is killed.
    #[command(hide = true)]
    Child(child::Options),
}

fn main() -> Result<()> {
    let failed = match Cli::parse().torture {
        Torture::Kill(options) => kill::run(&options)?,
        Torture::Corrupt(options) => corrupt::run(&options)?,
        Torture::DiskFull(options) => disk_full::run(&options)?,
        Torture::Child(options) => return child::run(&options),
    };
    if failed > 0 {
        std::process::exit(1);
    }
    Ok(())
}
