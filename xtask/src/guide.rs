//! Follows a guide word for word: from an empty folder to the first event in an inspector.
//!
//! A guide's first sections are a list of steps. A block of shell is run, one after a file's name
//! is that file, and one of text is what the commands before it print. The rest is prose.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::steps::step;
use crate::tools::{ensure_program, quoted, swift_root, works};

/// The section with which the steps begin, and the one that follows them.
const STEPS: (&str, &str) = ("\n## Install\n", "\n## In an iOS app\n");

/// How to tell a block that starts the inspector: it does not end.
const INSPECTOR: &str = "-- inspect";

/// Where the inspector of the guide listens.
const COLLECTOR: &str = "http://127.0.0.1:4318";

/// A block of a guide's steps.
#[derive(Debug, PartialEq)]
enum Block {
    /// Commands.
    Shell(String),
    /// The path of a file, and its text.
    File(String, String),
    /// What the commands before it print.
    Printed(String),
}

/// Follows the guide for Swift, and looks for its event in the inspector.
pub(crate) fn swift_guide() -> Result<()> {
    let text = std::fs::read_to_string("docs/swift.md")?;
    let (_, steps) = text.split_once(STEPS.0).context("the guide does not begin with Install")?;
    let (steps, _) = steps.split_once(STEPS.1).context("the guide's steps have no end")?;
    let blocks = blocks(steps)?;
    ensure!(blocks.iter().filter(|block| matches!(block, Block::Shell(_))).count() > 2, "the guide has no commands");
    // Outside of the repository, whose settings a package of its own must not need.
    let folder = std::env::temp_dir().join(format!("throughline-guide-{}", std::process::id()));
    let followed = follow(&blocks, &folder);
    let _ = std::fs::remove_dir_all(&folder);
    followed
}

/// Follows the guide for Rust in a home of its own, where the checkout is as the guide has it.
pub(crate) fn rust_guide() -> Result<()> {
    ensure_program("curl", &["curl"])?;
    let text = std::fs::read_to_string("docs/first-event-rust.md")?;
    let (steps, _) = text.split_once("\n## 5. Look at it\n").context("the guide's steps have no end")?;
    let blocks = blocks(steps)?;
    ensure!(blocks.len() > 5, "the guide has no steps");
    let home = std::env::temp_dir().join(format!("throughline-guide-rust-{}", std::process::id()));
    std::fs::create_dir_all(home.join("src"))?;
    std::os::unix::fs::symlink(std::env::current_dir()?, home.join("src/throughline"))?;
    let followed = follow_in_home(&blocks, &home);
    let _ = std::fs::remove_dir_all(&home);
    followed
}

