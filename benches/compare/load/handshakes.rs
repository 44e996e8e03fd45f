//! New TLS connections: handshake, one request, end; in full or resumed.

use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use rustls::HandshakeKind;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::sleep;

use crate::Outcome;
use crate::arguments::Handshakes;
use crate::http1::{exchange, write_request};
use crate::report::{Counts, Tally, tell};
use crate::target::Target;

pub(crate) fn run(arguments: &Handshakes) -> Outcome<()> {
    let tally = Rc::new(Tally::default());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let local = LocalSet::new();
    runtime.block_on(local.run_until(async {
        let mut request = Vec::new();
        write_request(&mut request, &arguments.to.path, b"", 0);
        let request: Rc<[u8]> = request.into();
        for _ in 0..arguments.to.connections {
            // Each client has a memory of its own: one for all holds only so many tickets, and some would find none.
            let target = Target::new(&arguments.to, arguments.resume)?;
            let (tally, request) = (Rc::clone(&tally), Rc::clone(&request));
            spawn_local(async move {
                loop {
                    if one(&target, &tally, &request).await.is_err() {
                        tally.broken.fetch_add(1, Relaxed);
                    }
                }
            });
        }
        sleep(Duration::from_secs_f64(arguments.warmup)).await;
        let before = Counts::of([&*tally]);
        tell(&json!({ "event": "begin" }))?;
        let began = Instant::now();
        sleep(Duration::from_secs_f64(arguments.seconds)).await;
        tell(&Counts::of([&*tally]).since(&before, began.elapsed().as_secs_f64()))
    }))
}

/// The answer is read to its end, and so are the session tickets that come before it.
async fn one(target: &Target, tally: &Tally, request: &[u8]) -> Outcome<()> {
    let mut stream = target.handshake().await?;
    let resumed = stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed);
    let mut room = vec![0; 16 * 1024];
    let head = exchange(&mut stream, request, &mut room).await?;
    if resumed {
        tally.resumed.fetch_add(1, Relaxed);
    }
    tally.answer(head.status);
    stream.shutdown().await?;
    Ok(())
}
