//! `demo`: one user intent from the tap to the backend's logs, and what happens to it when the network goes away and the
//! app is killed. Everything is real: an app process, a backend, TCP between them, SIGKILL.

#![allow(clippy::indexing_slicing, reason = "indexing a JSON value gives null, never a panic")]

pub(crate) mod app;
mod network;
pub(crate) mod shop;

use std::collections::HashSet;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::inspect;
use crate::inspect::store::{Item, Store};
use network::Network;
use shop::Shop;

/// How long the parent waits for a step of the app.
const STEP: Duration = Duration::from_secs(60);

#[derive(Args)]
pub(crate) struct Options {
    /// End after the story instead of serving the page; exits non-zero if a count is off.
    #[arg(long)]
    once: bool,
    /// Port of the page on the loopback; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(story(options))
}

async fn story(options: &Options) -> Result<()> {
    let store = Arc::new(Store::open(None)?);
    let (collector, server) = inspect::serve(options.port, store.clone()).await?;
    tokio::spawn(server);
    let shop = Shop::start(collector).await?;
    let network = Network::up();
    let dir = tempfile::tempdir()?;
    let ways = [network.way_to(collector).await?, network.way_to(shop.address).await?];
    println!("The inspector collects at http://{collector}, the shop backend serves at http://{}.\n", shop.address);

    println!("1. The app starts: a view, a tap on \"checkout\", an operation, state mutations, a request to the shop.");
    let mut phone = Phone::launch(dir.path(), &ways.map(|way| format!("http://{way}")), false)?;
    let online = phone.step("online").await?;
    ensure!(online["complete"] == true, "the first flush did not end: {online}");
    println!("   {} events delivered.", online["delivered"]);

    println!("2. The network goes away. The user taps on; the request fails; the app goes on recording.");
    network.set(false);
    phone.tell("offline").await?;
    let offline = phone.step("offline").await?;
    println!("   {} events wait in SQLite ({}).", offline["waiting"], text(&offline["reason"]));

    println!("3. The app is killed with SIGKILL in the middle of recording.");
    tokio::time::sleep(Duration::from_millis(400)).await;
    let mut acknowledged = phone.kill().await?;
    println!("   {} events had been acknowledged by `record` before it died.", acknowledged.len());

    println!("4. It starts again, still without a network, and recovers what the dead process left.");
    let mut phone = Phone::launch(dir.path(), &ways.map(|way| format!("http://{way}")), true)?;
    let relaunched = phone.step("relaunched").await?;
    println!("   {}", law(&relaunched)?);

    println!("5. The network returns; everything is flushed.");
    network.set(true);
    phone.tell("online").await?;
    let flushed = phone.step("flushed").await?;
    println!("   {}", law(&flushed)?);
    acknowledged.extend(phone.end().await?);
    shop.flush().await?;

    let trace = text(&online["trace"]);
    check(&store, &flushed, &acknowledged, &trace)?;
    println!(
        "\nEvery acknowledged event is at the backend, once. Tap, operation, mutations, request, the backend's spans"
    );
    println!(
        "and logs stand in one trace:\n\n   http://{collector}/trace/{trace}\n   http://{collector}/ lists the sessions."
    );
    if !options.once {
        println!("\nCtrl-C ends.");
        tokio::signal::ctrl_c().await?;
    }
    Ok(())
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The books in one line; an error when they do not balance.
fn law(step: &Value) -> Result<String> {
    let count = |name: &str| step[name].as_u64().with_context(|| format!("no `{name}` in {step}"));
    let (accepted, delivered, queued, dropped) =
        (count("accepted")?, count("delivered")?, count("queued")?, count("dropped")?);
    ensure!(accepted == delivered + queued + dropped, "the books do not balance: {step}");
    Ok(format!("accepted {accepted} = delivered {delivered} + queued {queued} + dropped {dropped}"))
}

/// What the inspector has must be what the app says it delivered, and the trace must be whole.
fn check(store: &Store, flushed: &Value, acknowledged: &HashSet<String>, trace: &str) -> Result<()> {
    ensure!(flushed["complete"] == true, "the last flush did not end: {flushed}");
    ensure!(flushed["queued"] == 0 && flushed["dropped"] == 0, "something was not delivered: {flushed}");
    for id in acknowledged {
        ensure!(store.has_event(id)?, "event {id} was acknowledged and is not at the backend");
    }
    let received: u64 = store.count_service("shop-app")?;
    ensure!(
        flushed["delivered"] == received,
        "{received} events are at the backend, the app delivered {}",
        flushed["delivered"]
    );
    let items = store.trace(trace)?;
    let find = |what: &str, is: &dyn Fn(&&Item) -> bool| {
        items.iter().find(is).with_context(|| format!("the trace {trace} has no {what}"))
    };
    let from_shop = |item: &&Item| item.service == "shop-backend";
    let tap = find("tap", &|item| item.name == "app.widget.click")?;
    let root = find("span of the tap", &|item| item.signal == "span" && item.span == tap.span)?;
    ensure!(root.parent.is_empty(), "the tap does not root the trace");
    let operation = find("operation", &|item| item.signal == "span" && item.name == "Checkout")?;
    ensure!(operation.parent == tap.span, "the tap did not cause the operation");
    let mutation = find("state mutation", &|item| item.name == "Cart.items[*].quantity.Update")?;
    ensure!(mutation.span == operation.span, "the operation did not cause the mutation");
    ensure!(mutation.attributes["mutation.count"] == 2, "two mutations were to be one action: {}", mutation.attributes);
    let request = find("request", &|item| item.signal == "span" && item.name == "POST")?;
    ensure!(request.parent == operation.span, "the operation did not cause the request");
    find("log of the operation", &|item| item.body == "order placed" && item.span == operation.span)?;
    find("backend span under the request", &|item| from_shop(item) && item.parent == request.span)?;
    find("nested backend span", &|item| from_shop(item) && item.name == "reserve stock")?;
    find("backend log", &|item| from_shop(item) && item.signal == "log")?;
    Ok(())
}

/// The app's process.
struct Phone {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
    input: ChildStdin,
    acknowledged: HashSet<String>,
}

impl Phone {
    fn launch(dir: &Path, [collector, shop]: &[String; 2], relaunch: bool) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("demo-app").arg("--dir").arg(dir).args(["--collector", collector, "--shop", shop]);
        if relaunch {
            command.arg("--relaunch");
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().context("starting the app")?;
        let lines = BufReader::new(process.stdout.take().context("no output")?).lines();
        let input = process.stdin.take().context("no input")?;
        Ok(Self { process, lines, input, acknowledged: HashSet::new() })
    }

    async fn tell(&mut self, line: &str) -> Result<()> {
        self.input.write_all(format!("{line}\n").as_bytes()).await?;
        Ok(())
    }

    /// Reads until the app has come to a step.
    async fn step(&mut self, name: &str) -> Result<Value> {
        let read = async {
            while let Some(line) = self.lines.next_line().await? {
                if let Some(id) = line.strip_prefix("id ") {
                    self.acknowledged.insert(id.to_owned());
                    continue;
                }
                let step: Value = serde_json::from_str(&line).with_context(|| format!("the app said `{line}`"))?;
                if step["step"] == name {
                    return Ok(step);
                }
            }
            bail!("the app ended before `{name}`")
        };
        tokio::time::timeout(STEP, read).await.with_context(|| format!("the app did not come to `{name}`"))?
    }

    async fn kill(mut self) -> Result<HashSet<String>> {
        self.process.start_kill()?;
        self.finish().await
    }

    async fn end(mut self) -> Result<HashSet<String>> {
        let status = tokio::time::timeout(STEP, self.process.wait()).await.context("the app does not end")??;
        ensure!(status.success(), "the app failed: {status}");
        self.finish().await
    }

    /// What was still in the pipe: lines that were cut by the kill acknowledge nothing.
    async fn finish(mut self) -> Result<HashSet<String>> {
        while let Ok(Some(line)) = self.lines.next_line().await {
            if let Some(id) = line.strip_prefix("id ").filter(|id| id.len() == 36) {
                self.acknowledged.insert(id.to_owned());
            }
        }
        self.process.wait().await?;
        Ok(self.acknowledged)
    }
}
