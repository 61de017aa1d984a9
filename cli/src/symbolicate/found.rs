//! What was found out about a line. The line itself is always kept as it was.

use serde::Serialize;

/// A line of a stack trace, and what the symbol files say about it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Line {
    /// The line as it stands in the report.
    pub(crate) raw: String,
    #[serde(flatten)]
    pub(crate) found: Found,
}

/// What the symbol files say.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Found {
    /// The functions, the innermost first. All but the last are inlined into the one after them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) frames: Vec<Frame>,
    /// Of a frame that may be one of several functions, all of them. `frames` is empty then.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) candidates: Vec<Frame>,
    /// The line with the original name of its class, if it is the first of a Java exception.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<String>,
    /// What a reader of the result must know about how it came about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
    /// Why nothing was found although the line names a place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) missing: Option<Missing>,
}

/// A function, and the place in its source.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Frame {
    pub(crate) function: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) file: Option<String>,
    /// Counts from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) line: Option<u32>,
    /// Counts from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) column: Option<u32>,
}

/// Symbols that a report needs and that are not there.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub(crate) struct Missing {
    /// Whose symbols: a module with its build id, a bundle, a mapping.
    pub(crate) of: String,
    pub(crate) why: String,
}

impl Found {
    pub(super) fn frames(frames: Vec<Frame>) -> Self {
        Self { frames, ..Self::default() }
    }

    pub(super) fn missing(of: impl Into<String>, why: impl Into<String>) -> Self {
        Self { missing: Some(Missing { of: of.into(), why: why.into() }), ..Self::default() }
    }

    /// Whether anything is known that the line does not say.
    pub(crate) fn says_something(&self) -> bool {
        !self.frames.is_empty() || !self.candidates.is_empty() || self.text.is_some()
    }
}

impl Frame {
    /// The place in the source: `cart.rs:41:9`. Empty if it is not known.
    pub(crate) fn place(&self) -> String {
        let Some(file) = &self.file else { return String::new() };
        match (self.line, self.column) {
            (Some(line), Some(column)) => format!("{file}:{line}:{column}"),
            (Some(line), None) => format!("{file}:{line}"),
            _ => file.clone(),
        }
    }
}
