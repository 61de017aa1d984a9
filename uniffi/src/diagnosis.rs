//! What keeps data from arriving.

use throughline::diagnosis::{Cause, Finding as CoreFinding};

/// One thing that keeps data from arriving, or explains what is missing.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Finding {
    /// The name of the cause, which does not change: `consent_pending`, for example.
    pub cause: String,
    /// Whether nothing arrives, for one destination at least, until it is mended.
    pub blocks: bool,
    /// The destination that it concerns. None: all of them.
    pub destination: Option<String>,
    /// What was seen: a status, the text of an error, a name.
    pub seen: String,
    /// What can be done about it.
    pub advice: String,
}

impl From<CoreFinding> for Finding {
    fn from(finding: CoreFinding) -> Self {
        let CoreFinding { cause, destination, seen, .. } = finding;
        let (name, blocks, advice) = (cause.name().to_owned(), cause.blocks(), cause.advice().to_owned());
        Self { cause: name, blocks, destination, seen, advice }
    }
}

/// What keeps data from arriving.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Diagnosis {
    /// What was found, what blocks first.
    pub findings: Vec<Finding>,
    /// How many events were delivered, for the destination that has the most of them.
    pub delivered: u64,
    /// How many events wait on the device.
    pub waiting: u64,
    /// All of it as a few lines of text.
    pub text: String,
}

impl Diagnosis {
    /// The diagnosis of a client. None: it is shut down.
    pub(crate) fn of(diagnosis: Option<throughline::diagnosis::Diagnosis>) -> Self {
        let diagnosis = diagnosis.unwrap_or_else(|| {
            let finding = CoreFinding::new(Cause::NotStarted, "the client is shut down");
            throughline::diagnosis::Diagnosis::of(vec![finding], 0, 0)
        });
        let text = diagnosis.to_string();
        let throughline::diagnosis::Diagnosis { findings, delivered, waiting, .. } = diagnosis;
        Self { findings: findings.into_iter().map(Finding::from).collect(), delivered, waiting, text }
    }
}
