//! Checks the npm package for React Native: its native parts, and what npm publishes.
//!
//! Codegen writes the specification's classes, as it does in an app. Kotlin is compiled by Maven
//! against React Native's own classes, C++ and Objective-C++ against its headers, for the newest
//! and the oldest version that are supported. Swift is tested on Linux, without Objective-C. Then
//! the tarballs are installed into an empty app.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::kotlin::kotlin;
use crate::libraries::Build;
use crate::steps::{output, step};
use crate::swift::swift;
use crate::tools::{cache, ensure_program, install};

/// Where the checks are.
const PACKAGING: &str = "bindings/typescript/packaging";

/// The package.
const PACKAGE: &str = "bindings/typescript/react-native";

/// The tests of its Kotlin code.
const MODULE_TESTS: &str = "android/src/test/kotlin/dev/throughline/reactnative";

/// What Codegen writes.
const SPEC: &str = "bindings/typescript/packaging/android/target/spec";

/// The oldest React Native that is supported. The newest is that of the lock file.
const OLDEST: &str = "0.76.9";

/// Checks everything. Needs what npm and `tsc` have put into the workspace.
pub(crate) fn react_native_package() -> Result<()> {
    step("Codegen", Command::new("node").arg(format!("{PACKAGING}/codegen.mjs")).arg(SPEC))?;
    module_tests()?;
    for react in [PathBuf::from("bindings/typescript/node_modules/react-native"), oldest()?] {
        cpp(&react)?;
        objective_cpp(&react)?;
    }
    swift(Build::Testing, &format!("{PACKAGING}/ios"), &["test", "-c", "release", "-Xswiftc", "-enable-testing"], &[])?;
    ensure_program("ruby", &["ruby"])?;
    step("podspec", Command::new("ruby").arg(format!("{PACKAGING}/podspec.rb")))?;
    step("empty app", Command::new("node").arg(format!("{PACKAGING}/check.mjs")).arg(cache()?))
}

/// Runs the tests of the Kotlin code. Maven is content with a pattern that names no test, so that
/// every class of tests must have left a report.
fn module_tests() -> Result<()> {
    let reports = Path::new(PACKAGING).join("android/target/surefire-reports");
    let _ = std::fs::remove_dir_all(&reports);
    let tests = "-Dtest=dev/throughline/reactnative/*Test";
    let only =
        ["--projects", ":throughline-react-native", "--also-make", tests, "-Dsurefire.failIfNoSpecifiedTests=false"];
    kotlin(Build::Testing, &[&["-P", "react-native", "test"][..], &only].concat())?;
    for entry in std::fs::read_dir(Path::new(PACKAGING).join(MODULE_TESTS))? {
        let file = entry?.path();
        let class = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let report = reports.join(format!("TEST-dev.throughline.reactnative.{class}.xml"));
        ensure!(!class.ends_with("Test") || report.exists(), "{class} was not run");
    }
    Ok(())
}

/// The sources of the oldest React Native, fetched once.
fn oldest() -> Result<PathBuf> {
    let folder = cache()?.join(format!("react-native-{OLDEST}"));
    let package = folder.join("package");
    if package.exists() {
        return Ok(package);
    }
    let unfinished = cache()?.join(format!("react-native-{OLDEST}.unfinished"));
    let _ = std::fs::remove_dir_all(&unfinished);
    std::fs::create_dir_all(&unfinished)?;
    let name = format!("react-native@{OLDEST}");
    step(&name, Command::new("npm").current_dir(&unfinished).args(["pack", "--silent", &name]))?;
    let tarball = format!("react-native-{OLDEST}.tgz");
    output(Command::new("tar").current_dir(&unfinished).args(["xzf", &tarball]))?;
    std::fs::remove_file(unfinished.join(tarball))?;
    std::fs::rename(&unfinished, &folder)?;
    Ok(package)
}

/// The folders of headers that React Native's build passes to a module.
fn react_headers(react: &Path) -> Vec<PathBuf> {
    let common = react.join("ReactCommon");
    let inner = ["", "jsi", "callinvoker", "react/bridging", "react/nativemodule/core"];
    inner.iter().map(|folder| common.join(folder)).collect()
}

/// Compiles the C++ of the package as Android's build does, but links nothing.
fn cpp(react: &Path) -> Result<()> {
    ensure_program("clang++-19", &["clang-19"])?;
    let uniffi = PathBuf::from("bindings/typescript/node_modules/uniffi-bindgen-react-native/cpp/includes");
    let fbjni = Path::new(PACKAGING).join("react-android/target/fbjni/prefab/modules/fbjni/include");
    let holder = react.join("ReactAndroid/src/main/jni/react/turbomodule");
    let java = java_headers()?;
    let folders = [uniffi, fbjni, holder, java.join("linux"), java.join("darwin"), java];
    let folders: Vec<PathBuf> = react_headers(react).into_iter().chain(folders).collect();
    // Of the generated code only errors matter.
    for (warnings, sources) in
        [(&["-Wall", "-Wextra", "-Werror"][..], &["cpp", "android"][..]), (&["-w"], &["cpp/generated"])]
    {
        let mut compiler = Command::new("clang++-19");
        compiler.args(["-std=c++20", "-fsyntax-only"]).args(warnings).arg(format!("-I{PACKAGE}/cpp"));
        for folder in &folders {
            compiler.arg("-isystem").arg(folder);
        }
        for folder in sources {
            for entry in std::fs::read_dir(Path::new(PACKAGE).join(folder))? {
                let path = entry?.path();
                if path.extension().is_some_and(|extension| extension == "cpp") {
                    compiler.arg(path);
                }
            }
        }
        step(&format!("C++ in {} against {}", sources.join(" and "), version(react)?), &mut compiler)?;
    }
    Ok(())
}

