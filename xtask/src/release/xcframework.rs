//! The XCFramework of the core: static libraries for several systems, and a property list that says
//! which is for which.
//!
//! It has no headers and no module map. Xcode copies those of all static XCFrameworks of an app
//! into one folder: a module map there collides with another library's, and one in a subfolder is
//! not found by every Xcode. The package compiles the module of C from source instead.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};

use crate::libraries::ARCHIVE;

/// The folder's name. The package and the pods name it too.
pub(crate) const NAME: &str = "ThroughlineCore.xcframework";

/// One library of the XCFramework: a system and the architectures that it runs on.
#[derive(Debug, PartialEq)]
pub(crate) struct Slice {
    /// Apple's name of the system. That of visionOS is `xros`.
    pub(crate) system: &'static str,
    /// What it is besides a device.
    variant: Option<&'static str>,
    /// Rust's targets, one for each architecture.
    pub(crate) targets: &'static [&'static str],
}

/// Every library, iOS devices first. watchOS is not among them: Apple asks for `arm64_32` there,
/// for which Rust has no standard library. Where a simulator is for arm64 alone, Rust has none for
/// Intel.
pub(crate) const SLICES: [Slice; 8] = [
    Slice { system: "ios", variant: None, targets: &["aarch64-apple-ios"] },
    Slice { system: "ios", variant: Some("simulator"), targets: &["aarch64-apple-ios-sim", "x86_64-apple-ios"] },
    Slice {
        system: "ios",
        variant: Some("maccatalyst"),
        targets: &["aarch64-apple-ios-macabi", "x86_64-apple-ios-macabi"],
    },
    Slice { system: "macos", variant: None, targets: &["aarch64-apple-darwin", "x86_64-apple-darwin"] },
    Slice { system: "tvos", variant: None, targets: &["aarch64-apple-tvos"] },
    Slice { system: "tvos", variant: Some("simulator"), targets: &["aarch64-apple-tvos-sim"] },
    Slice { system: "xros", variant: None, targets: &["aarch64-apple-visionos"] },
    Slice { system: "xros", variant: Some("simulator"), targets: &["aarch64-apple-visionos-sim"] },
];

impl Slice {
    /// The name of the slice's folder: `ios-arm64_x86_64-simulator`.
    pub(crate) fn identifier(&self) -> String {
        let variant = self.variant.map(|variant| format!("-{variant}")).unwrap_or_default();
        format!("{}-{}{variant}", self.system, self.architectures().join("_"))
    }

    /// Apple's names of the architectures.
    fn architectures(&self) -> Vec<&'static str> {
        let of = |target: &&'static str| if target.starts_with("aarch64") { "arm64" } else { "x86_64" };
        self.targets.iter().map(of).collect()
    }
}

/// Writes the XCFramework into the place of an older one. `library` writes the library of a slice.
pub(crate) fn write(folder: &Path, slices: &[Slice], library: impl Fn(&Slice, &Path) -> Result<()>) -> Result<()> {
    let unfinished = folder.with_extension("unfinished");
    let _ = std::fs::remove_dir_all(&unfinished);
    for slice in slices {
        let place = unfinished.join(slice.identifier());
        std::fs::create_dir_all(&place)?;
        library(slice, &place.join(ARCHIVE))?;
    }
    std::fs::write(unfinished.join("Info.plist"), plist(slices)?)?;
    let _ = std::fs::remove_dir_all(folder);
    std::fs::rename(&unfinished, folder).with_context(|| format!("{}", folder.display()))
}

/// The property list, as `xcodebuild -create-xcframework` writes it.
fn plist(slices: &[Slice]) -> Result<String> {
    let mut text = String::from(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>AvailableLibraries</key>
  <array>
"#,
    );
    for slice in slices {
        writeln!(text, "    <dict>")?;
        writeln!(text, "      <key>BinaryPath</key><string>{ARCHIVE}</string>")?;
        writeln!(text, "      <key>LibraryIdentifier</key><string>{}</string>", slice.identifier())?;
        writeln!(text, "      <key>LibraryPath</key><string>{ARCHIVE}</string>")?;
        writeln!(text, "      <key>SupportedArchitectures</key>")?;
        writeln!(text, "      <array>")?;
        for architecture in slice.architectures() {
            writeln!(text, "        <string>{architecture}</string>")?;
        }
        writeln!(text, "      </array>")?;
        writeln!(text, "      <key>SupportedPlatform</key><string>{}</string>", slice.system)?;
        if let Some(variant) = slice.variant {
            writeln!(text, "      <key>SupportedPlatformVariant</key><string>{variant}</string>")?;
        }
        writeln!(text, "    </dict>")?;
    }
    text.push_str(
        "  </array>
  <key>CFBundlePackageType</key><string>XFWK</string>
  <key>XCFrameworkFormatVersion</key><string>1.0</string>
</dict>
</plist>
",
    );
    Ok(text)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::SLICES;

    #[test]
    fn no_two_slices_share_a_folder_and_none_has_a_name_that_xcode_does_not_give() {
        let expected = [
            "ios-arm64",
            "ios-arm64_x86_64-simulator",
            "ios-arm64_x86_64-maccatalyst",
            "macos-arm64_x86_64",
            "tvos-arm64",
            "tvos-arm64-simulator",
            "xros-arm64",
            "xros-arm64-simulator",
        ];
        assert_eq!(SLICES.map(|slice| slice.identifier()), expected);
    }
}
