//! Runs Swift for the Swift facade.
//!
//! A `swift` on the path is used as it is. Without one, on Linux, a Debian system with Swift is
//! made in the cache directory, and entered with `chroot`, which needs root.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::archive::for_this_machine;
use crate::libraries::{ARCHIVE, Build, libraries, target};
use crate::steps::step;
use crate::tools::{quoted, swift_root, works};

/// The package, whose manifest lies at the root: there, SwiftPM looks for that of a repository.
pub(crate) const PACKAGE: &str = ".";

/// The folder of its sources.
const SOURCES: &str = "bindings/swift";

/// The program whose deaths the tests of the Swift facade look at.
const PROGRAM_THAT_DIES: &str = "ThroughlineDies";

/// Runs `swift` with arguments in a package of the repository, as a step.
pub(crate) fn swift(build: Build, package: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Result<()> {
    let name = format!("swift {package} {}", arguments.join(" "));
    step(&name, &mut command(build, package, arguments, environment)?)
}

/// `swift` with arguments in a package of the repository. The libraries are built first.
pub(crate) fn command(
    build: Build,
    package: &str,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> Result<Command> {
    let libraries = libraries(build)?;
    // A folder with the static library alone: the linker would prefer a shared library beside it.
    let linked = linked()?;
    std::fs::create_dir_all(&linked)?;
    for_this_machine(&libraries.join(ARCHIVE), &linked.join(ARCHIVE))?;
    // A killed test may have left an inspector running. Its file cannot be written, but replaced.
    let inspector = linked.join("throughline");
    let _ = std::fs::remove_file(&inspector);
    std::fs::copy(target()?.join("debug/throughline"), inspector)?;
    // SwiftPM does not notice that the library has changed, but links again without its products.
    for folder in std::fs::read_dir(linked.join(scratch(package))).into_iter().flatten().flatten() {
        for product in std::fs::read_dir(folder.path().join("release")).into_iter().flatten().flatten() {
            if product.path().extension().is_some_and(|extension| extension == "xctest")
                || product.file_name() == PROGRAM_THAT_DIES
            {
                std::fs::remove_file(product.path())?;
            }
        }
    }
    let (command, rest) = arguments.split_first().context("no command for swift")?;
    let place = format!("\"$THROUGHLINE_LIBRARY_DIR/{}\"", scratch(package));
    let script = format!("exec swift {command} --scratch-path {place} \"$@\"");
    let mut swift = shell(package, &script, environment)?;
    swift.args(rest);
    Ok(swift)
}

/// Compiles the files that are for Apple's systems only against declarations of Apple's types.
/// Needs what [`swift`] built for [`PACKAGE`].
pub(crate) fn declarations() -> Result<()> {
    if cfg!(target_os = "macos") {
        return Ok(());
    }
    let modules = modules();
    let script = format!("exec sh Declarations/check.sh {modules} \"$THROUGHLINE_LIBRARY_DIR/declarations\"");
    step("swift for UIKit and SwiftUI", &mut shell(SOURCES, &script, &[])?)
}

/// The folder of the modules that [`swift`] built for the package, for a shell script.
fn modules() -> String {
    format!("\"$THROUGHLINE_LIBRARY_DIR/{}/release/Modules\"", scratch(PACKAGE))
}

/// Builds the pages of the facade's API with DocC, into `swift/documentation/pages` of the target
/// directory. Needs what [`swift`] built for [`PACKAGE`].
pub(crate) fn documentation() -> Result<()> {
    let script = format!("exec sh Documentation/build.sh {} \"$THROUGHLINE_LIBRARY_DIR/documentation\"", modules());
    step("pages of the API of Swift", &mut shell(SOURCES, &script, &[])?)
}

/// The folder with what the guides' examples leave out.
const GUIDES: &str = "bindings/swift/Guides";

/// Compiles the Swift examples of the guides and of the facade's documentation comments. Needs what
/// [`swift`] and [`declarations`] built.
pub(crate) fn guides() -> Result<()> {
    if cfg!(target_os = "macos") {
        return Ok(());
    }
    let folder = linked()?.join("guides");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder)?;
    let mut guides = vec![PathBuf::from("README.md")];
    for file in std::fs::read_dir("docs")? {
        guides.push(file?.path());
    }
    guides.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    guides.sort();
    let mut count = 0;
    for guide in guides {
        let text = std::fs::read_to_string(&guide)?;
        count += write_examples(&guide, fences(&text), &left_out(&guide)?, &folder)?;
    }
    for file in std::fs::read_dir("bindings/swift/Sources/Throughline")? {
        let source = file?.path();
        if source.is_file() && source.extension().is_some_and(|extension| extension == "swift") {
            let comments = comments(&std::fs::read_to_string(&source)?);
            count += write_examples(&source, fences(&comments), &Path::new(GUIDES).join("Sources.swift"), &folder)?;
        }
    }
    println!("── {count} examples");
    ensure!(count > 20, "the guides' examples were not found");
    let modules = modules();
    let folders = "\"$THROUGHLINE_LIBRARY_DIR/declarations\" \"$THROUGHLINE_LIBRARY_DIR/guides\"";
    let script = format!("exec sh Guides/check.sh {modules} {folders}");
    step("swift of the guides", &mut shell(SOURCES, &script, &[])?)
}

/// The file with what the examples of a guide leave out.
fn left_out(guide: &Path) -> Result<PathBuf> {
    let stem = guide.file_stem().and_then(|stem| stem.to_str()).context("a guide without a name")?;
    Ok(Path::new(GUIDES).join(format!("{stem}.swift")))
}

/// Writes the examples of a guide or a source file as files that can be compiled, and returns how
/// many there are. A manifest and a program stand alone; statements become functions behind what
/// they leave out.
fn write_examples(guide: &Path, fences: Vec<Fence>, left_out: &Path, folder: &Path) -> Result<usize> {
    let count = fences.len();
    let stem = guide.file_stem().and_then(|stem| stem.to_str()).context("a guide without a name")?;
    let mut statements = String::new();
    for Fence { line, code } in fences {
        let place = format!("#sourceLocation(file: \"{}\", line: {line})\n", guide.display());
        if code.starts_with("// swift-tools-version") {
            std::fs::write(folder.join(format!("manifest-{stem}-{line}.swift")), code)?;
        } else if code.lines().any(|line| line == "@main") {
            // It begins in a type, and not with its first statement.
            std::fs::write(folder.join(format!("app-{stem}-{line}.swift")), place + &code)?;
        } else if code.lines().any(|line| line.starts_with("import ")) {
            std::fs::write(folder.join(format!("program-{stem}-{line}.swift")), place + &code)?;
        } else {
            let end = "#sourceLocation()\n";
            writeln!(statements, "\n@MainActor func example{line}() async throws {{\n{place}{code}{end}}}")?;
        }
    }
    if !statements.is_empty() {
        let left_out = std::fs::read_to_string(left_out)
            .with_context(|| format!("{} has Swift code, but there is no {}", guide.display(), left_out.display()))?;
        let kind = if guide.extension().is_some_and(|extension| extension == "md") { "guide" } else { "source" };
        std::fs::write(folder.join(format!("{kind}-{stem}.swift")), left_out + &statements)?;
    }
    Ok(count)
}

/// The documentation comments of a source file, on their lines.
fn comments(source: &str) -> String {
    source.lines().map(|line| format!("{}\n", line.trim_start().strip_prefix("///").unwrap_or_default())).collect()
}

/// A block of Swift code in a guide, and the line on which it begins.
#[derive(Debug, PartialEq)]
struct Fence {
    line: usize,
    code: String,
}

/// The blocks of Swift code of a guide. One in a list is indented.
fn fences(text: &str) -> Vec<Fence> {
    let mut fences = Vec::new();
    // The block that is open, its indent, and whether it is Swift.
    let mut open: Option<(Fence, usize, bool)> = None;
    for (at, line) in text.lines().enumerate() {
        let content = line.trim_start();
        match open.take() {
            None => {
                let Some(language) = content.strip_prefix("```") else { continue };
                let language = language.split(|char: char| !char.is_alphanumeric()).next().unwrap_or_default();
                let fence = Fence { line: at + 2, code: String::new() };
                open = Some((fence, line.len() - content.len(), language.eq_ignore_ascii_case("swift")));
            }
            Some((fence, _, is_swift)) if content.starts_with("```") => fences.extend(is_swift.then_some(fence)),
            Some((mut fence, indent, is_swift)) => {
                fence.code.push_str(line.get(indent..).unwrap_or(content));
                fence.code.push('\n');
                open = Some((fence, indent, is_swift));
            }
        }
    }
    fences
}

/// The folder that Swift packages are linked from and built in.
pub(crate) fn linked() -> Result<PathBuf> {
    Ok(target()?.join("swift"))
}

/// The folder below [`linked`] in which a package is built.
fn scratch(package: &str) -> String {
    let name = if package == PACKAGE { "package" } else { package };
    format!("build-{}", name.replace('/', "-"))
}

/// A shell script where Swift is, in a folder of the repository. `$THROUGHLINE_LIBRARY_DIR` is the
/// folder that [`linked`] names.
pub(crate) fn shell(folder: &str, script: &str, environment: &[(&str, &str)]) -> Result<Command> {
    let linked = linked()?;
    if works("swift") {
        let mut shell = Command::new("sh");
        shell.current_dir(folder).args(["-c", script, "swift"]);
        shell.env("THROUGHLINE_LIBRARY_DIR", &linked).env("THROUGHLINE_CLI", linked.join("throughline"));
        shell.envs(environment.iter().copied());
        return Ok(shell);
    }
    let root = swift_root()?;
    let checkout = std::env::current_dir()?;
    // The mounts are in a namespace of their own: they end with the script, however it ends.
    let mount = format!(
        "set -e
         root={root} checkout={checkout} linked={linked}
         mkdir -p $root/checkout $root/linked
         mount -t proc proc $root/proc
         mount --rbind /dev $root/dev
         mount --bind $checkout $root/checkout
         mount --bind $linked $root/linked
         exec chroot $root env -i HOME=/root PATH=/usr/bin:/bin THROUGHLINE_LIBRARY_DIR=/linked \
             THROUGHLINE_CLI=/linked/throughline {environment} sh -c 'cd /checkout/{folder} && {script}' swift \"$@\"",
        root = quoted(&root)?,
        checkout = quoted(&checkout)?,
        linked = quoted(&linked)?,
        environment = environment.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" "),
    );
    let mut inside = Command::new("unshare");
    inside.args(["--mount", "sh", "-c", &mount, "swift"]);
    Ok(inside)
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "tests")]
mod tests {
    use super::{Fence, comments, fences};

    #[test]
    fn an_example_of_a_guide_is_not_overlooked() {
        let text = "# Guide\n\n```swift\nlet a = 1\n```\n\n```sh\nls\n```\n\n1. First:\n\n   ```Swift title=x\n   if a {\n       b()\n\n   }\n   ```\n";
        let expected = [(4, "let a = 1\n"), (14, "if a {\n    b()\n\n}\n")];
        assert_eq!(fences(text), expected.map(|(line, code)| Fence { line, code: code.to_owned() }));
        assert_eq!(fences("```kotlin\nval a = 1\n```\n"), []);
    }

    #[test]
    fn an_example_in_a_comment_keeps_its_line() {
        let source = "import A\n\n/// A noun:\n///\n/// ```swift\n/// a()\n/// ```\npublic struct A {\n    /// ```swift\n    /// b()\n    /// ```\n}\n";
        let expected = [(6, " a()\n"), (10, " b()\n")];
        let found: Vec<_> = fences(&comments(source)).into_iter().map(|fence| (fence.line, fence.code)).collect();
        assert_eq!(found, expected.map(|(line, code)| (line, code.trim_start().to_owned())));
    }
}
