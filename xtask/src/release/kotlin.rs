//! `cargo xtask release kotlin`: the artifacts for the JVM and Android.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::android::{Native, aar};
use crate::kotlin::kotlin as maven;
use crate::libraries::{Build, SHARED, target};
use crate::release::elf::is_fit_for_hosts;
use crate::release::files::{date, epoch, jar};
use crate::release::pom::{About, Dependency, Packaging, about, dependencies, properties};
use crate::release::repository::{Files, Repository};
use crate::steps::{output, step};

/// The version of everything: the workspace's.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The modules of classes. `androidx` is none of them: it is only compiled against.
pub(crate) const MODULES: [(&str, Packaging); 5] = [
    ("core", Packaging::Jar),
    ("okhttp", Packaging::Jar),
    ("compose", Packaging::Jar),
    ("work", Packaging::Jar),
    ("android", Packaging::Aar),
];

/// How the artifacts begin that have the native library of a desktop.
const NATIVE: &str = "throughline-native-";

#[derive(Args)]
pub(crate) struct Options {
    /// The Maven repository, a folder. What other machines have published there stays: each adds
    /// the library of its own system. Default: `target/release/maven`.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Build the native library of this machine alone. The version of the AAR then ends in
    /// `-nonative`: it is for tests, and no release. Without it, the libraries for Android are
    /// built, which needs an NDK (`ANDROID_NDK_HOME`) and cargo-ndk.
    #[arg(long)]
    host_only: bool,
}

/// `cargo xtask release kotlin`.
pub(crate) fn kotlin(options: &Options) -> Result<()> {
    release(options.out.as_deref(), if options.host_only { Native::None } else { Native::All })
}

/// Publishes everything to a Maven repository in a folder.
///
/// What other machines have published there stays: each adds the library of its own system.
pub(crate) fn release(out: Option<&Path>, native: Native) -> Result<()> {
    let out = match out {
        Some(out) => out.to_owned(),
        None => target()?.join("release/maven"),
    };
    // It fails sooner than Maven does.
    if native == Native::All {
        crate::android::ndk()?;
    }
    let projects = "core,okhttp,androidx,android,work,compose";
    // Maven dates what it packs with it.
    let dated = format!("-Dproject.build.outputTimestamp={}", date(epoch()?, "%Y-%m-%dT%H:%M:%SZ")?);
    let package = ["--projects", projects, "--activate-profiles", "javadoc", "package", "-DskipTests", &dated];
    maven(Build::Shipped, &package)?;
    let dir = target()?.join("release/parts");
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir)?;
    let repository = Repository::new(&out);

    let android = match native {
        Native::All => VERSION.to_owned(),
        Native::None => format!("{VERSION}-nonative"),
    };
    let host = format!("{NATIVE}{}", host()?);
    let mut desktops = repository.artifacts(NATIVE, VERSION)?;
    desktops.push(host.clone());
    desktops.sort();
    desktops.dedup();
    let names = MODULES.map(|(folder, _)| format!("throughline-{folder}"));
    let all = names.iter().cloned().chain(["throughline-jvm".to_owned()]).chain(desktops.iter().cloned());
    // What is no release is not named by the others, so that no app gets it with them.
    let all = all.filter(|name| android == VERSION || name != "throughline-android");
    let release: Vec<Dependency> = all.map(|name| Dependency::ours(&name, VERSION)).collect();
    let described = |artifact: &str, name: &str, description: &str, packaging, dependencies| About {
        artifact: artifact.to_owned(),
        version: if artifact == "throughline-android" { android.clone() } else { VERSION.to_owned() },
        name: name.to_owned(),
        description: description.to_owned(),
        packaging,
        dependencies,
        release: release.clone(),
    };

    let versions = properties(&std::fs::read_to_string("bindings/kotlin/pom.xml")?);
    let mut classes = BTreeMap::new();
    for ((folder, packaging), artifact) in MODULES.iter().zip(&names) {
        let module = Path::new("bindings/kotlin").join(folder);
        let pom = std::fs::read_to_string(module.join("pom.xml"))?;
        let (name, description) = about(&pom)?;
        let mut needed = dependencies(&pom, &versions, VERSION)?;
        let classes_jar = module.join(format!("target/{artifact}-{VERSION}.jar"));
        classes.insert(artifact.clone(), class_names(&classes_jar)?);
        let main = match packaging {
            Packaging::Aar => {
                // The core brings the jar for desktops, which has the same classes.
                let jna = versions.get("jna.version").context("no version of JNA")?.clone();
                needed.push(Dependency { group: "net.java.dev.jna".into(), artifact: "jna".into(), version: jna });
                aar(&classes_jar, &android, native)?
            }
            _ => classes_jar,
        };
        let sources = Some(jar_of(&dir, &format!("{artifact}-sources"), &module.join("src/main/kotlin"))?);
        let pages = module.join(format!("target/{artifact}-{VERSION}-javadoc.jar"));
        let javadoc = Some(repacked(&dir, &format!("{artifact}-javadoc"), &pages)?);
        repository.publish(
            &described(artifact, &name, &description, *packaging, needed),
            &Files { main: Some(main), sources, javadoc },
        )?;
    }
    each_class_is_in_one_artifact(&classes)?;

    let about_native = format!("The native library of Throughline for {}.", host.trim_start_matches(NATIVE));
    let native_jar = native_jar(&dir)?;
    let files = Files { main: Some(native_jar), sources: None, javadoc: Some(javadoc(&dir, &host)?) };
    repository.publish(&described(&host, &host, &about_native, Packaging::Jar, Vec::new()), &files)?;

    let empty = dir.join("empty");
    std::fs::create_dir_all(&empty)?;
    let jvm = "throughline-jvm";
    let mut needed = vec![Dependency::ours("throughline-core", VERSION)];
    needed.extend(desktops.iter().map(|desktop| Dependency::ours(desktop, VERSION)));
    let about_jvm = "Throughline for programs on a JVM: the core and the native libraries of desktops and servers.";
    let files = Files { main: Some(jar_of(&dir, jvm, &empty)?), sources: None, javadoc: Some(javadoc(&dir, jvm)?) };
    repository.publish(&described(jvm, "Throughline for the JVM", about_jvm, Packaging::Jar, needed), &files)?;

    let bom = "The versions of all artifacts of one release.";
    let bom = described("throughline-bom", "Throughline versions", bom, Packaging::Bom, Vec::new());
    repository.publish(&bom, &Files::default())?;
    println!("── {}: version {VERSION}, for Android {android}", out.display());
    Ok(())
}

