//! Follows a guide word for word: from an empty folder to the first event in an inspector.
//!
//! A guide's first sections are a list of steps. A block of shell is run, one after a file's name
//! is that file, and one of text is what the commands before it print. The rest is prose.

mod react_native;
mod script;
mod steps;

use std::fmt::Write;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::release::Outside;
use crate::steps::step;
use crate::tools::{ensure_program, quoted, swift_root, works};
use script::{Follow, script};
use steps::steps;

pub(crate) use react_native::react_native_guide;

/// The sections that are followed begin with it, and the section that follows them.
const INSTALL: &str = "## Install\n";
const NOTHING: &str = "## Nothing arrives?\n";

/// Follows the guide for Swift, and looks for its event in the inspector.
pub(crate) fn swift_guide() -> Result<()> {
    let steps = steps(&std::fs::read_to_string("docs/swift.md")?, INSTALL, "## In an iOS app\n")?;
    let script = script(&steps, &Follow::default());
    // Outside of the repository, whose settings a package of its own must not need.
    let folder = std::env::temp_dir().join(format!("throughline-guide-{}", std::process::id()));
    let followed = with_swift(&script, &folder);
    let _ = std::fs::remove_dir_all(&folder);
    followed
}

/// Follows the guide for Rust in a home of its own, where the checkout is as the guide has it.
pub(crate) fn rust_guide() -> Result<()> {
    ensure_program("curl", &["curl"])?;
    let text = std::fs::read_to_string("docs/first-event-rust.md")?;
    let steps = steps(&text, "# Your first event: Rust\n", "## 5. Look at it\n")?;
    let script = script(&steps, &Follow::default());
    let home = std::env::temp_dir().join(format!("throughline-guide-rust-{}", std::process::id()));
    std::fs::create_dir_all(home.join("src"))?;
    std::os::unix::fs::symlink(std::env::current_dir()?, home.join("src/throughline"))?;
    let followed = in_home(&script, &home);
    let _ = std::fs::remove_dir_all(&home);
    followed
}

/// Follows the guide for Kotlin in a home outside the checkout, where it leaves the artifacts that
/// it publishes. Maven may have to download, so the network is that of the machine.
pub(crate) fn kotlin_guide(outside: &Outside) -> Result<()> {
    let steps = steps(&std::fs::read_to_string("docs/kotlin.md")?, INSTALL, NOTHING)?;
    in_the_machines_network("the guide for Kotlin, word for word", outside, |port| {
        script(&steps, &Follow { port, ..Follow::default() })
    })
}

/// Runs a script in a home outside the checkout, which lies where guides have it. Another program
/// may have the guide's port, so another one stands in for it.
fn in_the_machines_network(name: &str, outside: &Outside, script: impl FnOnce(u16) -> String) -> Result<()> {
    ensure_program("curl", &["curl"])?;
    std::fs::create_dir_all(outside.0.join("src"))?;
    std::os::unix::fs::symlink(std::env::current_dir()?, outside.0.join("src/throughline"))?;
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let mut shell = outside.command("bash");
    step(name, shell.current_dir(&outside.0).args(["-c", &script(port)]))
}

fn in_home(script: &str, home: &Path) -> Result<()> {
    let has_networks = Command::new("unshare").args(["--net", "true"]).output().is_ok_and(|done| done.status.success());
    let mut shell = if has_networks {
        // The port is free in a network of its own, and nothing can be downloaded there.
        let mut inside = Command::new("unshare");
        inside.args(["--net", "--pid", "--fork", "--kill-child", "bash", "-c"]);
        inside.arg(format!("set -e\nip link set lo up\n{script}")).env("CARGO_NET_OFFLINE", "true");
        ensure_program("ip", &["iproute2"])?;
        inside
    } else {
        let mut shell = Command::new("bash");
        shell.args(["-c", script]);
        shell
    };
    let of_the_user = std::env::home_dir().context("there is no home directory")?;
    for (name, folder) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
        if std::env::var_os(name).is_none() {
            shell.env(name, of_the_user.join(folder));
        }
    }
    shell.current_dir(home).env("HOME", home).env("TMPDIR", home).env_remove("CARGO_TARGET_DIR");
    step("the guide for Rust, word for word", &mut shell)
}

fn with_swift(script: &str, folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    ensure!(std::fs::read_dir(folder)?.next().is_none(), "the folder is not empty");
    std::os::unix::fs::symlink(std::env::current_dir()?, folder.join("throughline"))?;
    ensure_program("curl", &["curl"])?;
    if works("swift") {
        let mut shell = Command::new("bash");
        shell.current_dir(folder).env_remove("THROUGHLINE_LIBRARY_DIR").args(["-c", script]);
        return step("the guide for Swift, word for word", &mut shell);
    }
    ensure_program("ip", &["iproute2"])?;
    let root = swift_root()?;
    // Swift is in another root, in which the folders have the same names. What the guide starts
    // ends with it, and its port is free because the network is its own.
    let bin = folder.with_extension("bin");
    std::fs::create_dir_all(&bin)?;
    let swift = format!(
        "#!/bin/sh\nexec chroot {} env -i HOME=/root PATH=/usr/bin:/bin sh -c 'cd \"$0\" && exec swift \"$@\"' \"$PWD\" \"$@\"\n",
        quoted(&root)?
    );
    std::fs::write(bin.join("swift"), swift)?;
    step("swift", Command::new("chmod").arg("+x").arg(bin.join("swift")))?;
    let checkout = std::env::current_dir()?;
    let mut mounts = String::new();
    for place in [folder, &checkout] {
        let (from, to) = (quoted(place)?, quoted(&root.join(place.strip_prefix("/")?))?);
        writeln!(mounts, "mkdir -p {to}\nmount --bind {from} {to}")?;
    }
    let outside = format!(
        "set -e\nip link set lo up\nmount -t proc proc {root}/proc\nmount --rbind /dev {root}/dev\n\
         mount -t tmpfs tmpfs {root}/tmp\n{mounts}export CARGO_NET_OFFLINE=true PATH={bin}:\"$PATH\"\n\
         cd {folder}\n{script}",
        root = quoted(&root)?,
        bin = quoted(&bin)?,
        folder = quoted(folder)?,
    );
    let mut inside = Command::new("unshare");
    inside.args(["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "bash", "-c", &outside]);
    let followed = step("the guide for Swift, word for word", &mut inside);
    let _ = std::fs::remove_dir_all(&bin);
    followed
}
