//! The network between app and backends: a TCP forwarder that can be switched off.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Result;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A network that is up or down. Down: new connections are closed at once, open ones are cut.
#[derive(Debug, Clone)]
pub(super) struct Network(Arc<watch::Sender<bool>>);

impl Network {
    pub(super) fn up() -> Self {
        Self(Arc::new(watch::Sender::new(true)))
    }

    pub(super) fn set(&self, up: bool) {
        self.0.send_replace(up);
    }

    /// Opens a way to `target`; returns the address that the app is given.
    pub(super) async fn way_to(&self, target: SocketAddr) -> Result<SocketAddr> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let network = self.0.clone();
        tokio::spawn(async move {
            while let Ok((mut from, _)) = listener.accept().await {
                let mut state = network.subscribe();
                tokio::spawn(async move {
                    if !*state.borrow() {
                        return;
                    }
                    let Ok(mut to) = TcpStream::connect(target).await else { return };
                    tokio::select! {
                        _ = copy_bidirectional(&mut from, &mut to) => {}
                        _ = state.wait_for(|up| !up) => {}
                    }
                });
            }
        });
        Ok(address)
    }
}