/// Java's own headers of JNI.
fn java_headers() -> Result<PathBuf> {
    let settings = Command::new("java").args(["-XshowSettings:properties", "-version"]).output()?;
    let text = String::from_utf8_lossy(&settings.stderr).into_owned();
    let home = text.lines().find_map(|line| line.trim().strip_prefix("java.home = ")).context("java has no home")?;
    Ok(Path::new(home).join("include"))
}

/// Compiles the Objective-C++ of the package against the Foundation of GNUstep. A Mac has Xcode.
fn objective_cpp(react: &Path) -> Result<()> {
    if !cfg!(target_os = "linux") {
        return Ok(());
    }
    if !Path::new("/usr/include/GNUstep/Foundation/Foundation.h").exists() {
        install("GNUstep", &["libgnustep-base-dev"])?;
    }
    let headers = apple_headers(react)?;
    let mut compiler = Command::new("clang++-19");
    compiler.args(["-x", "objective-c++", "-std=c++20", "-fsyntax-only", "-fblocks", "-fobjc-arc"]);
    // React Native's headers are not written for this Foundation: only errors matter.
    compiler.args(["-fobjc-runtime=macosx", "-DTARGET_OS_IPHONE=1", "-Wno-everything"]);
    compiler.arg("-include").arg(format!("{PACKAGING}/ios/Prelude.h"));
    compiler.arg(format!("-I{PACKAGE}/cpp")).arg(format!("-I{SPEC}")).arg("-I").arg(headers);
    compiler.arg("-I").arg(react.join("Libraries/FBLazyVector"));
    compiler.args(["-I/usr/include/GNUstep", "-isystem"]).arg(gcc_headers()?);
    for folder in react_headers(react) {
        compiler.arg("-isystem").arg(folder);
    }
    compiler.arg("-isystem").arg(react.join("ReactCommon/react/nativemodule/core/platform/ios"));
    compiler.arg(format!("{PACKAGE}/ios/ThroughlineModule.mm"));
    step(&format!("Objective-C++ against {}", version(react)?), &mut compiler)
}

/// The headers of Objective-C's runtime, which GCC brings.
fn gcc_headers() -> Result<PathBuf> {
    let folder = output(Command::new("gcc").arg("-print-file-name=include"))?;
    Ok(PathBuf::from(folder.trim()))
}

/// React Native's headers for Apple's systems in the folders that CocoaPods makes of them.
fn apple_headers(react: &Path) -> Result<PathBuf> {
    let out = std::path::absolute(Path::new(PACKAGING).join("ios/target").join(version(react)?))?;
    let _ = std::fs::remove_dir_all(&out);
    let places = [
        ("React", "React/Base"),
        ("React", "React/CxxModule"),
        ("React", "React/Modules"),
        ("RCTRequired", "Libraries/Required"),
        ("RCTTypeSafety", "Libraries/TypeSafety"),
        ("RCTDeprecation", "ReactApple/Libraries/RCTFoundation/RCTDeprecation/Exported"),
    ];
    for (name, place) in places {
        std::fs::create_dir_all(out.join(name))?;
        for entry in std::fs::read_dir(react.join(place)).with_context(|| format!("{place} of React Native"))? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "h") {
                let file = path.file_name().context("a header without a name")?;
                std::fs::copy(&path, out.join(name).join(file))?;
            }
        }
    }
    std::fs::create_dir_all(out.join("UIKit"))?;
    std::fs::write(out.join("UIKit/UIKit.h"), "#import <Foundation/Foundation.h>\n")?;
    std::fs::create_dir_all(out.join("objc"))?;
    std::fs::write(out.join("objc/blocks_runtime.h"), "")?;
    std::fs::write(out.join("ThroughlineReactNative-Swift.h"), "#import <Foundation/Foundation.h>\n")?;
    Ok(out)
}

/// The version of React Native in a folder.
fn version(react: &Path) -> Result<String> {
    let manifest = std::fs::read_to_string(react.join("package.json"))?;
    let manifest: serde_json::Value = serde_json::from_str(&manifest)?;
    Ok(format!("react-native-{}", manifest.get("version").and_then(|version| version.as_str()).unwrap_or_default()))
}
