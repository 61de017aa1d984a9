//! Follows the guide for Kotlin word for word: its commands and its files, in their order, from an
//! empty home to the first event in the inspector.

use std::fmt::Write;
use std::net::TcpListener;

use anyhow::{Context, Result, bail, ensure};

use crate::release::consumers::Outside;
use crate::steps::step_with_output;

const GUIDE: &str = "docs/kotlin.md";
/// The sections that are followed.
const FROM: &str = "## Install";
const TO: &str = "## Nothing arrives?";
/// Most steps that a reader has to take.
const MAX_STEPS: usize = 6;
/// The port of the guide. Another program may have it, so another one stands in for it.
const PORT: &str = "4318";

/// Follows the guide.
pub(super) fn guide(outside: &Outside) -> Result<()> {
    let text = std::fs::read_to_string(GUIDE)?;
    let (_, rest) = text.split_once(FROM).context("the guide has no beginning")?;
    let (followed, _) = rest.split_once(TO).context("the guide has no end")?;
    // Where the guide says that the checkout is.
    std::fs::create_dir_all(outside.0.join("src"))?;
    std::os::unix::fs::symlink(std::env::current_dir()?, outside.0.join("src/throughline"))?;
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port().to_string();
    let script = script(&steps(followed)?)?.replace(PORT, &port);
    let mut shell = outside.command("bash");
    shell.current_dir(&outside.0).args(["-c", &script]);
    let said = step_with_output("the guide for Kotlin, word for word", &mut shell)?;
    // What the guide promises.
    let promised = promised(followed)?;
    // Maven sets the colours back, also where there are none.
    ensure!(
        said.lines().any(|line| line.trim_start_matches("\u{1b}[0m") == promised),
        "the program does not print `{promised}`"
    );
    let page = said.split_once(PAGE).context("the inspector was not asked")?.1;
    ensure!(page.contains("first-event"), "the inspector does not show the session: {page}");
    Ok(())
}

/// What the first run prints, as the guide says.
fn promised(text: &str) -> Result<&str> {
    let (_, rest) = text.split_once("It prints `").context("the guide does not say what is printed")?;
    Ok(rest.split_once('`').context("a quotation does not end")?.0)
}

/// What the reader does.
#[derive(Debug, PartialEq)]
enum Step {
    /// Types a command in the first terminal.
    Command(String),
    /// Types a command in the second terminal, and leaves it running.
    Second(String),
    /// Writes a file.
    File(String, String),
}

/// The steps of a text. A block of code that is no command is a file, whose name stands before it.
fn steps(text: &str) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    let mut numbered = 0;
    let mut before = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(language) = line.trim_start().strip_prefix("```") else {
            let number = line.split_once(". ").filter(|(number, _)| number.parse::<usize>().is_ok());
            if number.is_some() {
                numbered += 1;
                before.clear();
            }
            before.push_str(line);
            continue;
        };
        let indent = line.len() - line.trim_start().len();
        let mut code = String::new();
        for line in lines.by_ref().take_while(|line| line.trim() != "```") {
            writeln!(code, "{}", line.get(indent..).unwrap_or_default())?;
        }
        steps.push(match language {
            "sh" if before.contains("second terminal") => Step::Second(code),
            "sh" => Step::Command(code),
            _ => {
                let name = before.rsplit('`').nth(1).context("a file of the guide has no name")?;
                Step::File(name.to_owned(), code)
            }
        });
        before.clear();
    }
    ensure!(numbered > 0 && numbered <= MAX_STEPS, "the guide has {numbered} steps");
    if !steps.iter().any(|step| matches!(step, Step::Second(_))) {
        bail!("the guide does not start the inspector");
    }
    Ok(steps)
}

/// The line before what the inspector's page says.
const PAGE: &str = "── page\n";

/// The steps as a script of one shell, which keeps its folder and its variables as a terminal does.
fn script(steps: &[Step]) -> Result<String> {
    let mut script = "set -eum\nsecond=\ntrap 'test -z \"$second\" || kill -- -$second' EXIT\n".to_owned();
    for step in steps {
        match step {
            Step::Command(command) => script.push_str(command),
            Step::Second(command) => {
                // A second terminal knows nothing of the first one.
                write!(script, "(cd; unset THROUGHLINE; set -e\n{command}) >/dev/null &\nsecond=$!\n")?;
                writeln!(
                    script,
                    "for try in $(seq 600); do (: </dev/tcp/127.0.0.1/{PORT}) 2>/dev/null && break; sleep 0.5; done"
                )?;
            }
            Step::File(name, text) => {
                ensure!(!text.contains("\nEND-OF-FILE\n"), "{name} cannot be written");
                writeln!(script, "cat >'{name}' <<'END-OF-FILE'\n{text}END-OF-FILE")?;
            }
        }
    }
    write!(
        script,
        "printf '{}'\nexec 3<>/dev/tcp/127.0.0.1/{PORT}\n\
         printf 'GET /api/sessions HTTP/1.0\\r\\nhost: 127.0.0.1:{PORT}\\r\\n\\r\\n' >&3\ncat <&3\n",
        PAGE.replace('\n', "\\n")
    )?;
    Ok(script)
}

#[cfg(test)]
mod tests {
    use super::{Step, promised, script, steps};

    const TEXT: &str = "1. Publish:\n\n   ```sh\n   a\n   b\n   ```\n\n2. Write `x.kt`:\n\n   ```kotlin\n   f {\n\n       g()\n   }\n   ```\n\n\
                        3. In a second terminal:\n\n   ```sh\n   c\n   ```\n\n   It prints `6 delivered`, and 5.\n";

    #[test]
    fn a_step_of_the_guide_is_not_overlooked() -> anyhow::Result<()> {
        let found = steps(TEXT)?;
        let file = Step::File("x.kt".into(), "f {\n\n    g()\n}\n".into());
        assert_eq!(found, [Step::Command("a\nb\n".into()), file, Step::Second("c\n".into())]);
        assert_eq!(promised(TEXT)?, "6 delivered");
        let written = script(&found)?;
        assert!(written.contains("\na\nb\n") && written.contains("cat >'x.kt'"), "{written}");
        Ok(())
    }

    #[test]
    fn a_guide_of_many_steps_or_without_the_inspector_is_refused() {
        let many =
            (4..9).fold(TEXT.to_owned(), |text, number| format!("{text}\n{number}. Do:\n\n   ```sh\n   d\n   ```\n"));
        assert!(steps(&many).is_err());
        assert!(steps(&TEXT.replace("second terminal", "terminal")).is_err());
        assert!(promised("nothing").is_err());
    }
}
