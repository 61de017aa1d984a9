//! Serves a `TelemetryService` that appends events to a file:
//! `telemetry-service 127.0.0.1:8080 events.ndjson`.

use std::path::Path;

use anyhow::{Context, Result};
use telemetry_service::handler::Lines;
use telemetry_service::service::router;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().context("give an address, for example 127.0.0.1:8080")?;
    let file = arguments.next().context("give a file for the events")?;
    let listener = TcpListener::bind(&address).await?;
    println!("http://{}", listener.local_addr()?);
    axum::serve(listener, router(Lines::open(Path::new(&file))?)?).await?;
    Ok(())
}
