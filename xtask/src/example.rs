//! Runs a sample app against the inspector and the sample backend.

use anyhow::{Result, bail};

use crate::cli::Language;
use crate::inspector::Inspector;
use crate::kotlin::kotlin;
use crate::libraries::Build;
use crate::steps::run;
use crate::swift::swift;
use crate::typescript::profile_app;

/// What happens when the sample app has ended.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum After {
    /// Everything ends.
    End,
    /// The inspector serves the page of the session until Ctrl-C.
    Serve,
}

/// `cargo xtask example`.
pub(crate) fn example(language: Language, after: After) -> Result<()> {
    let mut inspector = Inspector::start(if after == After::Serve { 4318 } else { 0 })?;
    let (collector, backend) = (inspector.collector.clone(), inspector.backend.clone());
    match language {
        Language::Rust => run("quickstart", &["run", "--quiet", "--example", "quickstart"])?,
        Language::ReactNative => profile_app(&inspector)?,
        Language::Backends => bail!("there is no app for the backends; their READMEs say how they are run"),
        Language::Kotlin => {
            let arguments = format!("-Dexec.args={collector} {backend}");
            let app =
                ["--projects", "core,okhttp,../../examples/kotlin", "--activate-profiles", "run", "process-classes"];
            kotlin(Build::Testing, &[&app[..], &[&arguments]].concat())?;
        }
        Language::Swift => {
            let app = ["run", "-c", "release", "-Xswiftc", "-enable-testing", "profile-app", &collector, &backend];
            swift(Build::Testing, "examples/swift/profile", &app, &[])?;
        }
    }
    if after == After::Serve {
        println!("── {collector}/ shows the session and its traces; Ctrl-C ends");
        inspector.wait()?;
    }
    Ok(())
}
