//! The archive for Android (AAR).

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

use crate::kotlin::kotlin;
use crate::libraries::{Build, target};
use crate::steps::{cargo, output, skip, step};

/// The version of everything: the workspace's.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The files that an AAR must have.
const PARTS: [&str; 6] =
    ["AndroidManifest.xml", "classes.jar", "proguard.txt", "R.txt", "jni/arm64-v8a/", "libs/throughline-core.jar"];

/// `cargo xtask android`: assembles the AAR, and `throughline-compose` beside it. With an NDK
/// (`ANDROID_NDK_HOME` and cargo-ndk) it has the native libraries.
pub(crate) fn android() -> Result<PathBuf> {
    kotlin(Build::Testing, &["--projects", "core,androidx,android,compose", "package", "-DskipTests"])?;
    let dir = target()?.join("aar");
    let _ = std::fs::remove_dir_all(&dir);
    let parts = dir.join("parts");
    copy_parts(&parts)?;
    native_libraries(&parts.join("jni"))?;
    let aar = dir.join(format!("throughline-{VERSION}.aar"));
    let mut jar = Command::new("jar");
    jar.args(["--create", "--no-manifest", "--file"]).arg(&aar).arg("-C").arg(&parts).arg(".");
    step("AAR", &mut jar)?;
    let names = output(Command::new("jar").args(["--list", "--file"]).arg(&aar))?;
    for part in PARTS {
        ensure!(names.lines().any(|name| name.trim_start_matches("./") == part), "the AAR lacks {part}");
    }
    let compose = format!("throughline-compose-{VERSION}.jar");
    std::fs::copy(Path::new("bindings/kotlin/compose/target").join(&compose), dir.join(&compose))?;
    println!("── {}, and throughline-compose beside it", aar.display());
    Ok(aar)
}

/// Copies what Maven has built, and writes the files that Maven does not know.
fn copy_parts(parts: &Path) -> Result<()> {
    let gradle = parts.join("META-INF/com/android/build/gradle");
    std::fs::create_dir_all(&gradle)?;
    let module = Path::new("bindings/kotlin/android");
    std::fs::copy(module.join("src/main/AndroidManifest.xml"), parts.join("AndroidManifest.xml"))?;
    std::fs::copy(module.join("src/main/consumer-rules.pro"), parts.join("proguard.txt"))?;
    std::fs::copy(module.join(format!("target/throughline-android-{VERSION}.jar")), parts.join("classes.jar"))?;
    std::fs::write(parts.join("R.txt"), "")?;
    let metadata = "aarFormatVersion=1.0\naarMetadataVersion=1.0\nminCompileSdk=24\n";
    std::fs::write(gradle.join("aar-metadata.properties"), metadata)?;
    std::fs::create_dir_all(parts.join("libs"))?;
    let core = format!("bindings/kotlin/core/target/throughline-core-{VERSION}.jar");
    std::fs::copy(core, parts.join("libs/throughline-core.jar"))?;
    Ok(())
}

/// Builds the native libraries for each processor. Without an NDK their folders stay empty.
fn native_libraries(jni: &Path) -> Result<()> {
    const ABIS: [&str; 4] = ["arm64-v8a", "armeabi-v7a", "x86_64", "x86"];
    for abi in ABIS {
        std::fs::create_dir_all(jni.join(abi))?;
    }
    if std::env::var_os("ANDROID_NDK_HOME").is_none() {
        skip("libraries for Android", "ANDROID_NDK_HOME is not set, so the jni folders stay empty");
        return Ok(());
    }
    let mut build = cargo(&["ndk"]);
    for abi in ABIS {
        build.args(["-t", abi]);
    }
    build.args(["-P", "24", "-o"]).arg(jni).args(["build", "--profile", "shipped", "--package", "throughline-ffi"]);
    // Android 15 has devices with pages of 16 KiB.
    step("libraries for Android", build.env("RUSTFLAGS", "-C link-arg=-Wl,-z,max-page-size=16384"))
}
