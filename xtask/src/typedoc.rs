//! The pages of the npm packages' API. What an app can import and has no documentation is an error.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::libraries::WORKSPACE;
use crate::steps::step;

/// Writes the pages into a folder. Needs what npm has put into the workspace.
pub(crate) fn type_doc(out: &Path) -> Result<()> {
    let folder = Path::new(WORKSPACE).join("typedoc");
    let quiet = ["ci", "--no-audit", "--no-fund", "--loglevel=error"];
    step("TypeDoc's packages", Command::new("npm").current_dir(&folder).args(quiet))?;
    let mut pages = Command::new("npx");
    step("TypeDoc", pages.current_dir(&folder).args(["typedoc", "--out"]).arg(std::path::absolute(out)?))
}
