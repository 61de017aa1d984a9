//! `cargo xtask docs`: the pages of the API in every language, below one page that leads to them.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::kotlin::kotlin;
use crate::libraries::{Build, target};
use crate::release::{MODULES, VERSION};
use crate::steps::{cargo, output, step};
use crate::typedoc::type_doc;
use crate::{swift, typescript};

/// `cargo xtask docs`.
pub(crate) fn docs() -> Result<()> {
    let out = std::path::absolute(target()?.join("docs"))?;
    let _ = std::fs::remove_dir_all(&out);
    std::fs::create_dir_all(&out)?;
    let mut pages = vec![("Rust".to_owned(), "rust/throughline/index.html".to_owned())];
    rust(&out.join("rust"))?;
    pages.push(("Swift".to_owned(), "swift/documentation/throughline/index.html".to_owned()));
    swift_pages(&out.join("swift"))?;
    pages.push(("TypeScript and React Native".to_owned(), "typescript/index.html".to_owned()));
    typescript::install()?;
    type_doc(&out.join("typescript"))?;
    for artifact in kotlin_pages(&out.join("kotlin"))? {
        pages.push((format!("Kotlin: {artifact}"), format!("kotlin/{artifact}/index.html")));
    }
    for (_, page) in &pages {
        ensure!(out.join(page).exists(), "{page} was not written");
    }
    std::fs::write(out.join("index.html"), index(&pages)?)?;
    println!("── {}", out.join("index.html").display());
    Ok(())
}

/// Of the crate. What is public and has no documentation is an error.
fn rust(out: &Path) -> Result<()> {
    let arguments = ["doc", "--no-deps", "--package", "throughline", "--features", "tracing"];
    step("rustdoc", cargo(&arguments).env("RUSTDOCFLAGS", "-D warnings -D missing_docs"))?;
    output(Command::new("cp").arg("-R").arg(target()?.join("doc")).arg(out)).map(|_| ())
}

/// Of the Swift package. A comment that names something that does not exist is an error.
fn swift_pages(out: &Path) -> Result<()> {
    let build = ["build", "-c", "release", "-Xswiftc", "-enable-testing"];
    swift::swift(Build::Testing, swift::PACKAGE, &build, &[])?;
    swift::documentation()?;
    let pages = swift::linked()?.join("documentation/pages");
    output(Command::new("cp").arg("-R").args([&pages, out])).map(|_| ())
}

/// Of the Maven artifacts: what their archives of documentation have.
fn kotlin_pages(out: &Path) -> Result<Vec<String>> {
    let projects = "core,okhttp,androidx,android,work,compose";
    let package = ["--projects", projects, "--activate-profiles", "javadoc", "package", "-DskipTests"];
    kotlin(Build::Shipped, &package)?;
    let mut artifacts = Vec::new();
    for (module, _) in MODULES {
        let artifact = format!("throughline-{module}");
        let folder = out.join(&artifact);
        std::fs::create_dir_all(&folder)?;
        let jar = format!("bindings/kotlin/{module}/target/{artifact}-{VERSION}-javadoc.jar");
        let jar = std::path::absolute(jar).context("the pages of Kotlin")?;
        output(Command::new("jar").current_dir(&folder).args(["--extract", "--file"]).arg(jar))?;
        artifacts.push(artifact);
    }
    Ok(artifacts)
}

/// The page that leads to the others.
fn index(pages: &[(String, String)]) -> Result<String> {
    let mut list = String::new();
    for (title, page) in pages {
        writeln!(list, "<li><a href=\"{page}\">{title}</a></li>")?;
    }
    Ok(format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>Throughline {VERSION}</title>\n\
         <style>body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 40em; margin: 3em auto; padding: 0 1em }}</style>\n\
         <h1>Throughline {VERSION}</h1>\n<p>What an app calls, in each language. The guides are in the repository. Swift's pages need a server: \
         <code>python3 -m http.server --directory target/docs</code>.</p>\n\
         <ul>\n{list}</ul>\n</html>\n"
    ))
}
