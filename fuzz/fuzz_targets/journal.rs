//! A journal file of any bytes: no panic, no endless walk, and every record that comes out decodes
//! or is refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use throughline::internals::decode::{Context, Record, Scope};
use throughline::internals::frame;
use throughline::internals::ids::RunKey;
use throughline::internals::journal::run_file::RunFile;

fuzz_target!(|input: (u64, Vec<u8>)| {
    let (from, bytes) = input;
    let file = RunFile::from_bytes(bytes, RunKey([7; 16]));
    let _ = (file.start(), file.counters());
    file.drain(from & 0xff_fff8, usize::MAX, usize::MAX, |record| {
        if let Some((_, record)) = frame::split(record.payload) {
            let _ = (Record::decode(record), Context::decode(record), Scope::decode(record));
        }
    });
});
