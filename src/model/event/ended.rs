//! What recovery makes of the newest snapshot of an event that was open when its process died.

use uuid::Uuid;

use super::EventKind;
use super::decode::{DecodeError, Record, without};
use super::encode::{append_ended, append_uint, field};

/// Ends an encoded event for this reason. A view gets a version of its own, because readers keep
/// the highest: they have seen the snapshot as one of a view that is shown. The view on which the
/// process has crashed counts that. The start and the end of a session are moments, so they stay as
/// they are.
pub(crate) fn end(record: &mut Vec<u8>, reason: &str, crashed_on: Option<Uuid>) {
    if let Ok(EventKind::Session) = Record::peek_kind(record) {
        return;
    }
    if let Ok(Some(view)) = next_version(record, crashed_on) {
        *record = view;
    }
    append_ended(record, reason);
}

/// The next version of a view; `None` for another event.
fn next_version(bytes: &[u8], crashed_on: Option<Uuid>) -> Result<Option<Vec<u8>>, DecodeError> {
    if Record::peek_kind(bytes)? != EventKind::View {
        return Ok(None);
    }
    let record = Record::decode(bytes)?;
    let count = |number| record.uint(number).unwrap_or(0);
    let has_crashed = crashed_on.is_some() && record.id(field::OBJECT_ID) == crashed_on;
    // The process may have counted the crash itself, and died of what followed.
    let crashes = count(field::CRASH_COUNT).max(u64::from(has_crashed));
    let mut view = without(bytes, &[field::DOC_VERSION, field::CRASH_COUNT])?;
    append_uint(&mut view, field::DOC_VERSION, count(field::DOC_VERSION).saturating_add(1));
    if crashes > 0 {
        append_uint(&mut view, field::CRASH_COUNT, crashes);
    }
    Ok(Some(view))
}

#[cfg(test)]
mod tests {
    use super::super::encode::{Stamp, encode};
    use super::super::{Action, Event, View};
    use super::*;
    use crate::model::names::words::PROCESS_DEATH;

    fn ended(event: &impl Event, crashed_on: Option<Uuid>) -> Vec<u8> {
        let mut bytes = Vec::new();
        assert!(encode(event, Stamp { time_delta: 7, scope: 3, ..Stamp::default() }, &mut bytes));
        // A field of a later version.
        bytes.extend_from_slice(&[0xfc, 0x7f, 5]);
        end(&mut bytes, PROCESS_DEATH, crashed_on);
        assert!(bytes.windows(3).any(|three| three == [0xfc, 0x7f, 5]));
        bytes
    }

    #[test]
    fn a_crash_counts_on_its_view_alone_and_only_once() {
        let [id, other] = [Uuid::from_u128(1), Uuid::from_u128(2)];
        let attributes = [("a", 1.into())];
        let mut view = View::new(id, "Cart").attributes(&attributes);
        (view.version, view.action_count) = (4, 2);
        for (counted, crashed_on, expected) in [
            (0, Some(id), Some(1)),
            (1, Some(id), Some(1)),
            (0, Some(other), None),
            (0, None, None),
            (1, None, Some(1)),
        ] {
            view.crash_count = counted;
            let bytes = ended(&view, crashed_on);
            let record = Record::decode(&bytes).unwrap();
            assert_eq!(record.uint(field::CRASH_COUNT), expected);
            assert_eq!((record.uint(field::DOC_VERSION), record.uint(field::ACTION_COUNT)), (Some(5), Some(2)));
            assert_eq!((record.time_delta, record.scope, record.attributes.len()), (7, 3, 1));
            assert_eq!((record.text(field::NAME), record.text(field::ENDED)), (Some("Cart"), Some(PROCESS_DEATH)));
        }
    }

    #[test]
    fn what_is_no_view_is_ended_and_else_left_as_it_is() {
        let bytes = ended(&Action::tap("buy"), Some(Uuid::from_u128(1)));
        let record = Record::decode(&bytes).unwrap();
        assert_eq!((record.text(field::NAME), record.text(field::ENDED)), (Some("buy"), Some(PROCESS_DEATH)));
        assert_eq!(record.uint(field::DOC_VERSION), None);
        let mut damaged = vec![9, 9, 9];
        end(&mut damaged, PROCESS_DEATH, None);
        assert!(damaged.starts_with(&[9, 9, 9]));
    }
}
