//! Follows the guide for React Native, as far as a machine without Android's SDK can.
//!
//! The packages are built, an app is created from npm's registry, and the guide's files are written
//! into it and compiled. Gradle and Xcode do not build it: what its JavaScript imports from the
//! installed packages is bundled, and runs in Hermes with the harness in the place of the platform.

use std::path::Path;

use anyhow::Result;

use super::script::{Follow, reason, script};
use super::steps::{Step, steps};
use super::{INSTALL, NOTHING, in_the_machines_network};
use crate::libraries::WORKSPACE;
use crate::release::Outside;
use crate::steps::skip;
use crate::tools::quoted;

/// Commands that this machine cannot run, and why.
const LEFT_OUT: [(&str, &str); 2] = [
    ("cargo xtask release kotlin", "the archive for Android needs an NDK"),
    ("run-android", "the app is built by Gradle with the Android SDK"),
];

/// Metro bundles the whole app, with its components.
const METRO: &str =
    "npx react-native bundle --platform android --dev false --entry-file index.js --bundle-output \"$start/app.js\"";

/// The computer, as Android's emulator reaches it.
const EMULATED: &str = "10.0.2.2";

/// Follows the guide. `hermes` is the harness.
pub(crate) fn react_native_guide(hermes: &Path) -> Result<()> {
    let steps = steps(&std::fs::read_to_string("docs/react-native.md")?, INSTALL, NOTHING)?;
    let bundler = std::path::absolute(Path::new(WORKSPACE).join("harness/guide.mjs"))?;
    // The programs' imports, in their order, are the app's entry without its components.
    let run = format!(
        "npx tsc --noEmit\n{METRO}\nnode {} \"$PWD\" \"$start/guide.js\"\n{} {} \"$start/guide.js\"\n",
        quoted(&bundler)?,
        quoted(hermes)?,
        quoted(&std::env::current_dir()?)?
    );
    let found = ["first-event", "Home", "\"hello\"", "UserProfile", "SayHello", "hello, world"];
    let outside = Outside::new()?;
    in_the_machines_network("the guide for React Native, word for word", &outside, |port| {
        let follow = Follow { port, found: &found, left_out: &LEFT_OUT, at_the_end: &run };
        for step in &steps {
            if let Step::Shell(commands) = step
                && let Some(why) = reason(&follow, commands)
            {
                skip("commands of the guide for React Native", &format!("{why}: {}", commands.trim()));
            }
        }
        // No emulator is in between.
        script(&steps, &follow).replace(EMULATED, "127.0.0.1")
    })
}
