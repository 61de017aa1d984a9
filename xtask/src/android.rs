//! The archive for Android (AAR).

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};
use serde_json::json;

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
    prefab(&parts)?;
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

/// The processors that have a library.
const ABIS: [&str; 4] = ["arm64-v8a", "armeabi-v7a", "x86_64", "x86"];

/// Builds the native libraries for each processor. Without an NDK their folders stay empty.
fn native_libraries(jni: &Path) -> Result<()> {
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
    // Android 15 has devices with pages of 16 KiB. Without a name in it, a library that is linked
    // with this one would look for it under the path of the machine that has linked it.
    let flags = format!("-C link-arg=-Wl,-z,max-page-size=16384 -C link-arg=-Wl,-soname,{SONAME}");
    step("libraries for Android", build.env("RUSTFLAGS", flags))
}

/// The name of the native library on Android.
const SONAME: &str = "libthroughline_ffi.so";

/// Describes the native libraries for the C++ of other archives, as Gradle's Prefab reads it: the
/// module for React Native links the library that the facade for Kotlin loads, so that there is one
/// in an app.
fn prefab(parts: &Path) -> Result<()> {
    let module = parts.join("prefab/modules/throughline_ffi");
    for abi in ABIS {
        let library = parts.join("jni").join(abi).join(SONAME);
        if !library.exists() {
            continue;
        }
        let folder = module.join(format!("libs/android.{abi}"));
        std::fs::create_dir_all(&folder)?;
        std::fs::copy(&library, folder.join(SONAME))?;
        // It uses no standard library of C++, and nothing that a later NDK has.
        let about = json!({ "abi": abi, "api": 24, "ndk": 23, "stl": "none", "static": false });
        std::fs::write(folder.join("abi.json"), format!("{about:#}\n"))?;
    }
    if !module.exists() {
        return Ok(());
    }
    let about = json!({ "name": "throughline", "schema_version": 2, "dependencies": [], "version": VERSION });
    std::fs::write(parts.join("prefab/prefab.json"), format!("{about:#}\n"))?;
    let about = json!({ "export_libraries": [], "android": {} });
    std::fs::write(module.join("module.json"), format!("{about:#}\n"))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{SONAME, prefab};

    #[test]
    fn a_module_of_another_archive_finds_the_library_to_link() -> anyhow::Result<()> {
        let parts = std::env::temp_dir().join(format!("throughline-prefab-{}", std::process::id()));
        std::fs::create_dir_all(parts.join("jni/x86_64"))?;
        std::fs::create_dir_all(parts.join("jni/x86"))?;
        // Without an NDK the folders are empty, and there is nothing to describe.
        prefab(&parts)?;
        assert!(!parts.join("prefab").exists());
        std::fs::write(parts.join("jni/x86_64").join(SONAME), "a library")?;
        prefab(&parts)?;
        let module = parts.join("prefab/modules/throughline_ffi");
        let read = |path: &std::path::Path| -> anyhow::Result<serde_json::Value> {
            Ok(serde_json::from_str(&std::fs::read_to_string(path)?)?)
        };
        assert_eq!(read(&parts.join("prefab/prefab.json"))?["name"], "throughline");
        assert!(read(&module.join("module.json"))?["export_libraries"].is_array());
        assert_eq!(read(&module.join("libs/android.x86_64/abi.json"))?["abi"], "x86_64");
        assert_eq!(std::fs::read_to_string(module.join("libs/android.x86_64").join(SONAME))?, "a library");
        assert!(!module.join("libs/android.x86").exists());
        std::fs::remove_dir_all(parts)?;
        Ok(())
    }
}