fn follow_in_home(blocks: &[Block], home: &Path) -> Result<()> {
    let script = script(blocks);
    let has_networks = Command::new("unshare").args(["--net", "true"]).output().is_ok_and(|done| done.status.success());
    let mut shell = if has_networks {
        // The port is free in a network of its own, and nothing can be downloaded there.
        let mut inside = Command::new("unshare");
        inside.args(["--net", "--pid", "--fork", "--kill-child", "sh", "-c"]);
        inside.arg(format!("set -e\nip link set lo up\n{script}")).env("CARGO_NET_OFFLINE", "true");
        ensure_program("ip", &["iproute2"])?;
        inside
    } else {
        let mut shell = Command::new("sh");
        shell.args(["-c", &script]);
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

fn follow(blocks: &[Block], folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    ensure!(std::fs::read_dir(folder)?.next().is_none(), "the folder is not empty");
    std::os::unix::fs::symlink(std::env::current_dir()?, folder.join("throughline"))?;
    ensure_program("curl", &["curl"])?;
    let script = script(blocks);
    if works("swift") {
        let mut shell = Command::new("sh");
        shell.current_dir(folder).env_remove("THROUGHLINE_LIBRARY_DIR").args(["-c", &script]);
        return step("the guide, word for word", &mut shell);
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
    inside.args(["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", &outside]);
    let followed = step("the guide, word for word", &mut inside);
    let _ = std::fs::remove_dir_all(&bin);
    followed
}

/// The blocks as a script that fails when a command does, when something else is printed, or when
/// the inspector does not have the events.
fn script(blocks: &[Block]) -> String {
    // Errors of SwiftPM are printed to standard output.
    let mut script = String::from(
        "set -e\nstart=$PWD inspector=\nexec 3>&1\n\
         trap 'test $? = 0 || cat \"$start/printed\" >&2; test -z \"$inspector\" || kill $inspector' EXIT\n",
    );
    for block in blocks {
        match block {
            Block::Shell(commands) if commands.contains(INSPECTOR) => {
                // A second terminal, in which the reader is where the first one began.
                script += &format!("(cd \"$start\"\n{commands}) &\ninspector=$!\n");
                script += &format!(
                    "until curl --silent --fail {COLLECTOR}/health/ready; do\n    kill -0 $inspector\n    sleep 0.2\ndone\n"
                );
            }
            Block::Shell(commands) => {
                script += &format!("exec >\"$start/printed\"\n{commands}exec >&3\ncat \"$start/printed\"\n");
            }
            Block::File(path, text) => {
                let folder = path.rsplit_once('/').map_or(".", |(folder, _)| folder);
                script +=
                    &format!("mkdir -p \"{folder}\"\ncat >\"{path}\" <<'END OF THE FILE'\n{text}END OF THE FILE\n");
            }
            Block::Printed(text) => {
                for line in text.lines() {
                    script += &format!("grep -qxF '{line}' \"$start/printed\"\n");
                }
            }
        }
    }
    script += &format!("session=$(curl --silent --fail {COLLECTOR}/api/sessions)\necho \"$session\"\n");
    script += "session=$(echo \"$session\" | sed 's/.*\"id\":\"\\([^\"]*\\)\".*/\\1/')\n";
    script += &format!("curl --silent --fail \"{COLLECTOR}/api/session/$session\" >\"$start/records\"\n");
    for found in ["first-event", "Home", "\"hello\"", "SayHello", "hello, world"] {
        script += &format!("grep -qF '{found}' \"$start/records\" || {{ echo 'no {found}'; exit 1; }}\n");
    }
    script
}

/// The blocks of a guide's steps.
fn blocks(text: &str) -> Result<Vec<Block>> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    let mut before = "";
    while let Some(line) = lines.next() {
        let Some(language) = line.trim_start().strip_prefix("```") else {
            if !line.trim().is_empty() {
                before = line;
            }
            continue;
        };
        let indent = line.len() - line.trim_start().len();
        let mut code = String::new();
        for line in lines.by_ref().take_while(|line| line.trim_start() != "```") {
            code += line.get(indent..).unwrap_or_default();
            code.push('\n');
        }
        blocks.push(match language {
            "sh" => Block::Shell(code),
            "text" => Block::Printed(code),
            _ => {
                let path = before.strip_suffix("`:").and_then(|before| before.rsplit('`').next());
                let Some(path) = path else { bail!("`{before}` does not end with the name of a file") };
                Block::File(path.to_owned(), code)
            }
        });
    }
    Ok(blocks)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::{Block, blocks};

    #[test]
    fn no_step_of_a_guide_is_overlooked() {
        let text = "1. Do:\n\n   ```sh\n   cd a\n     b\n   ```\n\n2. In `x`, write `a/b.swift`:\n\n   ```swift\n   c()\n\n   d()\n   ```\n\n   ```text\n   1 delivered\n   ```\n";
        let expected = [
            Block::Shell("cd a\n  b\n".to_owned()),
            Block::File("a/b.swift".to_owned(), "c()\n\nd()\n".to_owned()),
            Block::Printed("1 delivered\n".to_owned()),
        ];
        assert_eq!(blocks(text).unwrap(), expected);
        assert!(blocks("Write this:\n```swift\nc()\n```\n").is_err());
    }
}
