//! The listener's sockets: how many connections, how large a head, how long all of it.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// How much a stranger may take up.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// How many connections are served at once; more wait in the system's queue.
    pub connections: usize,
    /// How long the head of a request may take.
    pub time_for_head: Duration,
    /// How long a connection may last in all. There is one request on each.
    pub time_in_all: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { connections: 256, time_for_head: Duration::from_secs(10), time_in_all: Duration::from_secs(30) }
    }
}

/// The largest head of a request in bytes.
const LARGEST_HEAD: usize = 32 * 1024;
/// How long to wait when the system gives no more sockets.
const PAUSE: Duration = Duration::from_millis(200);

/// Serves the routes on a listening socket for ever. Connections that are open when this is dropped are dropped with it.
pub async fn serve(listener: TcpListener, router: Router, bounds: Bounds) {
    let free = Arc::new(Semaphore::new(bounds.connections.max(1)));
    let mut served = JoinSet::new();
    // The semaphore is never closed.
    while let Ok(place) = free.clone().acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                let router = router.clone();
                served.spawn(async move {
                    // A connection that takes too long or breaks is the stranger's loss only.
                    let _ = timeout(bounds.time_in_all, one(stream, router, bounds)).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken");
                sleep(PAUSE).await;
            }
        }
        while served.try_join_next().is_some() {}
    }
}

async fn one(stream: TcpStream, router: Router, bounds: Bounds) -> Result<(), hyper::Error> {
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.time_for_head)
        .max_buf_size(LARGEST_HEAD)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .await
}
