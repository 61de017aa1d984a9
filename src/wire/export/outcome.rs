//! What the answers of a backend mean, as a table: the code walks it, and a test compares it with
//! the one in the backend's page, so that behaviour and documents cannot differ.

use crate::model::export::Verdict;
use crate::model::http::Response;

/// What a rule makes of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    Delivered,
    Retry,
    Split,
    Refused,
    Decompress,
    /// With what may be done about it.
    Hold(&'static str),
}

/// A condition beside the status: in words, and as a test.
pub(super) type Condition = (&'static str, fn(&Response) -> bool);

/// What an answer with a status between two means, both included.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    pub(super) from: u16,
    pub(super) to: u16,
    pub(super) when: Option<Condition>,
    pub(super) meaning: Meaning,
    /// Why, in words.
    pub(super) reason: &'static str,
}

/// A rule of the status alone.
pub(super) const fn rule(from: u16, to: u16, meaning: Meaning, reason: &'static str) -> Rule {
    Rule { from, to, when: None, meaning, reason }
}

/// A rule with a condition.
pub(super) const fn rule_when(from: u16, to: u16, when: Condition, meaning: Meaning, reason: &'static str) -> Rule {
    Rule { from, to, when: Some(when), meaning, reason }
}

/// What an answer means by the first rule that fits. An answer that none fits is retried.
pub(super) fn verdict(rules: &[Rule], response: &Response) -> Verdict {
    let fits = |rule: &&Rule| {
        (rule.from..=rule.to).contains(&response.status) && rule.when.is_none_or(|(_, holds)| holds(response))
    };
    let Some(rule) = rules.iter().find(fits) else { return Verdict::Retry };
    match rule.meaning {
        Meaning::Delivered => Verdict::Delivered { rejected: 0 },
        Meaning::Retry => Verdict::Retry,
        Meaning::Split => Verdict::Split,
        Meaning::Refused => Verdict::Refused,
        Meaning::Decompress => Verdict::Decompress,
        Meaning::Hold(advice) => Verdict::Hold(format!("{}: {advice}", rule.reason)),
    }
}

/// Compares the rules with the table of a page below `docs`.
#[cfg(test)]
pub(super) fn assert_documented(rules: &[Rule], page: &str) {
    let row = |rule: &Rule| {
        let status = if rule.from == rule.to { rule.from.to_string() } else { format!("{}–{}", rule.from, rule.to) };
        let when = rule.when.map_or_else(String::new, |(words, _)| format!(", {words}"));
        let meaning = match rule.meaning {
            Meaning::Delivered => "delivered".to_owned(),
            Meaning::Retry => "sent again later".to_owned(),
            Meaning::Split => "sent in halves; a single event is dropped as `too_large`".to_owned(),
            Meaning::Refused => "halved until the event at fault is found, which is dropped as `rejected`".to_owned(),
            Meaning::Decompress => {
                "sent again without compression; if it was not compressed, as for other answers of its class".to_owned()
            }
            Meaning::Hold(advice) => format!("kept, and the signal pauses: {advice}"),
        };
        format!("| {status}{when} | {} | {meaning} |\n", rule.reason)
    };
    let table =
        format!("| answer | why | what happens |\n|---|---|---|\n{}", rules.iter().map(row).collect::<String>());
    let path = format!("{}/docs/{page}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(&table), "{page} should have this table:\n{table}");
}

/// Every status with every kind of body has a verdict, which never is a delivery outside of 2xx.
#[cfg(test)]
pub(super) fn assert_total(classify: impl Fn(&Response) -> Verdict) {
    let page = vec![b'<'; 64 * 1024];
    for status in 100..=599 {
        for body in [&b""[..], b"\xff\x00garbage", b"{", b"null", &page] {
            for truncated in [false, true] {
                let response = Response { status, body: body.to_vec(), truncated, ..Response::default() };
                let is_delivered = matches!(classify(&response), Verdict::Delivered { .. });
                assert!(!is_delivered || (200..300).contains(&status), "{status}");
                assert!(!is_delivered || body != page, "{status}: a captive portal's page");
            }
        }
    }
}
