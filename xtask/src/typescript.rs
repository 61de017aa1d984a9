//! Builds and tests the TypeScript packages: in Node, and in Hermes, the engine of React Native.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::bindings::{Mode, react_native_bindings};
use crate::guide::react_native_guide;
use crate::inspector::Inspector;
use crate::libraries::{WORKSPACE, inspector, target};
use crate::react_native_package::react_native_package;
use crate::steps::{run, step, step_with_output};
use crate::tools::{ensure_program, hermes};
use crate::typedoc::type_doc;

/// The forms in which an app may ship its code: React Native's preset lowers `async` functions, and
/// builds for production leave out what only developers need.
const FORMS: [[&str; 2]; 3] = [["lowered", "development"], ["preserved", "development"], ["lowered", "production"]];

/// The tests that run in Hermes, too.
const HERMES_TESTS: [&str; 11] = [
    "adapters",
    "client",
    "context",
    "drafts",
    "heap",
    "native",
    "panic",
    "profile",
    "rejections",
    "story",
    "websocket",
];

/// Tells a test where the inspector and the sample backend are.
fn told(inspector: &Inspector, mut test: Command) -> Command {
    test.env("THROUGHLINE_COLLECTOR", &inspector.collector).env("THROUGHLINE_BACKEND", &inspector.backend);
    test
}

/// The seed of the times at which processes are killed.
const KILL_SEED: &str = "20260101";

/// Tests the packages, in Node and in Hermes. A recording Hermes is killed so often.
pub(crate) fn typescript(kills: u32) -> Result<()> {
    packages()?;
    std::fs::create_dir_all(Path::new(WORKSPACE).join("build"))?;
    let library = harness()?;
    addon(&library)?;
    let cli = inspector()?;
    let inspector = Inspector::start(0)?;
    for mode in ["development", "production"] {
        let mut tests = told(&inspector, in_workspace("node"));
        tests.env("NODE_ENV", mode);
        tests.args([
            "--expose-gc",
            "--import",
            "./harness/preload.mjs",
            "--test",
            "core/build/test/",
            "react-native/build/test/",
            "harness/build/test/",
        ]);
        step(&format!("tests in Node ({mode})"), &mut tests)?;
    }
    let program = hermes_program(&library)?;
    for form in FORMS {
        let bundles = bundles(form)?;
        for name in HERMES_TESTS {
            let mut test = told(&inspector, in_hermes(&program, &bundles.join(format!("{name}.test.js")))?);
            step(&format!("{name} in Hermes ({})", form.join(", ")), &mut test)?;
        }
    }
    let mut processes = told(&inspector, in_workspace("node"));
    processes
        .env("THROUGHLINE_HERMES", &program)
        .env("THROUGHLINE_CLI", &cli)
        .env("THROUGHLINE_BUNDLES", std::path::absolute(bundles_of(FORMS[2]))?);
    processes.env("THROUGHLINE_KILLS", kills.to_string()).env("THROUGHLINE_SEED", KILL_SEED);
    processes.args(["--import", "./harness/preload.mjs", "--test", "harness/build/parents/"]);
    step(&format!("kills, crashes and reloads of Hermes (seed {KILL_SEED})"), &mut processes)?;
    react_native_package()?;
    type_doc(&target()?.join("docs/typescript"))?;
    react_native_guide(&program)
}

/// Follows the guide for React Native alone.
pub(crate) fn guide() -> Result<()> {
    packages()?;
    std::fs::create_dir_all(Path::new(WORKSPACE).join("build"))?;
    react_native_guide(&hermes_program(&harness()?)?)
}

/// Installs what the packages need.
pub(crate) fn install() -> Result<()> {
    ensure_program("npm", &["nodejs", "npm", "libnode-dev"])?;
    step("npm packages", in_workspace("npm").args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]))
}

/// Checks the packages, and compiles them.
fn packages() -> Result<()> {
    install()?;
    react_native_bindings(Mode::Check)?;
    step("format of TypeScript", in_workspace("npx").args(["prettier", "--check", "--log-level", "warn", "."]))?;
    compile()
}

/// Installs what the packages need, and compiles them.
pub(crate) fn build() -> Result<()> {
    install()?;
    compile()
}

fn compile() -> Result<()> {
    step("TypeScript", in_workspace("npx").args(["tsc", "--build"]))?;
    step("generated code", in_workspace("node").arg("react-native/generated/bundle.mjs"))
}

fn in_workspace(program: &str) -> Command {
    let mut command = Command::new(program);
    command.current_dir(WORKSPACE);
    command
}

/// Builds the core and the backend of the tests as one static library, in the shipped profile.
pub(crate) fn harness() -> Result<PathBuf> {
    run("harness", &["build", "--quiet", "--profile", "shipped", "--package", "throughline-harness"])?;
    Ok(target()?.join("shipped/libthroughline_harness.a"))
}

fn compiler() -> Command {
    let mut compiler = in_workspace("c++");
    compiler.args(["-std=c++20", "-O2"]);
    compiler
}

