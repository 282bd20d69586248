//! Bytes of a clip, with an ear for how many of them were read: so it shows how far a worker is that makes something of them
//! and tells nothing itself before its end.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::StreamExt;

use crate::domain::derivative::{Kind, Order};
use crate::domain::ports::{ClipBytes, FootageStream};

/// Hears how many bytes of how many were read.
type Went = dyn Fn(u64, u64) + Send + Sync;

struct Counted {
    inner: Arc<dyn ClipBytes>,
    read: Arc<AtomicU64>,
    expected: u64,
    went: Arc<Went>,
}

/// The same bytes; `went` hears what is read of what an order is expected to read. A picture comes at once and tells nothing.
pub(super) fn counted(
    inner: Arc<dyn ClipBytes>,
    order: &Order,
    length_ms: Option<u64>,
    went: impl Fn(u64, u64) + Send + Sync + 'static,
) -> Arc<dyn ClipBytes> {
    if order.kind == Kind::Frame {
        return inner;
    }
    let expected = expected(inner.size_bytes(), order, length_ms);
    went(0, expected);
    Arc::new(Counted { inner, read: Arc::default(), expected, went: Arc::new(went) })
}

/// The share of a clip's bytes that the stretch of an order has; all of them where no length is known.
fn expected(size_bytes: u64, order: &Order, length_ms: Option<u64>) -> u64 {
    let share = match (length_ms, order.to_ms) {
        (Some(length), Some(to)) if length > 0 => {
            let stretch = u128::from(to.min(length).saturating_sub(order.from_ms));
            u128::from(size_bytes) * stretch / u128::from(length)
        }
        (Some(length), None) if length > 0 => {
            u128::from(size_bytes) * u128::from(length.saturating_sub(order.from_ms)) / u128::from(length)
        }
        _ => u128::from(size_bytes),
    };
    u64::try_from(share).unwrap_or(size_bytes).max(1)
}

impl ClipBytes for Counted {
    fn size_bytes(&self) -> u64 {
        self.inner.size_bytes()
    }

    fn read(self: Arc<Self>, range: Range<u64>) -> FootageStream {
        let (read, expected, went) = (Arc::clone(&self.read), self.expected, Arc::clone(&self.went));
        let stream = Arc::clone(&self.inner).read(range);
        Box::pin(stream.inspect(move |chunk| {
            if let Ok(chunk) = chunk {
                let bytes = chunk.len() as u64;
                let done = read.fetch_add(bytes, Ordering::Relaxed) + bytes;
                // The index is read twice, and the last picture is not the end: done is said by whoever has the file.
                went(done.min(expected - expected / 100), expected);
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(from_ms: u64, to_ms: Option<u64>) -> Order {
        Order { kind: Kind::Watermark, png: false, from_ms, to_ms, exact: true }
    }

    #[test]
    fn a_stretch_reads_its_share() {
        assert_eq!(expected(1_000, &order(0, None), Some(100)), 1_000);
        assert_eq!(expected(1_000, &order(25, Some(75)), Some(100)), 500);
        assert_eq!(expected(1_000, &order(50, None), Some(100)), 500);
        assert_eq!(expected(1_000, &order(50, Some(900)), Some(100)), 500, "it ends with the clip");
        assert_eq!(expected(1_000, &order(10, Some(20)), None), 1_000);
        assert_eq!(expected(0, &order(0, None), Some(0)), 1);
    }
}
