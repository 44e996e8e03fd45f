//! Many requests over the same connections, answered and given up in every way: each gets its own answer or none.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use futures_util::stream;
use http::Request;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Bytes, Frame};
use proptest::prelude::*;

use super::super::testing::{Wire, Worker, on_a_worker, server, upstream_at};
use super::super::{Sent, Upstream};
use super::*;

/// How a server answers.
#[derive(Clone, Copy, Debug)]
enum Manner {
    Length,
    Chunks,
    UntilClose,
    Closing,
    /// Before it has read the body.
    Early,
    /// With bytes behind the answer that nobody asked for.
    More,
    /// Without a body, and with bytes behind it.
    Bodiless,
    /// Of a half.
    Half,
    /// With nothing.
    Nothing,
}

const MANNERS: [Manner; 9] = [
    Manner::Length,
    Manner::Chunks,
    Manner::UntilClose,
    Manner::Closing,
    Manner::Early,
    Manner::More,
    Manner::Bodiless,
    Manner::Half,
    Manner::Nothing,
];

const POISON: &str = "HTTP/1.1 200 OK\r\nx-id: 999\r\ncontent-length: 6\r\n\r\npoison";

/// What a client asks for, and when it goes away: after so many steps of the request, and so many parts of the answer.
#[derive(Clone, Copy, Debug)]
struct Plan {
    manner: Manner,
    /// Bytes of each of two parts of the body; none with 0.
    upload: usize,
    steps: usize,
    parts: usize,
}

fn plan() -> impl Strategy<Value = Plan> {
    let upload = prop_oneof![Just(0), Just(5), Just(300_000)];
    let long = prop_oneof![3 => Just(usize::MAX), 1 => 0..12_usize];
    let parts = prop_oneof![3 => Just(usize::MAX), 1 => 0..3_usize];
    (prop::sample::select(MANNERS.to_vec()), upload, long, parts).prop_map(
        |(manner, upload, steps, parts)| Plan {
            manner,
            upload,
            steps,
            parts,
        },
    )
}

/// Serves a connection until its end.
async fn serve(mut wire: Wire) {
    while let Some(head) = wire.head().await {
        let target = head.split(' ').nth(1).expect("a target");
        let mut asked = target.split('/').skip(1).map(|number| {
            let number: usize = number.parse().expect("a number");
            number
        });
        let (id, manner, length) = (asked.next(), asked.next(), asked.next());
        let (id, length) = (id.expect("an id"), length.expect("a length"));
        let manner = MANNERS[manner.expect("a manner")];
        let early = matches!(manner, Manner::Early);
        if !early && !wire.body(length).await {
            return;
        }
        let closes = answer(&mut wire, id, manner).await;
        if closes || (early && !wire.body(length).await) {
            return;
        }
    }
}

/// Answers, and says whether the connection ends with that.
async fn answer(wire: &mut Wire, id: usize, manner: Manner) -> bool {
    let head = format!("HTTP/1.1 200 OK\r\nx-id: {id}\r\n");
    let text = format!("{id:04}");
    let known = format!("{head}content-length: 4\r\n\r\n{text}");
    match manner {
        Manner::Length | Manner::Early => {
            wire.write(&known).await;
            false
        }
        Manner::Chunks => {
            let head = format!(
                "{head}transfer-encoding: chunked\r\n\r\n2\r\n{}",
                &text[..2]
            );
            wire.write(&head).await;
            tokio::task::yield_now().await;
            wire.write(&format!("\r\n2\r\n{}\r\n0\r\n\r\n", &text[2..]))
                .await;
            false
        }
        Manner::UntilClose => {
            wire.write(&format!("{head}\r\n{text}")).await;
            true
        }
        Manner::Closing => {
            let known = known.replacen("\r\n", "\r\nconnection: close\r\n", 1);
            wire.write(&known).await;
            true
        }
        Manner::More => {
            let (head, content) = known.split_at(known.len() - text.len());
            wire.write(head).await;
            // So that they are read apart.
            tokio::time::sleep(Duration::from_millis(1)).await;
            wire.write(&format!("{content}{POISON}")).await;
            false
        }
        Manner::Bodiless => {
            let head = head.replacen("200 OK", "204 No Content", 1);
            wire.write(&format!("{head}\r\n{POISON}")).await;
            false
        }
        Manner::Half => {
            wire.write(&known[..known.len() - 2]).await;
            true
        }
        Manner::Nothing => true,
    }
}

/// Sends a request as planned, until the client goes away.
async fn exchange(worker: &Worker, upstream: &Arc<Upstream>, id: usize, plan: Plan) {
    let manner = plan.manner as usize;
    let length = 2 * plan.upload;
    let parts = [plan.upload; 2].map(|size| {
        let part = Bytes::from(vec![b'u'; size]);
        Ok::<_, std::io::Error>(Frame::data(part))
    });
    let (method, body) = if length == 0 {
        (Method::GET, BoxBody::default())
    } else {
        let body = StreamBody::new(stream::iter(parts));
        (Method::POST, BoxBody::new(body))
    };
    let replayable = method == Method::GET;
    let mut request = Request::builder()
        .method(method)
        .uri(format!("/{id}/{manner}/{length}"))
        .header("host", "api.test");
    if length > 0 {
        request = request.header("content-length", length);
    }
    let (mut head, mut body) = request.body(body).expect("a request").into_parts();
    let mut outgoing = pin!(
        worker
            .pools
            .send(upstream, &mut head, &mut body, replayable)
    );
    let mut steps = plan.steps;
    let outcome = poll_fn(|cx| {
        let left = steps.checked_sub(1);
        let Some(left) = left else {
            return Poll::Ready(None);
        };
        steps = left;
        outgoing.as_mut().poll(cx).map(Some)
    });
    match outcome.await {
        Some(Ok(sent)) => check(sent, id, plan.parts).await,
        Some(Err(error)) => assert!(
            matches!(plan.manner, Manner::Nothing),
            "a connection that is good for nothing was used: {error}"
        ),
        None => {}
    }
}

/// Reads so many parts of an answer to the request of that number.
async fn check(sent: Sent, id: usize, mut parts: usize) {
    let named = &sent.response.headers()["x-id"];
    assert_eq!(*named, id.to_string(), "whose answer it is");
    let mut body = sent.response.into_body();
    let mut text = Vec::new();
    while let Some(left) = parts.checked_sub(1) {
        parts = left;
        let Some(Ok(frame)) = body.frame().await else {
            break;
        };
        text.extend_from_slice(frame.data_ref().map_or(b"", |data| &data[..]));
    }
    let whole = format!("{id:04}");
    assert!(whole.as_bytes().starts_with(&text), "{text:?} of {id}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn each_request_gets_its_own_answer_or_none(
        lanes in proptest::collection::vec(proptest::collection::vec(plan(), 1..12), 1..4),
    ) {
        on_a_worker(|worker| async move {
            let server = server(|wire, _| serve(wire)).await;
            let upstream = upstream_at(&[server.address]);
            let lanes = lanes.into_iter().enumerate().map(|(lane, plans)| {
                let (worker, upstream) = (worker.clone(), Arc::clone(&upstream));
                async move {
                    for (number, plan) in plans.into_iter().enumerate() {
                        exchange(&worker, &upstream, lane * 100 + number, plan).await;
                    }
                }
            });
            futures_util::future::join_all(lanes).await;
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            assert_eq!(upstream.addresses()[0].in_flight, 0, "nothing is left");
        });
    }
}