/// Links the library as an addon of Node's.
fn addon(library: &Path) -> Result<()> {
    let mut compiler = compiler();
    compiler.args(WARNINGS).args(["-shared", "-fPIC", "-I/usr/include/node", "harness/node.cpp"]).arg(library);
    step("addon for Node", compiler.args(["-o", "build/throughline_harness.node", "-lpthread", "-ldl", "-lm"]))
}

/// Links the library with Hermes. Returns the program.
pub(crate) fn hermes_program(library: &Path) -> Result<PathBuf> {
    let hermes = hermes()?;
    let (source, build) = (hermes.join("source"), hermes.join("build"));
    let program = std::path::absolute(Path::new(WORKSPACE).join("build/hermes"))?;
    let with_headers = || {
        let mut compiler = compiler();
        for include in ["API", "API/jsi", "public"] {
            compiler.arg("-isystem").arg(source.join(include));
        }
        for include in REACT_NATIVE_HEADERS {
            compiler.arg("-isystem").arg(Path::new("node_modules").join(include));
        }
        compiler
    };
    // The generated code is compiled apart, because it has warnings.
    let generated = "react-native/cpp/generated/throughline_attach.cpp";
    step("generated C++", with_headers().args(["-w", "-c", generated, "-o", "build/throughline_attach.o"]))?;
    let mut compiler = with_headers();
    compiler.args(WARNINGS).args(["harness/hermes.cpp", "react-native/cpp/Door.cpp", "react-native/cpp/Module.cpp"]);
    compiler.arg("build/throughline_attach.o").arg(library);
    for archive in HERMES_ARCHIVES {
        compiler.arg(build.join(archive));
    }
    compiler.args(["-licuuc", "-licui18n", "-licudata", "-lpthread", "-ldl", "-lm", "-o"]).arg(&program);
    step("harness of Hermes", &mut compiler)?;
    Ok(program)
}

const WARNINGS: [&str; 3] = ["-Wall", "-Wextra", "-Werror"];

/// Headers in npm packages: React Native's, and those of the generated code.
const REACT_NATIVE_HEADERS: [&str; 3] =
    ["react-native/ReactCommon/callinvoker", "react-native/ReactCommon", "uniffi-bindgen-react-native/cpp/includes"];

/// What Hermes' build leaves.
const HERMES_ARCHIVES: [&str; 4] = [
    "lib/libhermesvm_a.a",
    "API/hermes/libhermesapi.a",
    "jsi/libjsi.a",
    "external/boost/boost_1_86_0/libs/context/libboost_context.a",
];

/// The folder of the bundles of a form and a mode, below the workspace.
fn bundles_of(form: [&str; 2]) -> PathBuf {
    Path::new(WORKSPACE).join("build").join(format!("hermes-{}", form.join("-")))
}

/// Bundles the tests. Returns their folder.
pub(crate) fn bundles(form: [&str; 2]) -> Result<PathBuf> {
    let folder = std::path::absolute(bundles_of(form))?;
    let mut bundle = in_workspace("node");
    let bundle = bundle.arg("harness/bundle.mjs").arg(&folder).args(form);
    step(&format!("bundles ({})", form.join(", ")), bundle)?;
    Ok(folder)
}

/// A bundle in Hermes.
pub(crate) fn in_hermes(program: &Path, bundle: &Path) -> Result<Command> {
    let mut command = Command::new(program);
    let repository = std::env::current_dir().context("the working directory is gone")?;
    command.arg(repository).arg(bundle);
    Ok(command)
}

/// Measures in Hermes, with bytecode as an app has it. Returns what was printed.
pub(crate) fn hermes_figures() -> Result<String> {
    packages()?;
    std::fs::create_dir_all(Path::new(WORKSPACE).join("build"))?;
    let program = hermes_program(&harness()?)?;
    let bundles = bundles(FORMS[2])?;
    let bytecode = bundles.join("figures.hbc");
    let mut compiler = Command::new(hermes()?.join("build/bin/hermesc"));
    compiler.args(["-O", "-emit-binary", "-out"]).arg(&bytecode).arg(bundles.join("figures.bench.js"));
    step("bytecode", &mut compiler)?;
    step_with_output("Hermes", &mut in_hermes(&program, &bytecode)?)
}

/// Runs the sample app in Hermes, against an inspector and its sample backend.
pub(crate) fn profile_app(inspector: &Inspector) -> Result<()> {
    packages()?;
    std::fs::create_dir_all(Path::new(WORKSPACE).join("build"))?;
    let program = hermes_program(&harness()?)?;
    let project = "../../examples/react-native/profile";
    step("types of the sample app", in_workspace("npx").args(["tsc", "--project", project]))?;
    let bundle = std::path::absolute(Path::new(WORKSPACE).join("build/profile-app.js"))?;
    let mut bundler = in_workspace("node");
    bundler.arg("harness/example.mjs").arg(&bundle).args([&inspector.collector, &inspector.backend]);
    step("sample app", &mut bundler)?;
    step("sample app in Hermes", &mut in_hermes(&program, &bundle)?)
}
