//! The steps of a guide, as they stand in its first sections.

use anyhow::{Context, Result, bail, ensure};

/// Most steps that a reader has to take.
const MOST: usize = 6;

/// How to tell a block that starts the inspector: it does not end.
const INSPECTOR: &str = "-- inspect";

/// What the reader does, or sees.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    /// Types commands in the first terminal.
    Shell(String),
    /// Starts the inspector in a second terminal, and leaves it running.
    Inspector(String),
    /// Writes a file: its path, and its text.
    File(String, String),
    /// Sees what the commands before it print.
    Printed(String),
}

/// The steps between two lines of a guide.
pub(super) fn steps(guide: &str, from: &str, to: &str) -> Result<Vec<Step>> {
    let (_, rest) = guide.split_once(from).with_context(|| format!("the guide does not begin with `{from}`"))?;
    let (followed, _) = rest.split_once(to).with_context(|| format!("the guide's steps do not end at `{to}`"))?;
    let numbered = format!("{from}{followed}");
    let number = |line: &str| {
        let (number, _) = line.trim_start_matches("## ").split_once(". ")?;
        number.parse::<usize>().ok()
    };
    let numbers: Vec<usize> = numbered.lines().filter_map(number).collect();
    ensure!(numbers.iter().copied().eq(1..=numbers.len()), "the guide counts its steps {numbers:?}");
    ensure!((1..=MOST).contains(&numbers.len()), "the guide has {} steps", numbers.len());
    let steps = blocks(followed)?;
    let inspectors = steps.iter().filter(|step| matches!(step, Step::Inspector(_))).count();
    ensure!(inspectors == 1, "the guide starts {inspectors} inspectors");
    ensure!(steps.iter().any(|step| matches!(step, Step::Shell(_))), "the guide has no commands");
    ensure!(steps.iter().any(|step| matches!(step, Step::File(..))), "the guide has no program");
    Ok(steps)
}

/// The blocks of code. One of shell is run, one of text is what the commands before it print, and
/// each other one is a file whose name stands before it.
fn blocks(text: &str) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    let mut lines = text.lines();
    let mut before = "";
    while let Some(line) = lines.next() {
        let Some(language) = line.trim_start().strip_prefix("```") else {
            if !line.trim().is_empty() {
                before = line;
            }
            continue;
        };
        let indent = line.len() - line.trim_start().len();
        let mut code = String::new();
        for line in lines.by_ref().take_while(|line| line.trim_start() != "```") {
            code += line.get(indent..).unwrap_or_default();
            code.push('\n');
        }
        steps.push(match language {
            "sh" if code.contains(INSPECTOR) => Step::Inspector(code),
            "sh" => Step::Shell(code),
            "text" => Step::Printed(code),
            _ => {
                let path = before.strip_suffix("`:").and_then(|before| before.rsplit('`').next());
                let Some(path) = path else { bail!("`{before}` does not end with the name of a file") };
                ensure!(!code.contains("\nEND OF THE FILE\n"), "{path} cannot be written");
                Step::File(path.to_owned(), code)
            }
        });
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::{Step, blocks, steps};

    const TEXT: &str = "# A\n\n## Install\n\n1. Do:\n\n   ```sh\n   cd a\n     b\n   ```\n\n2. In `x`, write `a/b.swift`:\n\n   \
                        ```swift\n   c()\n\n   d()\n   ```\n\n3. In a second terminal:\n\n   ```sh\n   cargo run -- inspect\n   \
                        ```\n\n   ```text\n   1 delivered\n   ```\n\n## Next\n";

    #[test]
    fn no_step_of_a_guide_is_overlooked() -> anyhow::Result<()> {
        let expected = [
            Step::Shell("cd a\n  b\n".to_owned()),
            Step::File("a/b.swift".to_owned(), "c()\n\nd()\n".to_owned()),
            Step::Inspector("cargo run -- inspect\n".to_owned()),
            Step::Printed("1 delivered\n".to_owned()),
        ];
        assert_eq!(steps(TEXT, "## Install\n", "## Next\n")?, expected);
        assert!(blocks("Write this:\n```swift\nc()\n```\n").is_err());
        Ok(())
    }

    #[test]
    fn a_guide_that_lost_its_beginning_its_end_or_its_inspector_is_not_followed() {
        let refused = |text: &str| steps(text, "## Install\n", "## Next\n").is_err();
        assert!(!refused(TEXT));
        for (part, by) in
            [("## Install", "## Set up"), ("## Next", "## More"), ("-- inspect", "-- demo"), ("```swift", "```sh")]
        {
            assert!(refused(&TEXT.replace(part, by)), "{part}");
        }
    }

    #[test]
    fn a_guide_of_many_steps_or_with_a_number_twice_is_refused() {
        let with = |numbers: std::ops::Range<usize>| {
            let more: String = numbers.map(|number| format!("{number}. Do:\n\n   ```sh\n   d\n   ```\n")).collect();
            steps(&TEXT.replace("## Next", &format!("{more}\n## Next")), "## Install\n", "## Next\n")
        };
        assert!(with(4..7).is_ok());
        assert!(with(4..8).is_err());
        assert!(with(3..5).is_err());
    }
}