/// The names of the classes in a jar.
fn class_names(jar: &Path) -> Result<Vec<String>> {
    let names = output(Command::new("jar").args(["--list", "--file"]).arg(jar))?;
    Ok(names.lines().filter(|name| name.ends_with(".class")).map(str::to_owned).collect())
}

/// An app with two artifacts that have the same class is not built by Gradle, and elsewhere runs
/// with one of them by chance.
fn each_class_is_in_one_artifact(artifacts: &BTreeMap<String, Vec<String>>) -> Result<()> {
    let mut owners = BTreeMap::new();
    for (artifact, classes) in artifacts {
        ensure!(!classes.is_empty(), "{artifact} has no classes");
        for class in classes {
            if let Some(other) = owners.insert(class, artifact) {
                bail!("{class} is in {artifact} and in {other}");
            }
        }
    }
    Ok(())
}

/// A jar of the files of a folder.
fn jar_of(dir: &Path, name: &str, folder: &Path) -> Result<PathBuf> {
    let file = dir.join(format!("{name}.jar"));
    jar(&file, folder, true)?;
    Ok(file)
}

/// A jar with the files of another one, which was packed in another order on another day.
fn repacked(dir: &Path, name: &str, from: &Path) -> Result<PathBuf> {
    let folder = dir.join(name);
    std::fs::create_dir_all(&folder)?;
    output(Command::new("jar").current_dir(&folder).args(["--extract", "--file"]).arg(std::path::absolute(from)?))?;
    let _ = std::fs::remove_file(folder.join("META-INF/MANIFEST.MF"));
    jar_of(dir, name, &folder)
}

/// The jar that registries ask for, of an artifact without classes.
fn javadoc(dir: &Path, artifact: &str) -> Result<PathBuf> {
    let folder = dir.join(format!("{artifact}-javadoc"));
    std::fs::create_dir_all(&folder)?;
    let text =
        format!("# {artifact} {VERSION}\n\nThis artifact has no classes. Those of the core are documented there.\n");
    std::fs::write(folder.join("README.md"), text)?;
    jar_of(dir, &format!("{artifact}-javadoc"), &folder)
}

/// The system and the processor of this machine, as JNA names the folder of its library.
fn host() -> Result<String> {
    let system = match std::env::consts::OS {
        "macos" => "darwin",
        system => system,
    };
    let processor = match std::env::consts::ARCH {
        "x86_64" => "x86-64",
        "aarch64" => "aarch64",
        other => bail!("there is no artifact for {other}"),
    };
    Ok(format!("{system}-{processor}"))
}

/// A jar with this machine's library where JNA looks for it.
fn native_jar(dir: &Path) -> Result<PathBuf> {
    let folder = dir.join("native");
    let place = folder.join(host()?);
    std::fs::create_dir_all(&place)?;
    let library = place.join(SHARED);
    std::fs::copy(target()?.join("shipped").join(SHARED), &library)?;
    let mut strip = Command::new("strip");
    if cfg!(target_os = "macos") {
        step("strip", strip.arg("-x").arg(&library))?;
    } else {
        step("strip", strip.arg("--strip-unneeded").arg(&library))?;
        is_fit_for_hosts(&library)?;
    }
    jar_of(dir, "native", &folder)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::each_class_is_in_one_artifact;

    #[test]
    fn a_class_in_two_artifacts_is_refused() {
        let artifacts = |more: &str| {
            let core = vec!["dev/throughline/A.class".to_owned(), "dev/throughline/B.class".to_owned()];
            BTreeMap::from([("core".to_owned(), core), ("android".to_owned(), vec![more.to_owned()])])
        };
        assert!(each_class_is_in_one_artifact(&artifacts("dev/throughline/C.class")).is_ok());
        let said =
            each_class_is_in_one_artifact(&artifacts("dev/throughline/B.class")).map_err(|error| error.to_string());
        assert_eq!(said, Err("dev/throughline/B.class is in core and in android".to_owned()));
        assert!(each_class_is_in_one_artifact(&BTreeMap::from([("core".to_owned(), Vec::new())])).is_err());
    }
}
