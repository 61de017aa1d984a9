//! The steps of a guide as a script of bash, which keeps its folder and its variables as a terminal
//! does.

use super::steps::Step;

/// The port of every guide.
const PORT: u16 = 4318;

/// How a guide is followed.
pub(super) struct Follow<'a> {
    /// The port that stands in for the guide's, where another program may have that.
    pub(super) port: u16,
    /// What the session in the inspector must have.
    pub(super) found: &'a [&'a str],
    /// Parts of commands that are left out, because this machine cannot run them.
    pub(super) left_out: &'a [(&'a str, &'a str)],
    /// What is run at the end of the steps, before the inspector is asked.
    pub(super) at_the_end: &'a str,
}

impl Default for Follow<'_> {
    fn default() -> Self {
        // The events of a guide's program. Every language records the same.
        let found = &["first-event", "Home", "\"hello\"", "SayHello", "hello, world"];
        Self { port: PORT, found, left_out: &[], at_the_end: "" }
    }
}

/// Why commands are left out; nothing if they are run.
pub(super) fn reason<'a>(follow: &Follow<'a>, commands: &str) -> Option<&'a str> {
    follow.left_out.iter().find(|(part, _)| commands.contains(part)).map(|(_, reason)| *reason)
}

/// A script that fails when a command does, when something else is printed, or when the inspector
/// does not have the events.
pub(super) fn script(steps: &[Step], follow: &Follow) -> String {
    // Errors of SwiftPM are printed to standard output.
    let mut script = String::from(
        "set -e\nset -m 2>/dev/null\nstart=$PWD inspector=\nexec 3>&1\n\
         trap 'test $? = 0 || cat \"$start/printed\" >&2; test -z \"$inspector\" || kill -- -$inspector' EXIT\n",
    );
    let collector = format!("http://127.0.0.1:{PORT}");
    for step in steps {
        match step {
            Step::Inspector(commands) => {
                // A second terminal, in which the reader is where the first one began, without its
                // variables.
                script += &format!("(cd \"$start\"\nunset THROUGHLINE\nset -e\n{commands}) &\ninspector=$!\n");
                script += &format!(
                    "until curl --silent --fail {collector}/health/ready; do\n    kill -0 $inspector\n    sleep 0.2\ndone\n"
                );
            }
            Step::Shell(commands) => match reason(follow, commands) {
                Some(reason) => script += &format!("echo '── left out: {}'\n", reason.replace('\'', "’")),
                None => script += &format!("exec >\"$start/printed\"\n{commands}exec >&3\ncat \"$start/printed\"\n"),
            },
            Step::File(path, text) => {
                let folder = path.rsplit_once('/').map_or(".", |(folder, _)| folder);
                script +=
                    &format!("mkdir -p \"{folder}\"\ncat >\"{path}\" <<'END OF THE FILE'\n{text}END OF THE FILE\n");
            }
            Step::Printed(text) => {
                for line in text.lines() {
                    // Maven sets the colours back, also where there are none.
                    script += &format!("sed 's/\\x1b\\[[0-9;]*m//g' \"$start/printed\" | grep -qxF '{line}'\n");
                }
            }
        }
    }
    script += follow.at_the_end;
    script += &format!("session=$(curl --silent --fail {collector}/api/sessions)\necho \"$session\"\n");
    script += "session=$(echo \"$session\" | sed 's/.*\"id\":\"\\([^\"]*\\)\".*/\\1/')\n";
    script += &format!("curl --silent --fail \"{collector}/api/session/$session\" >\"$start/records\"\n");
    for found in follow.found {
        script += &format!("grep -qF '{found}' \"$start/records\" || {{ echo 'no {found}'; exit 1; }}\n");
    }
    script.replace(&PORT.to_string(), &follow.port.to_string())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::{Follow, Step, script};

    #[test]
    fn a_step_that_fails_or_prints_something_else_ends_the_guide() -> anyhow::Result<()> {
        let folder = std::env::temp_dir().join(format!("throughline-script-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let follow = Follow { left_out: &[("xcodebuild", "it needs a Mac")], ..Follow::default() };
        let ends = |commands: &str, printed: &str| -> anyhow::Result<(bool, String)> {
            let steps = [
                Step::File("a/b".to_owned(), "$c `d`\n".to_owned()),
                Step::Shell(commands.to_owned()),
                Step::Printed(printed.to_owned()),
            ];
            // The inspector is not asked here.
            let text = script(&steps, &follow);
            let (text, _) = text.split_once("session=$(curl").unwrap_or_default();
            let done = Command::new("bash").current_dir(&folder).args(["-c", text]).output()?;
            Ok((done.status.success(), String::from_utf8_lossy(&done.stdout).into_owned()))
        };
        assert!(ends("cat a/b\n", "$c `d`\n")?.0);
        assert!(ends("printf '\\033[0m6 delivered\\n'\n", "6 delivered\n")?.0);
        assert!(!ends("echo 16 delivered\n", "6 delivered\n")?.0);
        assert!(!ends("false\necho 6 delivered\n", "6 delivered\n")?.0);
        let (_, said) = ends("xcodebuild\n", "anything\n")?;
        assert!(said.contains("left out: it needs a Mac"), "{said}");
        std::fs::remove_dir_all(folder)?;
        Ok(())
    }
}
