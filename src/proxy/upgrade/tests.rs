use std::time::Instant;

use tokio::io::{AsyncReadExt as _, DuplexStream, duplex};
use tokio::task::JoinHandle;

use super::*;
use crate::proxy::testing::on_worker;

/// A running tunnel, and the far ends of its two connections.
struct Running {
    client: DuplexStream,
    upstream: DuplexStream,
    traffic: Rc<Traffic>,
    tunnel: JoinHandle<()>,
    deadlines: Deadlines,
    start: Instant,
}

async fn start(idle: u64, lasts: Option<u64>) -> Running {
    let (client, near_client) = duplex(64);
    let (upstream, mut near_upstream) = duplex(64);
    let traffic = Rc::new(Traffic::default());
    let mut metered = Metered {
        io: near_client,
        traffic: Rc::clone(&traffic),
    };
    let start = Instant::now();
    let deadlines = Deadlines::new(start);
    let limits = TunnelLimits {
        idle: Duration::from_secs(idle),
        lasts: lasts.map(Duration::from_secs),
        revoked: None,
    };
    let inner = deadlines.clone();
    let tunnel = tokio::task::spawn_local(async move {
        run(&mut metered, &mut near_upstream, limits, &inner).await;
    });
    // Its deadlines are armed at the start.
    tokio::task::yield_now().await;
    Running {
        client,
        upstream,
        traffic,
        tunnel,
        deadlines,
        start,
    }
}

impl Running {
    /// Sends one byte from the client, `seconds` after the start.
    async fn send_at(&mut self, seconds: u64) {
        self.deadlines
            .sweep(self.start + Duration::from_secs(seconds));
        self.client.write_all(b"x").await.unwrap();
        assert_eq!(self.upstream.read_u8().await.unwrap(), b'x');
    }

    async fn is_over_at(&self, seconds: u64) -> bool {
        self.deadlines
            .sweep(self.start + Duration::from_secs(seconds));
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        self.tunnel.is_finished()
    }
}

#[test]
fn bytes_pass_both_ways_and_an_end_may_close_its_half() {
    on_worker(async {
        let mut running = start(3600, None).await;
        // More than all buffers between hold.
        let sent = vec![b'a'; 100_000];
        let (mut reader, mut writer) = tokio::io::split(running.client);
        let sending = tokio::task::spawn_local(async move {
            writer.write_all(&sent).await.unwrap();
            writer.shutdown().await.unwrap();
            writer
        });
        let mut got = Vec::new();
        running.upstream.read_to_end(&mut got).await.unwrap();
        assert_eq!(got.len(), 100_000);
        let _writer = sending.await.unwrap();
        running.upstream.write_all(b"answer").await.unwrap();
        drop(running.upstream);
        let mut answer = String::new();
        reader.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "answer");
        running.tunnel.await.unwrap();
        assert_eq!(
            (running.traffic.bytes_in(), running.traffic.bytes_out()),
            (100_000, 6)
        );
    });
}

#[test]
fn a_tunnel_ends_when_nothing_passes() {
    on_worker(async {
        let mut running = start(60, None).await;
        for seconds in [50, 100, 150] {
            running.send_at(seconds).await;
        }
        assert!(!running.is_over_at(209).await);
        assert!(running.is_over_at(211).await);
        assert_eq!(running.client.read(&mut [0; 1]).await.unwrap(), 0);
        assert_eq!(running.upstream.read(&mut [0; 1]).await.unwrap(), 0);
    });
}

#[test]
fn a_tunnel_ends_with_its_token_whatever_passes() {
    on_worker(async {
        let mut running = start(60, Some(100)).await;
        for seconds in [40, 80, 99] {
            running.send_at(seconds).await;
        }
        assert!(!running.is_over_at(99).await);
        assert!(running.is_over_at(101).await);
    });
}

#[test]
fn a_token_that_has_ended_leaves_no_time() {
    let at = UnixTime::from_seconds;
    assert_eq!(until(at(100), at(130)), Duration::from_secs(30));
    assert_eq!(until(at(130), at(100)), Duration::ZERO);
}
