//! The engine beside its peers and its limits, in one run on one machine. `cargo xtask bench`
//!
//! The cost of reading the clock twice is subtracted from the times of single calls; it is printed
//! as `clock_pair_ns`. Every figure is a median of its samples unless its name says otherwise.

mod calls;
mod client;
mod crash;
mod disk;
#[cfg(feature = "peers")]
mod peers;
#[cfg(feature = "peers")]
mod peers_wire;
mod queue;
mod semantics;
mod sqlite;
mod table;
mod timing;
mod wire;

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Parser;
use table::{Goal, Table};

#[derive(Parser)]
struct Options {
    /// Also write the rows to this file, as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Length of the paced recording, in seconds.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Leave out the peers.
    #[arg(long)]
    no_peers: bool,
    /// Measure only what goes over the wire: bytes an event, and the speed of a flush.
    #[arg(long)]
    wire: bool,
    /// Internal: flush this directory to this backend, in a process of its own.
    #[arg(long, hide = true, num_args = 2)]
    flush: Option<Vec<String>>,
}

fn main() -> Result<()> {
    let options = Options::parse();
    if let Some([dir, url]) = options.flush.as_deref() {
        return queue::flush_child(dir, url);
    }
    let mut table = Table::default();
    if options.wire {
        wire::add(&mut table)?;
        #[cfg(feature = "peers")]
        if !options.no_peers {
            peers_wire::add(&mut table)?;
        }
        return finish(&table, options.json.as_deref());
    }
    // Before there is a client: one capture is all that a process can have.
    table.add("crash_state_ns", crash::note()?, "ns", Goal::AtMost(100.0));
    let paced = calls::paced(options.seconds)?;
    table.add("clock_pair_ns", paced.clock_ns, "ns", Goal::None);
    table.add("record_floor_ns", paced.floor_ns, "ns", Goal::None);
    table.add("record_floor_p999_ns", paced.floor_p999_ns, "ns", Goal::None);
    table.add("record_p50_ns", paced.p50_ns, "ns", Goal::AtMost((2.5 * paced.floor_ns).max(150.0)));
    table.add("record_ratio", paced.p50_ns / paced.floor_ns, "x", Goal::AtMost(3.0));
    table.add("record_p99_ns", paced.p99_ns, "ns", Goal::None);
    table.add("record_p999_ns", paced.p999_ns, "ns", Goal::AtMost(2_000.0));
    table.add("record_events", paced.events as f64, "events", Goal::None);
    table.add("record_dropped", paced.dropped as f64, "events", Goal::AtMost(0.0));
    table.add("record_missing_in_sqlite", paced.missing as f64, "events", Goal::AtMost(0.0));
    table.add("record_isolated_us", calls::isolated()?, "us", Goal::AtMost(10.0));
    table.add("record_2_threads_p99_ns", calls::threads(2)?, "ns", Goal::None);
    table.add("record_8_threads_p99_ns", calls::threads(8)?, "ns", Goal::None);
    table.add("disabled_ns", calls::disabled()?, "ns", Goal::AtMost(2.0));
    let switches = calls::idle_switches(options.seconds)?;
    table.add("idle_context_switches", switches, "", Goal::AtMost(2.0));
    let drain = queue::drain()?;
    table.add("sqlite_events_per_s", drain.events_per_s, "1/s", Goal::None);
    table.add("raw_sqlite_events_per_s", drain.raw_per_s, "1/s", Goal::None);
    table.add("sqlite_ratio", drain.ratio, "", Goal::AtLeast(0.85));
    table.add("disk_bytes_per_event", drain.bytes_per_event, "bytes", Goal::AtMost(100.0));
    table.add("start_us", queue::start(&drain.dir)?, "us", Goal::AtMost(100.0));
    let flush = queue::flush(&drain.dir)?;
    table.add("rss_kib", flush.peak_kib, "KiB", Goal::AtMost(3.0 * 1024.0));
    table.add("flush_events_per_s", flush.events_per_s, "1/s", Goal::AtLeast(100_000.0));
    table.add("encode_ns", calls::encode(), "ns", Goal::None);
    let state = semantics::state()?;
    table.add("state_ignored_ns", state.ignored, "ns", Goal::AtMost(20.0));
    table.add("state_ignored_by_text_ns", state.ignored_text, "ns", Goal::None);
    table.add("state_coalesced_ns", state.coalesced, "ns", Goal::None);
    let (short, long) = semantics::patterns()?;
    table.add("pattern_step_short_ns", short, "ns", Goal::None);
    table.add("pattern_step_long_ns", long, "ns", Goal::AtMost(2.0 * short));
    let (short, long) = semantics::scan();
    table.add("scan_64_chars_ns", short, "ns", Goal::None);
    table.add("scan_8_kib_us", long / 1_000.0, "us", Goal::None);
    let (listed, unlisted) = semantics::headers();
    table.add("headers_all_formats_ns", listed, "ns", Goal::None);
    table.add("headers_unlisted_ns", unlisted, "ns", Goal::None);
    #[cfg(feature = "peers")]
    if !options.no_peers {
        let glean = peers::glean()?;
        table.add("glean_call_ns", glean.call_ns, "ns", Goal::None);
        table.add("record_vs_glean", glean.call_ns / paced.p50_ns, "x", Goal::AtLeast(8.0));
        table.add("glean_to_disk_events_per_s", glean.events_per_s, "1/s", Goal::None);
        table.add("disk_vs_glean", drain.events_per_s / glean.events_per_s, "x", Goal::AtLeast(4.0));
        table.add("glean_disk_bytes_per_event", glean.bytes_per_event, "bytes", Goal::None);
        table.add("sentry_breadcrumb_ns", peers::sentry(), "ns", Goal::None);
        table.add("opentelemetry_log_ns", peers::opentelemetry(), "ns", Goal::None);
    }
    finish(&table, options.json.as_deref())
}

fn finish(table: &Table, json: Option<&Path>) -> Result<()> {
    table.print();
    if let Some(path) = json {
        std::fs::write(path, table.json())?;
    }
    Ok(())
}
