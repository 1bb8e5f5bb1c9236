//! Reading what a stranger sends, in bounds: of one body, and of all that are held at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use http_body_util::BodyExt;

/// How many bytes of bodies are held at once, over all connections.
const HELD: usize = 64 * 1024 * 1024;
/// How much of a body that is refused is read and dropped, so that who still sends it gets to the answer.
const DRAINED: usize = 1024 * 1024;
/// How long that may take.
const TIME_TO_DRAIN: Duration = Duration::from_secs(2);

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// It is larger than it may be.
    TooLarge,
    /// It did not come within its time.
    TooSlow,
    /// The connection broke.
    CutShort,
    /// Too much is held for others.
    Busy,
}

/// The bytes of a body, counted among those that are held as long as this lives.
pub(super) struct Held {
    pub bytes: Vec<u8>,
    counter: Arc<AtomicUsize>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.counter.fetch_sub(self.bytes.len(), Ordering::Relaxed);
    }
}

/// Reads a body of at most so many bytes within this time, and stops at the first byte too many. `counter` counts what is held.
pub(super) async fn read(body: &mut Body, largest: usize, time: Duration, counter: &Arc<AtomicUsize>) -> Result<Held, Unread> {
    tokio::time::timeout(time, all(body, largest, counter)).await.map_err(|_| Unread::TooSlow)?
}

async fn all(body: &mut Body, largest: usize, counter: &Arc<AtomicUsize>) -> Result<Held, Unread> {
    if body.size_hint().lower() > largest as u64 {
        return Err(Unread::TooLarge);
    }
    let mut held = Held { bytes: Vec::new(), counter: counter.clone() };
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Unread::CutShort)?.into_data() else { continue };
        if held.bytes.len() + data.len() > largest {
            return Err(Unread::TooLarge);
        }
        let before = counter.fetch_add(data.len(), Ordering::Relaxed);
        held.bytes.extend_from_slice(&data);
        if before + data.len() > HELD {
            return Err(Unread::Busy);
        }
    }
    Ok(held)
}

/// Reads what is left of a body that was refused, within bounds, and drops it.
pub(super) async fn drain(body: &mut Body) {
    let reading = async {
        let mut count = 0;
        while let Some(Ok(frame)) = body.frame().await {
            count += frame.data_ref().map_or(0, Bytes::len);
            if count > DRAINED {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(TIME_TO_DRAIN, reading).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn what_is_held_is_counted_until_it_is_let_go() {
        let counter = Arc::new(AtomicUsize::new(0));
        let held = read(&mut Body::from("four"), 10, SOON, &counter).await.unwrap();
        assert_eq!((&*held.bytes, counter.load(Ordering::Relaxed)), (&b"four"[..], 4));
        drop(held);
        assert_eq!(counter.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn more_than_is_held_at_once_is_refused_and_not_counted() {
        let counter = Arc::new(AtomicUsize::new(HELD));
        assert_eq!(read(&mut Body::from("x"), 10, SOON, &counter).await.err(), Some(Unread::Busy));
        assert_eq!(read(&mut Body::from("longer than ten"), 10, SOON, &counter).await.err(), Some(Unread::TooLarge));
        assert_eq!(counter.load(Ordering::Relaxed), HELD);
    }
}
