//! What is shipped: archives that show only our own symbols, the AAR, and how large they are.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::languages::{self, Build, target};
use crate::{run, step};

/// The version of everything: the workspace's.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Prefixes of the symbols that an app sees.
pub(crate) const OURS: [&str; 5] =
    ["throughline_", "uniffi_throughline", "ffi_throughline", "UNIFFI_META", "Java_dev_throughline"];

/// What a facade refers to, as a program: the door and the exported object.
pub(crate) const MINIMAL: &str = "long throughline_record(unsigned long, const void *, unsigned long);\n\
     void *uniffi_throughline_ffi_fn_constructor_telemetrycore_start(void);\n\
     void *volatile start = uniffi_throughline_ffi_fn_constructor_telemetrycore_start;\n\
     int main(void) { return throughline_record(1, 0, 0) + (start == 0); }\n";

/// Makes an archive whose only global symbols are ours: SQLite, the Rust runtime and the allocator are local to it. For ELF;
/// `ios.rs` does it for Mach-O.
pub(crate) fn localized(archive: &Path, out: &Path) -> Result<()> {
    let (whole, local) = (out.with_extension("whole.o"), out.with_extension("o"));
    let mut link = Command::new("ld");
    // Groups are resolved: else another Rust library's personality routine is taken for ours, which is local then.
    step(
        "one object",
        link.args(["-r", "--whole-archive", "--strip-debug", "--force-group-allocation"])
            .arg(archive)
            .arg("-o")
            .arg(&whole),
    )?;
    let mut copy = Command::new("objcopy");
    // Bitcode of the standard library: of no use here, and other versions of LLVM choke on it.
    copy.args(["--wildcard", "--remove-section=.llvmbc", "--remove-section=.llvmcmd"])
        .args(OURS.map(|prefix| format!("--keep-global-symbol={prefix}*")));
    step("local symbols", copy.arg(&whole).arg(&local))?;
    let _ = std::fs::remove_file(out);
    step("archive", Command::new("ar").args(["rcsD"]).arg(out).arg(&local))?;
    let (whole_gone, local_gone) = (std::fs::remove_file(whole), std::fs::remove_file(local));
    whole_gone.and(local_gone).context("removing the objects")
}

/// Checks the shipped archive: its symbols, and that an app with another SQLite and another Rust library can link it.
pub(crate) fn archive() -> Result<()> {
    let libraries = languages::libraries(Build::Testing)?;
    let dir = target()?.join("archive");
    std::fs::create_dir_all(&dir)?;
    let archive = dir.join("libthroughline_ffi.a");
    localized(&libraries.join("libthroughline_ffi.a"), &archive)?;
    let listed = Command::new("readelf").args(["--syms", "--wide"]).arg(&archive).output().context("readelf")?;
    let text = String::from_utf8_lossy(&listed.stdout);
    let foreign: Vec<&str> =
        text.lines().filter_map(global).filter(|name| !OURS.iter().any(|p| name.starts_with(p))).collect();
    ensure!(text.contains("throughline_record"), "no symbols were listed");
    ensure!(
        foreign.is_empty(),
        "{} symbols are not ours: {:?}",
        foreign.len(),
        foreign.iter().take(10).collect::<Vec<_>>()
    );
    let other = dir.join("other");
    let manifest =
        ["build", "--quiet", "--release", "--manifest-path", "tests/linking/other/Cargo.toml", "--target-dir"];
    run("another Rust library", &[&manifest[..], &[other.to_str().context("a path is not UTF-8")?]].concat())?;
    let program = dir.join("app");
    let mut link = Command::new("cc");
    link.arg("tests/linking/main.c").arg(&archive).arg(other.join("release/libother.a"));
    step("an app with both", link.args(["-lpthread", "-ldl", "-lm", "-lgcc_s", "-o"]).arg(&program))?;
    step("the app runs", &mut Command::new(program))
}

/// The name of a defined global symbol in a line of readelf.
fn global(line: &str) -> Option<&str> {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words.as_slice() {
        [_, _, _, _, "GLOBAL" | "WEAK", _, place, name, ..] if *place != "UND" => Some(name),
        _ => None,
    }
}

/// What is shipped: with our HTTP client, and without it for apps that bring a transport.
pub(crate) const VARIANTS: [(&str, &[&str]); 2] =
    [("with `http`", &[]), ("without `http`", &["--no-default-features"])];

