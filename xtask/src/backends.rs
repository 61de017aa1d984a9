//! Tests the examples of backends: a real service against the client, and configurations against
//! the programs that read them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::kotlin::kotlin;
use crate::libraries::{Build, SHARED, target};
use crate::lint::FEATURES;
use crate::steps::{cargo, skip, step, step_with_output};
use crate::tools::{cache, ensure_program};

const SERVICE: &str = "examples/backends/sanic";
/// What the service and its test need, at fixed versions.
const REQUIREMENTS: [&str; 2] =
    ["examples/backends/sanic/requirements.txt", "examples/backends/sanic/requirements-test.txt"];

const CONFIGURATIONS: &str = "examples/backends/otel-collector";
/// Those that the Collector reads.
const OF_THE_COLLECTOR: [&str; 3] = ["one-machine/collector.yaml", "larger/edge.yaml", "larger/store.yaml"];
/// The source of a Collector that has what these need.
const COLLECTOR: [&str; 2] = ["xtask/collector/main.go", "xtask/collector/go.mod"];

/// The jars of the larger setup's broker.
const KAFKA: &str = "xtask/kafka/pom.xml";

/// `cargo xtask test --only backends`. The tests of the service skip nothing: with the variable
/// set, they fail if they cannot start it.
pub(crate) fn backends() -> Result<()> {
    let environment = python()?;
    let tests = ["test", "--workspace", "--features", FEATURES, "--test", "it", "--", "sanic::", "--nocapture"];
    let mut command = cargo(&tests);
    let printed = step_with_output("Sanic service", command.env("THROUGHLINE_BACKENDS_PYTHON", &environment))?;
    // Cargo is also content with a filter that no test passes.
    ensure!(printed.contains("test sanic::") && !printed.contains("skipped"), "no test has run");
    unified_view(false)?;
    let read =
        "import pathlib, sys, yaml; [yaml.safe_load(p.read_text()) for p in pathlib.Path(sys.argv[1]).rglob('*.yaml')]";
    step("YAML of the backends", Command::new(environment.join("bin/python")).args(["-c", read, CONFIGURATIONS]))?;
    let Some(collector) = collector()? else {
        skip("Collector", "there is no Go to build it with");
        return Ok(());
    };
    for name in OF_THE_COLLECTOR {
        let mut validate = Command::new(&collector);
        validate.args(["validate", "--config"]).arg(Path::new(CONFIGURATIONS).join(name));
        validate.env("KAFKA_BROKERS", "127.0.0.1:9092").env("CLICKHOUSE_URL", "tcp://127.0.0.1:9000");
        step(&format!("Collector reads {name}"), &mut validate)?;
    }
    larger_setup(&environment, &collector)
}

/// What `emit` records, through two Collectors and Kafka into ClickHouse's engine. The test skips
/// nothing when the variables are set.
fn larger_setup(environment: &Path, collector: &Path) -> Result<()> {
    let tests = ["test", "--workspace", "--features", FEATURES, "--test", "cli", "--", "larger::", "--nocapture"];
    let mut command = cargo(&tests);
    command.env("THROUGHLINE_BACKENDS_PYTHON", environment).env("THROUGHLINE_BACKENDS_COLLECTOR", collector);
    let printed = step_with_output("larger setup", command.env("THROUGHLINE_BACKENDS_KAFKA", kafka()?))?;
    ensure!(printed.contains("test larger::") && !printed.contains("skipped"), "no test has run");
    Ok(())
}

/// The class path of a broker of Kafka, which Maven keeps in its repository.
fn kafka() -> Result<String> {
    ensure_program("mvn", &["maven", "default-jdk-headless"])?;
    let list = std::path::absolute(target()?.join("kafka-classes.txt"))?;
    let mut maven = Command::new("mvn");
    maven.args(["--batch-mode", "--quiet", "--file", KAFKA, "dependency:build-classpath"]);
    step("jars of Kafka", maven.arg(format!("-Dmdep.outputFile={}", list.display())))?;
    Ok(std::fs::read_to_string(&list)?.trim().to_owned())
}

/// `cargo xtask unified-view`: one tap of the Kotlin example, whose app runs against the service.
pub(crate) fn unified_view(write: bool) -> Result<()> {
    let environment = python()?;
    let list = std::path::absolute(target()?.join("example-classes.txt"))?;
    let app =
        ["--projects", "core,okhttp,../../examples/kotlin", "--activate-profiles", "class-path", "process-classes"];
    let file = format!("-Dclass-path.file={}", list.display());
    kotlin(Build::Testing, &[&app[..], &[&file]].concat())?;
    // The other tests read what this one writes.
    let tests = if write { "unified::one_tap" } else { "unified::" };
    let tests = ["test", "--workspace", "--features", FEATURES, "--test", "it", "--", tests, "--nocapture"];
    let mut command = cargo(&tests);
    command.env("THROUGHLINE_BACKENDS_PYTHON", &environment);
    command.env("THROUGHLINE_EXAMPLE_CLASSES", std::fs::read_to_string(&list)?.trim());
    command.env("THROUGHLINE_EXAMPLE_LIBRARY", std::path::absolute(target()?.join("shipped").join(SHARED))?);
    if write {
        command.env("THROUGHLINE_BLESS", "1");
    }
    let printed = step_with_output("unified view", &mut command)?;
    ensure!(printed.contains("test unified::") && !printed.contains("skipped"), "no test has run");
    Ok(())
}

/// The Python environment with what the service needs, which is made on first use.
fn python() -> Result<PathBuf> {
    ensure_program("python3", &["python3", "python3-venv"])?;
    let root = cached("python", &Command::new("python3").arg("--version").output()?.stdout, &REQUIREMENTS)?;
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

/// A Collector with what the configurations need, if there is Go. It is built on first use, which
/// takes 2 to 8 minutes.
fn collector() -> Result<Option<PathBuf>> {
    let Some(version) = Command::new("go").arg("version").output().ok().filter(|output| output.status.success()) else {
        return Ok(None);
    };
    let root = cached("collector", &version.stdout, &COLLECTOR)?;
    let program = root.join("otelcol");
    if program.exists() {
        return Ok(Some(program));
    }
    std::fs::create_dir_all(&root)?;
    for file in COLLECTOR {
        let name = Path::new(file).file_name().context("a file has a name")?;
        std::fs::copy(file, root.join(name))?;
    }
    let go = |arguments: &[&str]| {
        let mut command = Command::new("go");
        command.current_dir(&root).args(arguments);
        command
    };
    // What only the tests of a module need is not served for all of them, hence -e.
    step("modules of the Collector", &mut go(&["mod", "tidy", "-e"]))?;
    step(
        "building the Collector, once (2 to 8 minutes)",
        &mut go(&["build", "-ldflags", "-s -w", "-o", "otelcol.unfinished", "."]),
    )?;
    std::fs::rename(root.join("otelcol.unfinished"), &program)?;
    Ok(Some(program))
}

/// Where something is kept that is made of files: its name has a hash of them and of the version of
/// the tool, so that it is made anew when one of them changes.
fn cached(name: &str, version: &[u8], files: &[&str]) -> Result<PathBuf> {
    let mut all = version.to_vec();
    for file in files {
        all.extend(std::fs::read(file).with_context(|| (*file).to_owned())?);
    }
    // FNV-1a: the same for the same bytes with every toolchain of Rust.
    let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    Ok(cache()?.join(format!("{name}-{:016x}", all.iter().fold(0xcbf2_9ce4_8422_2325, mix))))
}
