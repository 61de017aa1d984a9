//! Tests the examples of backends against the client: real services, in their own languages.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::lint::FEATURES;
use crate::steps::{cargo, step, step_with_output};
use crate::tools::{cache, ensure_program};

/// What the service and its test need, at fixed versions.
const REQUIREMENTS: [&str; 2] = ["requirements.txt", "requirements-test.txt"];
const SERVICE: &str = "examples/backends/sanic";

/// `cargo xtask test --only backends`. Nothing is skipped: with the variable set, the tests fail if
/// they cannot start the service.
pub(crate) fn backends() -> Result<()> {
    let environment = python()?;
    let tests = ["test", "--workspace", "--features", FEATURES, "--test", "it", "--", "sanic::", "--nocapture"];
    let mut command = cargo(&tests);
    let printed = step_with_output("Sanic service", command.env("THROUGHLINE_BACKENDS_PYTHON", environment))?;
    ensure!(!printed.contains("skipped") && !printed.contains("result: ok. 0 passed"), "no test has run");
    Ok(())
}

/// The Python environment with what the service needs, which is made on first use. Its name has a
/// hash of the requirements, so that it is made anew when they change.
fn python() -> Result<PathBuf> {
    ensure_program("python3", &["python3", "python3-venv"])?;
    let version = Command::new("python3").arg("--version").output()?.stdout;
    let mut all = version;
    for name in REQUIREMENTS {
        let path = Path::new(SERVICE).join(name);
        all.extend(std::fs::read(&path).with_context(|| format!("{}", path.display()))?);
    }
    let root = cache()?.join(format!("python-{:016x}", fnv(&all)));
    // Written last. A virtual environment holds its own path and cannot be renamed when it is done.
    let done = root.join("done");
    if done.exists() {
        return Ok(root);
    }
    let _ = std::fs::remove_dir_all(&root);
    std::fs::create_dir_all(cache()?)?;
    step("Python environment", Command::new("python3").args(["-m", "venv"]).arg(&root))?;
    let mut install = Command::new(root.join("bin/pip"));
    install.args(["install", "--quiet", "--disable-pip-version-check", "--requirement"]);
    step("Python packages", install.arg(Path::new(SERVICE).join("requirements-test.txt")))?;
    std::fs::write(done, "")?;
    Ok(root)
}

/// FNV-1a: the same for the same bytes with every toolchain.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
