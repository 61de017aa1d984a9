//! `demo`: one user intent from the tap to the backend's logs, and what becomes of it when the
//! network goes away, the app is killed, and the app crashes.
//!
//! Nothing is simulated: the app and the backend are real processes and servers, TCP is between
//! them, and the app dies by SIGKILL and by a fault of its own.

pub(crate) mod app;
mod check;
mod network;
mod payment;
mod phone;
mod protocol;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use clap::Args;

use crate::guard::Names;
use crate::inspect::received::Received;
use crate::inspect::server;
use crate::output;
use crate::shop::Shop;
use crate::symbolicate;
use network::{Link, Network};
use phone::{Backends, Launch, Phone};
use protocol::{Cue, Report};

/// How long the app goes on recording without a network before it is killed.
const UNTIL_THE_KILL: Duration = Duration::from_millis(400);

/// Whether a crash is written down on this system.
const CAPTURES_CRASHES: bool = cfg!(any(target_os = "linux", target_os = "android"));

#[derive(Args)]
pub(crate) struct Options {
    /// Stop after the story instead of serving the page. The exit code is not zero if a count is
    /// wrong.
    #[arg(long)]
    once: bool,
    /// Port of the page on the loopback interface; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(story(options))
}

async fn story(options: &Options) -> Result<()> {
    let received = Arc::new(Received::open(None)?);
    // The app is this program, and so this program has the symbols of its crash.
    let symbols = Arc::new(symbolicate::index(&[std::env::current_exe()?]));
    let (collector, server) = server::bind(options.port, Names::default(), received.clone(), symbols.clone()).await?;
    tokio::spawn(server);
    let shop = Shop::start(collector, Names::default()).await?;
    let network = Network::new();
    let backends = Backends {
        collector: format!("http://{}", network.forward_to(collector).await?),
        shop: format!("http://{}", network.forward_to(shop.address).await?),
    };
    let data_dir = tempfile::tempdir()?;
    output::line(format_args!(
        "The inspector collects at http://{collector}, the shop backend listens at http://{}.\n",
        shop.address
    ))?;

    output::line(
        "1. The app starts: a view, a tap on \"checkout\", an operation, state mutations, a request to the shop.",
    )?;
    let mut phone = Phone::start(data_dir.path(), &backends, Launch::First)?;
    let Report::Online { trace, delivered, complete } = phone.report("first checkout").await? else {
        bail!("the app did not report the first checkout");
    };
    ensure!(complete, "the first checkout was not delivered");
    output::line(format_args!("   {delivered} events delivered."))?;

    output::line("2. The network goes away. The user taps again, the request fails, and the app goes on recording.")?;
    network.set(Link::Down);
    phone.give(Cue::NetworkIsDown).await?;
    let Report::Offline { reason, waiting } = phone.report("checkout without a network").await? else {
        bail!("the app did not report the checkout without a network");
    };
    output::line(format_args!("   {waiting} events wait in SQLite ({}).", reason.unwrap_or_default()))?;

    output::line("3. The app is killed with SIGKILL while it is recording.")?;
    tokio::time::sleep(UNTIL_THE_KILL).await;
    let mut acknowledged = phone.kill().await?;
    output::line(format_args!("   {} events had been acknowledged by `record` before it died.", acknowledged.len()))?;

    output::line("4. The app starts again, still without a network, and recovers what the dead process left.")?;
    let mut phone = Phone::start(data_dir.path(), &backends, Launch::Second)?;
    let Report::Relaunched(counts) = phone.report("recovery").await? else {
        bail!("the app did not report the recovery");
    };
    output::line(format!("   {}", check::books(&counts)?))?;

    output::line("5. The network returns, and the app sends everything.")?;
    network.set(Link::Up);
    phone.give(Cue::NetworkIsUp).await?;
    let Report::Flushed { complete, counts } = phone.report("last flush").await? else {
        bail!("the app did not report the last flush");
    };
    ensure!(complete, "the last flush did not deliver everything: {counts:?}");
    output::line(format!("   {}", check::books(&counts)?))?;

    let mut crash = None;
    let mut counts = counts;
    if CAPTURES_CRASHES {
        output::line("6. The user pays, and the app crashes: it writes to memory that is not there.")?;
        phone.give(Cue::Pay).await?;
        acknowledged.extend(phone.crash().await?);
        output::line("   The process has died of SIGSEGV.")?;
        output::line("7. The app starts once more, and reports the crash with the last events before it.")?;
        phone = Phone::start(data_dir.path(), &backends, Launch::Third)?;
        let duplicates = received.stats().duplicates;
        let Report::Flushed { complete, counts: last } = phone.report("flush after the crash").await? else {
            bail!("the app did not report the flush after the crash");
        };
        ensure!(complete, "the flush after the crash did not deliver everything: {last:?}");
        ensure!(received.stats().duplicates == duplicates, "something was sent twice after the crash");
        counts = last;
        let (record, top) = check::crash(&received, &symbols)?;
        crash = Some(record);
        output::line(format_args!("   {}", check::books(&counts)?))?;
        output::line(format_args!("   {top}"))?;
    }
    acknowledged.extend(phone.wait().await?);
    shop.flush().await?;

    check::delivery(&received, &counts, &acknowledged)?;
    check::trace(&received, &trace)?;
    output::line(
        "\nEvery acknowledged event is at the backend, once. The tap, the operation, its mutations, the request,",
    )?;
    if options.once {
        // The page ends with the command: its address would lead nowhere.
        output::line(format_args!("and the backend's spans and logs are in one trace, {trace}."))?;
        return output::line("Without --once, the page with the sessions, the trace and the crash stays open.");
    }
    output::line("and the backend's spans and logs are in one trace:\n")?;
    output::line(format_args!("   http://{collector}/trace/{trace}"))?;
    if let Some(record) = crash {
        output::line(format_args!("   http://{collector}/crash/{record} is the crash."))?;
    }
    output::line(format_args!("   http://{collector}/ lists the sessions."))?;
    output::line("\nPress Ctrl-C to stop.")?;
    Ok(tokio::signal::ctrl_c().await?)
}
