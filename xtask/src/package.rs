//! What is shipped: archives that show only our own symbols, the AAR, and how large they are.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::languages::{self, Build, target};
use crate::{run, step};

/// Prefixes of the symbols that an app sees.
const OURS: [&str; 5] =
    ["throughline_", "uniffi_throughline", "ffi_throughline", "UNIFFI_META", "Java_dev_throughline"];

/// Makes an archive whose only global symbols are ours: SQLite, the Rust runtime and the allocator are local to it. ELF alone;
/// on a Mac `ld -r -exported_symbols_list` does the same.
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

/// Prints the size of what is shipped.
pub(crate) fn size() -> Result<()> {
    println!("| library | text + data, KiB | file, KiB |\n|---|---|---|");
    for (name, features) in [("with `http`", &[][..]), ("without `http`", &["--no-default-features"])] {
        let mut arguments = vec!["build", "--quiet", "--release", "--package", "throughline-ffi"];
        arguments.extend(features);
        let status = crate::cargo(&arguments).status()?;
        ensure!(status.success(), "the build failed");
        let library = target()?.join("release/libthroughline_ffi.so");
        row(&format!("x86-64 `.so` {name}"), &library)?;
        let dir = target()?.join("archive");
        std::fs::create_dir_all(&dir)?;
        let archive = dir.join("size.a");
        localized(&target()?.join("release/libthroughline_ffi.a"), &archive)?;
        let program = dir.join("minimal");
        let source = dir.join("minimal.c");
        // What a facade refers to: the door and the exported object.
        std::fs::write(
            &source,
            "long throughline_record(unsigned long, const void *, unsigned long);\n\
             void *uniffi_throughline_ffi_fn_constructor_telemetrycore_start(void);\n\
             void *volatile start = uniffi_throughline_ffi_fn_constructor_telemetrycore_start;\n\
             int main(void) { return throughline_record(1, 0, 0) + (start == 0); }\n",
        )?;
        let mut link = Command::new("cc");
        link.arg(&source).arg(&archive).args(["-Wl,--gc-sections", "-s", "-lpthread", "-ldl", "-lm", "-lgcc_s", "-o"]);
        ensure!(link.arg(&program).status()?.success(), "the minimal program does not link");
        row(&format!("x86-64 minimal program {name}"), &program)?;
    }
    Ok(())
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
    println!("| {name} | {} | {} |", (code + data) / 1_024, std::fs::metadata(&stripped)?.len() / 1_024);
    Ok(())
}

/// Builds the arm64 library for iOS. On a Mac with its own SDK; elsewhere (Debian) with a Rust that rebuilds its standard
/// library and Apple's C headers as the Zig project carries them: enough for a static library, not for linking an app.
pub(crate) fn ios() -> Result<()> {
    let out = target()?.join("ios");
    let archive = out.join("aarch64-apple-ios/release/libthroughline_ffi.a");
    if cfg!(target_os = "macos") {
        run(
            "iOS library",
            &[
                "build",
                "--release",
                "--package",
                "throughline-ffi",
                "--lib",
                "--target",
                "aarch64-apple-ios",
                "--target-dir",
                &out.to_string_lossy(),
            ],
        )?;
        let framework = out.join("ThroughlineFFI.xcframework");
        let mut make = Command::new("xcodebuild");
        make.arg("-create-xcframework").arg("-library").arg(&archive);
        make.args(["-headers", "bindings/swift/Sources/ThroughlineFFI/include", "-output"]).arg(framework);
        return step("XCFramework", &mut make);
    }
    let sdk = languages::ios_sdk()?;
    let tools = sdk.join("bin");
    let mut build = Command::new("/usr/bin/cargo");
    build.args(["rustc", "--quiet", "-Zbuild-std=std,panic_unwind", "--target", "aarch64-apple-ios", "--release"]);
    build.args(["--package", "throughline-ffi", "--lib", "--crate-type", "staticlib", "--target-dir"]).arg(&out);
    build.env("PATH", format!("{}:/usr/bin:/bin", tools.display())).env("SDKROOT", &sdk);
    build.env("RUSTC", "/usr/bin/rustc").env("RUSTC_BOOTSTRAP", "1").env("IPHONEOS_DEPLOYMENT_TARGET", "15.0");
    build.env("CC_aarch64_apple_ios", "clang-19").env("AR_aarch64_apple_ios", "llvm-ar-19");
    build.env("CFLAGS_aarch64_apple_ios", format!("-isysroot {}", sdk.display()));
    build.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "s").env("CARGO_PROFILE_RELEASE_LTO", "fat");
    step("iOS library", build.env_remove("RUSTUP_TOOLCHAIN"))?;
    let symbols = Command::new("llvm-nm-19").args(["--defined-only", "--extern-only"]).arg(&archive).output()?;
    ensure!(String::from_utf8_lossy(&symbols.stdout).contains("_throughline_record"), "the archive lacks the door");
    println!("── {}: {} KiB", archive.display(), std::fs::metadata(&archive)?.len() / 1_024);
    Ok(())
}

/// Assembles the AAR; with an NDK (`ANDROID_NDK_HOME` and cargo-ndk) it has the native libraries.
pub(crate) fn android() -> Result<PathBuf> {
    languages::kotlin(Build::Testing, &["--projects", "core,android", "package", "-DskipTests"])?;
    let dir = target()?.join("aar");
    let _ = std::fs::remove_dir_all(&dir);
    let parts = dir.join("parts");
    std::fs::create_dir_all(parts.join("META-INF/com/android/build/gradle"))?;
    let module = Path::new("bindings/kotlin/android");
    std::fs::copy(module.join("src/main/AndroidManifest.xml"), parts.join("AndroidManifest.xml"))?;
    std::fs::copy(module.join("src/main/consumer-rules.pro"), parts.join("proguard.txt"))?;
    std::fs::copy(module.join("target/throughline-android-0.1.0.jar"), parts.join("classes.jar"))?;
    std::fs::write(parts.join("R.txt"), "")?;
    std::fs::write(
        parts.join("META-INF/com/android/build/gradle/aar-metadata.properties"),
        "aarFormatVersion=1.0\naarMetadataVersion=1.0\nminCompileSdk=24\n",
    )?;
    std::fs::create_dir_all(parts.join("libs"))?;
    std::fs::copy("bindings/kotlin/core/target/throughline-core-0.1.0.jar", parts.join("libs/throughline-core.jar"))?;
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
        build.arg(jni).args(["build", "--release", "--package", "throughline-ffi"]);
        // Android 15 has pages of 16 KiB.
        step("libraries for Android", build.env("RUSTFLAGS", "-C link-arg=-Wl,-z,max-page-size=16384"))?;
    } else {
        println!("── no ANDROID_NDK_HOME: the jni folders stay empty");
    }
    let aar = dir.join("throughline-0.1.0.aar");
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
    println!("── {}", aar.display());
    Ok(aar)
}
