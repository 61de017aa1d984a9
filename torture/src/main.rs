//! Kills, damages and starves the engine with real processes, files and sockets, and counts what is
//! left.
//!
//! Every torture prints its seed first and ends with a line `N passed, N failed`. With `--seed`, a
//! run is repeated.
#![allow(clippy::print_stdout, reason = "a command line tool prints")]

mod acknowledged;
mod child;
mod corrupt;
mod crash;
mod death;
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
    /// Kills a recording process at named points, at a system call of its worker, and at random
    /// times. No acknowledged event may be lost.
    Kill(kill::Options),
    /// Flips bits, truncates files and writes random bytes into a store. Nothing may panic, and no
    /// wrong payload may be delivered.
    Corrupt(corrupt::Options),
    /// Crashes processes in every way, and looks what the next one reports.
    Crash(crash::Options),
    /// Fills a small file system under a recording process. Needs the right to mount.
    DiskFull(disk_full::Options),
    /// The process that is killed.
    #[command(hide = true)]
    Child(child::Options),
}

fn main() -> Result<()> {
    let failed = match Cli::parse().torture {
        Torture::Kill(options) => kill::run(&options)?,
        Torture::Corrupt(options) => corrupt::run(&options)?,
        Torture::Crash(options) => crash::run(&options)?,
        Torture::DiskFull(options) => disk_full::run(&options)?,
        Torture::Child(options) => return child::run(&options),
    };
    if failed > 0 {
        std::process::exit(1);
    }
    Ok(())
}
