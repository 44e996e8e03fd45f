//! The open loop: requests at fixed moments, with latencies from the moment each was due.
//!
//! Each connection has a thread of its own that sleeps until its next request is due; the threads' moments interleave
//! evenly. A connection that is still waiting sends late, and the lateness is part of the latency (as in wrk2).

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use rustls::{ClientConnection, StreamOwned};
use serde_json::json;
use socket2::{Domain, Socket, Type};

use crate::Outcome;
use crate::arguments::Open;
use crate::http1::{parse_head, write_request};
use crate::report::{Counts, Tally, tell};
use crate::target::{Target, server_name};
use crate::tokens::{Tokens, Walk};

/// What one connection saw, in nanoseconds.
#[derive(Default)]
struct Seen {
    latencies: Vec<u64>,
    /// How late the generator itself was, on requests whose connection was free in time.
    own_lateness: Vec<u64>,
}

pub(crate) fn run(arguments: &Open) -> Outcome<()> {
    let tokens = arguments
        .to
        .tokens
        .as_deref()
        .map(Tokens::read)
        .transpose()?;
    let connections = arguments.to.connections;
    let step = usize::try_from(connections)?;
    let interval = Duration::from_secs_f64(f64::from(connections) / arguments.rate);
    let ready = Arc::new(Barrier::new(step + 1));
    let tally = Arc::new(Tally::default());
    let start = Instant::now() + Duration::from_millis(200);
    let mut threads = Vec::new();
    for index in 0..connections {
        let target = Target::new(&arguments.to, false)?;
        let walk = Walk::new(tokens.clone(), usize::try_from(index)?, step, false);
        let (arguments, ready, tally) = (arguments.clone(), Arc::clone(&ready), Arc::clone(&tally));
        threads.push(thread::spawn(move || {
            let stream = connect(&target);
            ready.wait();
            let first = start + interval.mul_f64(f64::from(index) / f64::from(connections));
            one_connection(
                stream?,
                &arguments,
                &walk,
                &tally,
                Schedule { first, interval },
            )
        }));
    }
    ready.wait();
    let before = Counts::of([&*tally]);
    tell(&json!({ "event": "begin" }))?;
    let mut latencies = Vec::new();
    let mut own_lateness = Vec::new();
    for thread in threads {
        let seen = thread
            .join()
            .map_err(|_| "a connection's thread panicked")??;
        latencies.extend(seen.latencies);
        own_lateness.extend(seen.own_lateness);
    }
    let mut event = Counts::of([&*tally]).since(&before, arguments.seconds);
    event["latency"] = percentiles(&mut latencies);
    event["generator_lateness"] = percentiles(&mut own_lateness);
    tell(&event)
}

/// When requests of a connection are due.
#[derive(Clone, Copy)]
struct Schedule {
    first: Instant,
    interval: Duration,
}

fn one_connection(
    mut stream: Box<dyn Bytes>,
    arguments: &Open,
    walk: &Walk,
    tally: &Tally,
    schedule: Schedule,
) -> Outcome<Seen> {
    // The kernel wakes a sleeper up to 50 µs late unless it is told otherwise.
    rustix::thread::set_current_timer_slack(NonZeroU64::new(1))?;
    let counted = schedule.first + Duration::from_secs_f64(arguments.warmup);
    let end = counted + Duration::from_secs_f64(arguments.seconds);
    let mut seen = Seen::default();
    let mut request = Vec::with_capacity(2048);
    let mut room = vec![0; 128 * 1024];
    let mut due = schedule.first;
    while due < end {
        let early = due.saturating_duration_since(Instant::now());
        thread::sleep(early);
        let lateness = due.elapsed();
        write_request(
            &mut request,
            &arguments.to.path,
            walk.next().unwrap_or_default(),
            0,
        );
        let status = exchange(&mut *stream, &request, &mut room)?;
        if due >= counted {
            tally.answer(status);
            seen.latencies.push(nanoseconds(due.elapsed()));
            if !early.is_zero() {
                seen.own_lateness.push(nanoseconds(lateness));
            }
        }
        due += schedule.interval;
    }
    Ok(seen)
}

/// Bytes both ways, blocking.
trait Bytes: Read + Write + Send {}
impl<T: Read + Write + Send> Bytes for T {}

fn connect(target: &Target) -> Outcome<Box<dyn Bytes>> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::new(target.source(), 0).into())?;
    socket.connect(&target.address().into())?;
    socket.set_tcp_nodelay(true)?;
    let stream = std::net::TcpStream::from(socket);
    Ok(match target.tls_config() {
        None => Box::new(stream),
        Some(config) => {
            let session = ClientConnection::new(Arc::clone(config), server_name()?)?;
            Box::new(StreamOwned::new(session, stream))
        }
    })
}

/// The whole exchange; gives the status.
fn exchange(stream: &mut dyn Bytes, request: &[u8], room: &mut [u8]) -> Outcome<u16> {
    stream.write_all(request)?;
    stream.flush()?;
    let mut filled = 0;
    loop {
        match stream.read(&mut room[filled..])? {
            0 => return Err("the connection was closed".into()),
            count => filled += count,
        }
        if let Some(head) = parse_head(&room[..filled])?
            && filled >= head.length
        {
            return Ok(head.status);
        }
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Percentiles by the nearest rank, in nanoseconds.
fn percentiles(all: &mut [u64]) -> serde_json::Value {
    all.sort_unstable();
    let at = |per_mille: usize| {
        let rank = (all.len() * per_mille).div_ceil(1000).max(1);
        all.get(rank - 1).copied()
    };
    json!({ "p50": at(500), "p90": at(900), "p99": at(990), "p99.9": at(999), "max": all.last() })
}
