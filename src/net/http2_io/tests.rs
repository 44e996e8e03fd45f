use std::task::Waker;

use super::*;

/// Notes each write, of which it takes so many bytes at most; with 0 it is not ready, and without a number it is broken.
struct Wire {
    most: Option<usize>,
    writes: Vec<Vec<u8>>,
    flushes: usize,
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Pending
    }
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
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Some(most) = self.most else {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        };
        if most == 0 {
            return Poll::Pending;
        }
        let all: Vec<u8> = parts.iter().flat_map(|part| part.to_vec()).collect();
        let taken = all.len().min(most);
        self.writes.push(all[..taken].to_vec());
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.flushes += 1;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn wire(most: Option<usize>) -> Http2Io<Wire> {
    Http2Io::new(Wire {
        most,
        writes: Vec::new(),
        flushes: 0,
    })
}

fn context() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

/// Writes all of each part, and flushes behind it as h2 does.
fn write(io: &mut Http2Io<Wire>, parts: &[&[u8]]) {
    for part in parts {
        let mut rest = *part;
        while !rest.is_empty() {
            match Pin::new(&mut *io).poll_write(&mut context(), rest) {
                Poll::Ready(taken) => rest = &rest[taken.unwrap()..],
                Poll::Pending => panic!("it is ready"),
            }
        }
        assert!(Pin::new(&mut *io).poll_flush(&mut context()).is_ready());
    }
}

/// What reached the wire, write by write.
fn written(io: &Http2Io<Wire>) -> Vec<Vec<u8>> {
    io.0.borrow().io.writes.clone()
}

#[test]
fn what_is_written_in_one_turn_leaves_together() {
    let mut io = wire(Some(usize::MAX));
    let parts: [&[u8]; 5] = [b"head", &[b'x'; 1024], b"head", &[b'y'; 1024], b"end"];
    write(&mut io, &parts);
    assert_eq!(written(&io), Vec::<Vec<u8>>::new(), "before it is sent");
    assert_eq!(io.0.borrow().io.flushes, 0);
    assert!(io.poll_send(&mut context()).is_ready());
    assert_eq!(written(&io), [parts.concat()]);
    assert_eq!(io.0.borrow().io.flushes, 1);
    assert_eq!(io.0.borrow().held.capacity(), 0, "an idle one keeps none");
}

#[test]
fn the_head_of_a_large_frame_goes_with_its_content() {
    let content = [b'x'; MOST_COPIED + 1];
    let mut io = wire(Some(usize::MAX));
    write(&mut io, &[b"head", &content]);
    assert_eq!(written(&io), [[&b"head"[..], &content].concat()]);

    let mut io = wire(Some(usize::MAX));
    let both = [IoSlice::new(b"head"), IoSlice::new(&content)];
    assert!(matches!(
        Pin::new(&mut io).poll_write_vectored(&mut context(), &both),
        Poll::Ready(Ok(taken)) if taken == 4 + content.len()
    ));
    assert_eq!(written(&io).len(), 1);
}

#[test]
fn no_more_is_held_than_a_record_has_room_for() {
    let mut io = wire(Some(usize::MAX));
    for _ in 0..100 {
        write(&mut io, &[&[b'x'; 1000]]);
        assert!(io.0.borrow().held.len() <= MOST_HELD);
    }
    assert!(io.poll_send(&mut context()).is_ready());
    assert_eq!(written(&io).concat().len(), 100_000);
    assert!(written(&io).len() < 10);
}

#[test]
fn nothing_is_lost_or_doubled_whatever_the_wire_takes() {
    let content: Vec<u8> = (0..=u8::MAX).cycle().take(MOST_HELD * 2).collect();
    let parts: [&[u8]; 6] = [
        b"head",
        &content,
        b"a",
        b"bc",
        &content[..MOST_COPIED],
        &content[..=MOST_COPIED],
    ];
    for most in [1, 3, 4, 5, 4096, 5000, usize::MAX] {
        let mut io = wire(Some(most));
        write(&mut io, &parts);
        assert!(io.poll_send(&mut context()).is_ready());
        assert_eq!(written(&io).concat(), parts.concat(), "{most}");
    }
}

#[test]
fn what_cannot_be_sent_waits_and_stops_the_writer() {
    let mut io = wire(Some(0));
    let mut taken = 0;
    while let Poll::Ready(count) = Pin::new(&mut io).poll_write(&mut context(), &[b'x'; 1000]) {
        taken += count.unwrap();
        assert!(io.poll_send(&mut context()).is_pending());
    }
    assert!(taken <= MOST_HELD, "{taken}");
    assert!(Pin::new(&mut io).poll_shutdown(&mut context()).is_pending());
    io.0.borrow_mut().io.most = Some(700);
    assert!(io.poll_send(&mut context()).is_ready());
    assert_eq!(written(&io).concat().len(), taken);
}

#[test]
fn a_failure_is_told_once_and_ends_reading_and_writing() {
    let mut io = wire(None);
    write(&mut io, &[b"head"]);
    let Poll::Ready(Err(error)) = io.poll_send(&mut context()) else {
        panic!("it is broken");
    };
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    assert!(matches!(io.poll_send(&mut context()), Poll::Ready(Ok(()))));
    let (mut cx, mut room) = (context(), [0; 8]);
    let mut buf = ReadBuf::new(&mut room);
    let failed = [
        Pin::new(&mut io).poll_read(&mut cx, &mut buf).map_ok(drop),
        Pin::new(&mut io).poll_write(&mut cx, b"x").map_ok(drop),
        Pin::new(&mut io).poll_flush(&mut cx),
        Pin::new(&mut io).poll_shutdown(&mut cx),
    ];
    for result in failed {
        assert!(matches!(result, Poll::Ready(Err(_))));
    }
}
