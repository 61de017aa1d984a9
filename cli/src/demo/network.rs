//! The network between the app and its backends: TCP forwarders that can be cut.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Result;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Whether connections get through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    Up,
    /// New connections are closed at once, and open ones are cut.
    Down,
}

/// A network, which starts up.
#[derive(Debug, Clone)]
pub(super) struct Network {
    link: Arc<watch::Sender<Link>>,
}

impl Network {
    pub(super) fn new() -> Self {
        Self { link: Arc::new(watch::Sender::new(Link::Up)) }
    }

    pub(super) fn set(&self, link: Link) {
        self.link.send_replace(link);
    }

    /// Opens a port that forwards to `target`, and returns its address.
    pub(super) async fn forward_to(&self, target: SocketAddr) -> Result<SocketAddr> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let network = self.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(forward(client, target, network.link.subscribe()));
            }
        });
        Ok(address)
    }
}

/// Forwards one connection until either side ends it or the link goes down.
async fn forward(mut client: TcpStream, target: SocketAddr, mut link: watch::Receiver<Link>) {
    if *link.borrow() == Link::Down {
        return;
    }
    let Ok(mut server) = TcpStream::connect(target).await else { return };
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => {}
        _ = link.wait_for(|link| *link == Link::Down) => {}
    }
}
