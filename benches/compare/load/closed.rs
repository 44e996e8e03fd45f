//! The closed loop: each connection asks again as soon as it is answered.

use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::runtime::Builder;
use tokio::task::LocalSet;

use crate::Outcome;
use crate::arguments::{Closed, Protocol};
use crate::http1::{exchange, write_request};
use crate::http2;
use crate::report::{Counts, Tally, tell};
use crate::target::Target;
use crate::tokens::{Tokens, Walk};

const WARMING: u8 = 0;
const MEASURING: u8 = 1;
const STOPPED: u8 = 2;

/// What one thread's connections share.
pub(crate) struct Share {
    pub(crate) target: Target,
    path: String,
    warm_path: Option<String>,
    /// Bytes of content of each request.
    pub(crate) upload: usize,
    walk: Walk,
    phase: Arc<AtomicU8>,
    tally: Arc<Tally>,
    finished: Arc<AtomicUsize>,
    through: AtomicBool,
}

impl Share {
    /// Path and token of the next request, or the end.
    pub(crate) fn next(&self) -> Option<(&str, &[u8])> {
        match (self.phase.load(Relaxed), &self.warm_path) {
            (STOPPED, _) => None,
            (WARMING, Some(path)) => Some((path, b"")),
            _ => {
                let token = self.walk.next();
                if token.is_none() && !self.through.swap(true, Relaxed) {
                    self.finished.fetch_add(1, Relaxed);
                }
                token.map(|token| (&*self.path, token))
            }
        }
    }

    pub(crate) fn answer(&self, status: u16) {
        self.tally.answer(status);
    }

    /// A connection broke: an event to be told, unless the run is over.
    pub(crate) fn broken(&self) {
        if self.phase.load(Relaxed) != STOPPED {
            self.tally.broken.fetch_add(1, Relaxed);
        }
    }
}

pub(crate) fn run(arguments: &Closed) -> Outcome<()> {
    let tokens = arguments
        .to
        .tokens
        .as_deref()
        .map(Tokens::read)
        .transpose()?;
    let threads = usize::try_from(arguments.threads)?;
    let phase = Arc::new(AtomicU8::new(WARMING));
    let finished = Arc::new(AtomicUsize::new(0));
    let ready = Arc::new(Barrier::new(threads + 1));
    let mut tallies = Vec::new();
    for index in 0..threads {
        let tally = Arc::new(Tally::default());
        let share = Share {
            target: Target::new(&arguments.to, false)?,
            path: arguments.to.path.clone(),
            warm_path: arguments.once.clone(),
            upload: arguments.upload,
            walk: Walk::new(tokens.clone(), index, threads, arguments.once.is_some()),
            phase: Arc::clone(&phase),
            tally: Arc::clone(&tally),
            finished: Arc::clone(&finished),
            through: AtomicBool::new(false),
        };
        let connections = (index..usize::try_from(arguments.to.connections)?)
            .step_by(threads)
            .count();
        let (arguments, ready) = (arguments.clone(), Arc::clone(&ready));
        thread::spawn(move || one_thread(&arguments, share, connections, &ready));
        tallies.push(tally);
    }
    ready.wait();
    thread::sleep(Duration::from_secs_f64(arguments.warmup));
    let before = Counts::of(tallies.iter().map(Arc::as_ref));
    phase.store(MEASURING, Relaxed);
    tell(&json!({ "event": "begin" }))?;
    let began = Instant::now();
    let end = began + Duration::from_secs_f64(arguments.seconds);
    let mut now = Counts::of(tallies.iter().map(Arc::as_ref));
    while Instant::now() < end && finished.load(Relaxed) < threads {
        thread::sleep(Duration::from_millis(1));
        if let Some(most) = arguments.requests {
            now = Counts::of(tallies.iter().map(Arc::as_ref));
            if now.answers() - before.answers() >= most {
                break;
            }
        }
    }
    if arguments.requests.is_none() {
        now = Counts::of(tallies.iter().map(Arc::as_ref));
    }
    let seconds = began.elapsed().as_secs_f64();
    phase.store(STOPPED, Relaxed);
    tell(&now.since(&before, seconds))
}

fn one_thread(arguments: &Closed, share: Share, connections: usize, ready: &Barrier) {
    let runtime = Builder::new_current_thread()
        .enable_io()
        .build()
        .expect("a runtime can be made");
    let local = LocalSet::new();
    let share = Rc::new(share);
    runtime.block_on(local.run_until(async {
        let mut tasks = Vec::new();
        for _ in 0..connections {
            // One after the other: thousands at once would overflow a listener's queue.
            match arguments.to.protocol {
                Protocol::H1 | Protocol::H1Tls => {
                    let Ok(stream) = share.target.connect().await else {
                        share.broken();
                        continue;
                    };
                    let share = Rc::clone(&share);
                    tasks.push(tokio::task::spawn_local(async move {
                        ask_for_ever(&share, stream).await;
                    }));
                }
                Protocol::H2Tls => {
                    let share = Rc::clone(&share);
                    match http2::start(&share, arguments.streams).await {
                        Ok(streams) => tasks.extend(streams),
                        Err(_) => share.broken(),
                    }
                }
            }
        }
        ready.wait();
        for task in tasks {
            // A task that ended has nothing more to tell: what it met is in the tally.
            let _ = task.await;
        }
    }));
}

/// One connection, and the next when it is closed.
async fn ask_for_ever(share: &Share, mut stream: Box<dyn crate::target::Io>) {
    let mut request = Vec::with_capacity(2048);
    let mut room = vec![0; 16 * 1024];
    while let Some((path, token)) = share.next() {
        write_request(&mut request, path, token, share.upload);
        let closed = if let Ok(head) = exchange(&mut *stream, &request, &mut room).await {
            share.answer(head.status);
            head.closes
        } else {
            share.broken();
            true
        };
        if closed {
            match share.target.connect().await {
                Ok(fresh) => stream = fresh,
                Err(_) => return share.broken(),
            }
        }
    }
}
