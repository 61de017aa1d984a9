//! The archive for Android (AAR).

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::libraries::target;
use crate::release::{LINK_ARGUMENTS, is_fit_for_android, jar};
use crate::steps::{cargo, output, step};

/// The files that an AAR must have.
const PARTS: [&str; 5] = ["AndroidManifest.xml", "classes.jar", "proguard.txt", "R.txt", "jni/arm64-v8a/"];

/// Which native libraries an AAR has.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Native {
    /// Those of all processors.
    All,
    /// None, because there is no NDK. No app takes it for a release: its version says so.
    None,
}

/// Assembles the AAR of a version around the module's classes.
pub(crate) fn aar(classes: &Path, version: &str, native: Native) -> Result<PathBuf> {
    let dir = target()?.join("aar");
    let _ = std::fs::remove_dir_all(&dir);
    let parts = dir.join("parts");
    copy_parts(classes, &parts)?;
    let jni = parts.join("jni");
    for abi in ABIS {
        std::fs::create_dir_all(jni.join(abi))?;
    }
    if native == Native::All {
        native_libraries(&jni, &dir.join("symbols"))?;
        is_complete(&jni)?;
    }
    prefab(&parts, version)?;
    let aar = dir.join(format!("throughline-android-{version}.aar"));
    jar(&aar, &parts, false)?;
    let names = output(Command::new("jar").args(["--list", "--file"]).arg(&aar))?;
    for part in PARTS {
        ensure!(names.lines().any(|name| name.starts_with(part)), "the AAR lacks {part}");
    }
    Ok(aar)
}

/// Copies what Maven has built, and writes the files that Maven does not know.
fn copy_parts(classes: &Path, parts: &Path) -> Result<()> {
    let gradle = parts.join("META-INF/com/android/build/gradle");
    std::fs::create_dir_all(&gradle)?;
    let module = Path::new("bindings/kotlin/android");
    std::fs::copy(module.join("src/main/AndroidManifest.xml"), parts.join("AndroidManifest.xml"))?;
    std::fs::copy(module.join("src/main/consumer-rules.pro"), parts.join("proguard.txt"))?;
    std::fs::copy(classes, parts.join("classes.jar"))?;
    std::fs::write(parts.join("R.txt"), "")?;
    let metadata = "aarFormatVersion=1.0\naarMetadataVersion=1.0\nminCompileSdk=24\n";
    std::fs::write(gradle.join("aar-metadata.properties"), metadata)?;
    Ok(())
}

/// The processors that have a library.
const ABIS: [&str; 4] = ["arm64-v8a", "armeabi-v7a", "x86_64", "x86"];

/// The folder of the NDK.
pub(crate) fn ndk() -> Result<PathBuf> {
    let ndk = std::env::var_os("ANDROID_NDK_HOME");
    ndk.map(PathBuf::from).context(
        "ANDROID_NDK_HOME is not set, and an AAR without native libraries is no release. \
         `--host-only` leaves them out, and marks the version of the AAR",
    )
}

/// Builds the native libraries for each processor. As they were before they are stripped, they go
/// to the folder `symbols`: `throughline symbolicate` reads them.
fn native_libraries(jni: &Path, symbols: &Path) -> Result<()> {
    let tools = ndk()?.join("toolchains/llvm/prebuilt");
    let mut build = cargo(&["ndk"]);
    for abi in ABIS {
        build.args(["-t", abi]);
    }
    build.args(["-P", "24", "-o"]).arg(jni).args(["build", "--profile", "shipped", "--package", "throughline-ffi"]);
    step("libraries for Android", build.env("RUSTFLAGS", LINK_ARGUMENTS.join(" ")))?;
    let host = std::fs::read_dir(&tools)?.next().context("the NDK has no tools")??.path();
    for abi in ABIS {
        let library = jni.join(abi).join(SONAME);
        std::fs::create_dir_all(symbols.join(abi))?;
        std::fs::copy(&library, symbols.join(abi).join(SONAME))
            .with_context(|| format!("there is no library for {abi}"))?;
        let mut strip = Command::new(host.join("bin/llvm-strip"));
        step(&format!("strip {abi}"), strip.arg("--strip-unneeded").arg(&library))?;
    }
    Ok(())
}

/// Whether each processor has its library, as devices load it.
fn is_complete(jni: &Path) -> Result<()> {
    for abi in ABIS {
        let library = jni.join(abi).join(SONAME);
        ensure!(library.exists(), "the AAR has no library for {abi}: an app would not start there");
        is_fit_for_android(&library, abi)?;
    }
    Ok(())
}

/// The name of the native library on Android.
const SONAME: &str = "libthroughline_ffi.so";

/// Describes the native libraries for the C++ of other archives, as Gradle's Prefab reads it: the
/// module for React Native links the library that the facade for Kotlin loads, so that there is one
/// in an app.
fn prefab(parts: &Path, version: &str) -> Result<()> {
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
    let about = json!({ "name": "throughline", "schema_version": 2, "dependencies": [], "version": version });
    std::fs::write(parts.join("prefab/prefab.json"), format!("{about:#}\n"))?;
    let about = json!({ "export_libraries": [], "android": {} });
    std::fs::write(module.join("module.json"), format!("{about:#}\n"))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{ABIS, SONAME, is_complete, prefab};

    #[test]
    fn a_module_of_another_archive_finds_the_library_to_link() -> anyhow::Result<()> {
        let parts = std::env::temp_dir().join(format!("throughline-prefab-{}", std::process::id()));
        std::fs::create_dir_all(parts.join("jni/x86_64"))?;
        std::fs::create_dir_all(parts.join("jni/x86"))?;
        // Without an NDK the folders are empty, and there is nothing to describe.
        prefab(&parts, "0.1.0")?;
        assert!(!parts.join("prefab").exists());
        std::fs::write(parts.join("jni/x86_64").join(SONAME), "a library")?;
        prefab(&parts, "0.1.0")?;
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
    #[test]
    fn an_archive_without_the_library_of_one_processor_is_no_release() -> anyhow::Result<()> {
        let jni = std::env::temp_dir().join(format!("throughline-jni-{}", std::process::id()));
        for abi in ABIS {
            std::fs::create_dir_all(jni.join(abi))?;
        }
        let said = is_complete(&jni).map_err(|error| error.to_string());
        assert!(said.is_err_and(|said| said.contains("no library for arm64-v8a")));
        // A file of the right name is not enough.
        std::fs::write(jni.join(ABIS[0]).join(SONAME), "a library")?;
        let said = is_complete(&jni).map_err(|error| error.to_string());
        assert!(said.is_err_and(|said| said.contains("no shared library")));
        std::fs::remove_dir_all(jni)?;
        Ok(())
    }
}
