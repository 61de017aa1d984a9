//! A row and a canonical record of any bytes: no panic, and what was encoded decodes to itself.
#![no_main]

use libfuzzer_sys::fuzz_target;
use throughline::event::Lane;
use throughline::internals::decode::{Context, Record, Scope};
use throughline::internals::queue::row;

fuzz_target!(|input: (u32, u32, u64, &[u8])| {
    let (seq, run, n, bytes) = input;
    let _ = row::decode(Lane::Event, u64::from(seq), bytes);
    let _ = (Record::decode(bytes), Context::decode(bytes), Scope::decode(bytes));
    let mut encoded = Vec::new();
    row::encode(Lane::Event, u64::from(seq), run, n, bytes, &mut encoded);
    let decoded = row::decode(Lane::Event, u64::from(seq), &encoded);
    assert_eq!(decoded, Some(row::Row { run, n, record: bytes }));
});
