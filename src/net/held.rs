//! Small writes, held back until what follows them or the flush: HTTP/2 writes the head of a frame and its content one
//! after the other, and each would be a record and a system call of its own.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

/// Bytes that were taken, and are not written yet.
#[derive(Debug, Default)]
pub(super) struct Held(Vec<u8>);

impl Held {
    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes a part of `bytes`. A few are held; together with what was held, the rest is written in one go.
    pub(super) fn poll_write<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        while !self.0.is_empty() {
            let both = [IoSlice::new(&self.0), IoSlice::new(bytes)];
            let written = ready!(Pin::new(&mut *stream).poll_write_vectored(cx, &both))?;
            let of_bytes = written.saturating_sub(self.0.len());
            self.forget(written)?;
            if of_bytes > 0 {
                return Poll::Ready(Ok(of_bytes));
            }
        }
        if bytes.len() <= MOST_HELD {
            self.0.extend_from_slice(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(stream).poll_write(cx, bytes)
    }

    /// Writes all that is held.
    pub(super) fn poll_drain<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.0.is_empty() {
            let written = ready!(Pin::new(&mut *stream).poll_write(cx, &self.0))?;
            self.forget(written)?;
        }
        // A connection that is idle keeps no buffer.
        self.0 = Vec::new();
        Poll::Ready(Ok(()))
    }

    fn forget(&mut self, written: usize) -> io::Result<()> {
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.0.drain(..written.min(self.0.len()));
        Ok(())
    }
}

/// Bytes of a write that are copied rather than written: heads of frames, and short answers whole.
const MOST_HELD: usize = 4096;

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// Notes each write, of which it takes so many bytes at most; with 0 it is not ready.
    struct Wire {
        most: usize,
        writes: Vec<Vec<u8>>,
    }

    impl AsyncWrite for Wire {
        fn poll_write(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            slices: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            if self.most == 0 {
                return Poll::Pending;
            }
            let all: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
            let taken = all.len().min(self.most);
            self.writes.push(all[..taken].to_vec());
            Poll::Ready(Ok(taken))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// Writes all parts and drains: what reached the wire, write by write.
    fn written(most: usize, parts: &[&[u8]]) -> Vec<Vec<u8>> {
        let (mut held, mut cx) = (Held::default(), Context::from_waker(Waker::noop()));
        let writes = Vec::new();
        let mut wire = Wire { most, writes };
        for part in parts {
            let mut rest = *part;
            while !rest.is_empty() {
                match held.poll_write(&mut wire, &mut cx, rest) {
                    Poll::Ready(taken) => rest = &rest[taken.unwrap()..],
                    Poll::Pending => panic!("it is ready"),
                }
            }
        }
        assert!(held.poll_drain(&mut wire, &mut cx).is_ready());
        assert!(held.0.is_empty() && held.0.capacity() == 0);
        wire.writes
    }

    #[test]
    fn the_head_of_a_frame_goes_with_its_content() {
        let content = [b'x'; MOST_HELD + 1];
        let whole = |parts: &[&[u8]]| vec![parts.concat()];
        for parts in [
            &[&b"head"[..], &content][..],
            &[b"head", b"content"],
            &[b"head"],
            &[&content],
        ] {
            assert_eq!(written(usize::MAX, parts), whole(parts));
        }
    }

    #[test]
    fn nothing_is_lost_or_doubled_whatever_the_wire_takes() {
        let content: Vec<u8> = (0..=u8::MAX).cycle().take(MOST_HELD * 2).collect();
        let parts: [&[u8]; 5] = [b"head", &content, b"a", b"bc", &content[..MOST_HELD]];
        for most in [1, 3, 4, 5, 4096, 5000, usize::MAX] {
            assert_eq!(written(most, &parts).concat(), parts.concat(), "{most}");
        }
    }

    #[test]
    fn what_cannot_be_written_waits() {
        let (mut held, mut cx) = (Held::default(), Context::from_waker(Waker::noop()));
        let writes = Vec::new();
        let mut wire = Wire { most: 0, writes };
        assert!(held.poll_write(&mut wire, &mut cx, b"head").is_ready());
        assert!(held.poll_write(&mut wire, &mut cx, b"content").is_pending());
        assert!(held.poll_drain(&mut wire, &mut cx).is_pending());
        wire.most = 2;
        assert!(held.poll_drain(&mut wire, &mut cx).is_ready());
        assert_eq!(wire.writes.concat(), b"head");
    }
}