/// Prints the size of what is shipped.
pub(crate) fn size() -> Result<()> {
    println!("| library | text + data, KiB |\n|---|---|");
    for (name, features) in VARIANTS {
        let mut arguments = vec!["build", "--quiet", "--profile", "shipped", "--package", "throughline-ffi"];
        arguments.extend(features);
        let status = crate::cargo(&arguments).status()?;
        ensure!(status.success(), "the build failed");
        let library = target()?.join("shipped/libthroughline_ffi.so");
        row(&format!("x86-64 `.so` {name}"), &library)?;
        let dir = target()?.join("archive");
        std::fs::create_dir_all(&dir)?;
        let archive = dir.join("size.a");
        localized(&target()?.join("shipped/libthroughline_ffi.a"), &archive)?;
        let program = dir.join("minimal");
        let source = dir.join("minimal.c");
        std::fs::write(&source, MINIMAL)?;
        let mut link = Command::new("cc");
        link.arg(&source).arg(&archive).args(["-Wl,--gc-sections", "-s", "-lpthread", "-ldl", "-lm", "-lgcc_s", "-o"]);
        ensure!(link.arg(&program).status()?.success(), "the minimal program does not link");
        row(&format!("x86-64 minimal program {name}"), &program)?;
    }
    if cfg!(target_os = "macos") { Ok(()) } else { crate::ios::sizes() }
}

fn row(name: &str, file: &Path) -> Result<()> {
    let stripped = target()?.join("archive/stripped");
    std::fs::create_dir_all(target()?.join("archive"))?;
    ensure!(Command::new("strip").arg("-o").arg(&stripped).arg(file).status()?.success(), "strip failed");
    let output = Command::new("size").arg(&stripped).output().context("size")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let numbers: Vec<u64> =
        text.lines().nth(1).unwrap_or_default().split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [code, data, ..] = numbers.as_slice() else { bail!("`size` said {text}") };
    println!("| {name} | {} |", (code + data) / 1_024);
    Ok(())
}

/// Assembles the AAR; with an NDK (`ANDROID_NDK_HOME` and cargo-ndk) it has the native libraries.
pub(crate) fn android() -> Result<PathBuf> {
    languages::kotlin(Build::Testing, &["--projects", "core,androidx,android,compose", "package", "-DskipTests"])?;
    let dir = target()?.join("aar");
    let _ = std::fs::remove_dir_all(&dir);
    let parts = dir.join("parts");
    std::fs::create_dir_all(parts.join("META-INF/com/android/build/gradle"))?;
    let module = Path::new("bindings/kotlin/android");
    std::fs::copy(module.join("src/main/AndroidManifest.xml"), parts.join("AndroidManifest.xml"))?;
    std::fs::copy(module.join("src/main/consumer-rules.pro"), parts.join("proguard.txt"))?;
    std::fs::copy(module.join(format!("target/throughline-android-{VERSION}.jar")), parts.join("classes.jar"))?;
    std::fs::write(parts.join("R.txt"), "")?;
    std::fs::write(
        parts.join("META-INF/com/android/build/gradle/aar-metadata.properties"),
        "aarFormatVersion=1.0\naarMetadataVersion=1.0\nminCompileSdk=24\n",
    )?;
    std::fs::create_dir_all(parts.join("libs"))?;
    let core = format!("bindings/kotlin/core/target/throughline-core-{VERSION}.jar");
    std::fs::copy(core, parts.join("libs/throughline-core.jar"))?;
    for abi in ["arm64-v8a", "armeabi-v7a", "x86_64", "x86"] {
        std::fs::create_dir_all(parts.join("jni").join(abi))?;
    }
    if std::env::var_os("ANDROID_NDK_HOME").is_some() {
        let jni = parts.join("jni");
        let mut build = crate::cargo(&[
            "ndk",
            "-t",
            "arm64-v8a",
            "-t",
            "armeabi-v7a",
            "-t",
            "x86_64",
            "-t",
            "x86",
            "-P",
            "24",
            "-o",
        ]);
        build.arg(jni).args(["build", "--profile", "shipped", "--package", "throughline-ffi"]);
        // Android 15 has pages of 16 KiB.
        step("libraries for Android", build.env("RUSTFLAGS", "-C link-arg=-Wl,-z,max-page-size=16384"))?;
    } else {
        println!("── no ANDROID_NDK_HOME: the jni folders stay empty");
    }
    let aar = dir.join(format!("throughline-{VERSION}.aar"));
    step(
        "AAR",
        Command::new("jar").args(["--create", "--no-manifest", "--file"]).arg(&aar).arg("-C").arg(&parts).arg("."),
    )?;
    let listed = Command::new("jar").args(["--list", "--file"]).arg(&aar).output()?;
    let names = String::from_utf8_lossy(&listed.stdout).into_owned();
    for part in
        ["AndroidManifest.xml", "classes.jar", "proguard.txt", "R.txt", "jni/arm64-v8a/", "libs/throughline-core.jar"]
    {
        ensure!(names.lines().any(|name| name.trim_start_matches("./") == part), "the AAR lacks {part}");
    }
    std::fs::copy(
        format!("bindings/kotlin/compose/target/throughline-compose-{VERSION}.jar"),
        dir.join(format!("throughline-compose-{VERSION}.jar")),
    )?;
    println!("── {}, and throughline-compose beside it", aar.display());
    Ok(aar)
}
