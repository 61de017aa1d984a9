//! Any bytes that a host passes as a draft are read or refused, and what is lent lies within them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use throughline_ffi::draft::{Call, Draft};

fuzz_target!(|bytes: &[u8]| {
    // The door, with a handle that no client has.
    // SAFETY: the slice lives during the call.
    let answer = unsafe { throughline_ffi::throughline_record(1, bytes.as_ptr(), bytes.len()) };
    assert_eq!(answer, -1);
    let Ok(draft) = Draft::read(bytes) else { return };
    match draft.call {
        Call::Action { attributes, .. } | Call::Custom { attributes, .. } | Call::User { attributes } => {
            let lent = attributes.lend(|lent| lent.len());
            assert_eq!(lent.ok(), attributes.to_owned().ok().map(|owned| owned.len()));
        }
        Call::Mutation { old, new, attributes, .. } => {
            assert!(old.lend(|_| ()).is_ok() && new.lend(|_| ()).is_ok());
            drop(attributes.to_owned());
        }
        Call::ReadContext { headers, .. } => drop(headers.read_all()),
        _ => {}
    }
});
