//! Worker threads: one runtime each, `LocalRuntime`, nothing shared but what is read.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::net::TcpListener;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Instant;

use arc_swap::Cache;
use futures_util::future::{join, join_all};
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::sync::mpsc::Receiver;
use tokio::time::MissedTickBehavior;

use crate::config::Config;
use crate::metrics::{Metrics, WorkerId};
use crate::net::Deadlines;
use crate::proxy::{AccessLog, SharedState, WorkerContext, WorkerLocal};
use crate::upstream::Pools;

use super::accept::accept;
use super::balance::{Balance, Handed, Member, receive};
use super::connection::Surroundings;
use super::handle::Handler;
use super::pulse::Pulse;
use super::shutdown::{DrainTimes, Stages, serve_until_drained};
use super::slots::{Clients, Slots, Total};
use super::{Drain, Listeners};

/// What the workers are made of.
pub struct WorkerParts {
    /// Their sockets.
    pub listeners: Listeners,
    /// What they share.
    pub shared: Arc<SharedState>,
    /// What they count.
    pub metrics: Arc<Metrics>,
    /// Where they log.
    pub access_log: AccessLog,
    /// When they end.
    pub drain: Drain,
}

/// The running worker threads.
pub struct Workers {
    threads: Vec<JoinHandle<()>>,
    /// A worker's number as it ends, and whether it ended as it should.
    exits: mpsc::Receiver<(usize, bool)>,
    pulse: Pulse,
}

/// What one worker thread starts from.
struct Seed {
    id: WorkerId,
    sockets: Vec<TcpListener>,
    shared: Arc<SharedState>,
    metrics: Arc<Metrics>,
    access_log: AccessLog,
    drain: Drain,
    clients: Arc<Clients>,
    members: Arc<[Member]>,
    inbox: Receiver<Handed>,
    pulse: Pulse,
}

/// Where a worker's connections come from.
struct Doors {
    sockets: Vec<TcpListener>,
    inbox: Receiver<Handed>,
}

impl Workers {
    /// Starts them.
    ///
    /// # Errors
    /// When a thread or a runtime cannot be made.
    pub fn start(parts: WorkerParts) -> std::io::Result<Self> {
        let WorkerParts {
            listeners,
            shared,
            metrics,
            access_log,
            drain,
        } = parts;
        let sockets = listeners.into_workers();
        let pulse = Pulse::new(sockets.len());
        let clients = Arc::new(Clients::default());
        let (members, inboxes): (Vec<_>, Vec<_>) = sockets.iter().map(|_| Member::new()).unzip();
        let members: Arc<[Member]> = members.into();
        let (ended, exits) = mpsc::channel();
        let mut threads = Vec::with_capacity(sockets.len());
        for (number, (sockets, inbox)) in sockets.into_iter().zip(inboxes).enumerate() {
            let seed = Seed {
                id: WorkerId(number),
                sockets,
                shared: Arc::clone(&shared),
                metrics: Arc::clone(&metrics),
                access_log: access_log.clone(),
                drain: drain.clone(),
                clients: Arc::clone(&clients),
                members: Arc::clone(&members),
                inbox,
                pulse: pulse.clone(),
            };
            threads.push(spawn(seed, ended.clone())?);
        }
        Ok(Self {
            threads,
            exits,
            pulse,
        })
    }

    /// Waits until all have ended. `Err` as soon as one died: the process ends with 1.
    ///
    /// # Errors
    /// The number of the worker that died.
    pub fn join(self) -> Result<(), usize> {
        for _ in &self.threads {
            match self.exits.recv() {
                Ok((_, true)) => {}
                Ok((number, false)) => return Err(number),
                // All have ended.
                Err(mpsc::RecvError) => break,
            }
        }
        for (number, thread) in self.threads.into_iter().enumerate() {
            thread.join().map_err(|_| number)?;
        }
        Ok(())
    }

    /// What can be asked of the workers while another thread waits in [`Self::join`].
    #[must_use]
    pub fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }
}

/// Starts a worker's thread, and returns when it has a runtime.
fn spawn(seed: Seed, ended: mpsc::Sender<(usize, bool)>) -> std::io::Result<JoinHandle<()>> {
    let (made, is_made) = mpsc::sync_channel(1);
    let number = seed.id.0;
    let thread = std::thread::Builder::new()
        .name(format!("worker-{number}"))
        .spawn(move || {
            let runtime = Builder::new_current_thread()
                .enable_all()
                .build_local(LocalOptions::default());
            let runtime = match runtime {
                Ok(runtime) => runtime,
                Err(error) => {
                    let _ = made.send(Err(error));
                    return;
                }
            };
            let _ = made.send(Ok(()));
            // What it shares are counters and what is only read: none is left half changed.
            let result = catch_unwind(AssertUnwindSafe(|| run(&runtime, seed)));
            let good = matches!(result, Ok(Ok(())));
            if let Ok(Err(error)) = result {
                tracing::error!(worker = number, %error, "worker cannot serve");
            }
            let _ = ended.send((number, good));
        })?;
    match is_made.recv() {
        Ok(Ok(())) => Ok(thread),
        Ok(Err(error)) => Err(error),
        Err(mpsc::RecvError) => Err(std::io::Error::other("a worker did not start")),
    }
}

/// A worker's life. What runs in here and not in a task of its own ends the worker when it panics.
fn run(runtime: &LocalRuntime, seed: Seed) -> std::io::Result<()> {
    runtime.block_on(async move {
        let (drain, pulse) = (seed.drain.clone(), seed.pulse.clone());
        let (handler, doors) = prepare(seed);
        let listeners = doors
            .sockets
            .into_iter()
            .map(tokio::net::TcpListener::from_std)
            .collect::<Result<Vec<_>, _>>()?;
        tokio::select! {
            never = tick(&handler, &pulse) => match never {},
            left = serve(&handler, listeners, doors.inbox, drain) => pulse.end(handler.context.id, left),
        }
        handler.context.metrics.connections(0);
        Ok(())
    })
}

fn prepare(seed: Seed) -> (Rc<Handler>, Doors) {
    let Seed {
        id,
        sockets,
        shared,
        metrics,
        access_log,
        drain: _,
        clients,
        members,
        inbox,
        pulse,
    } = seed;
    let balance = Balance::new(members, id.0, pulse);
    let deadlines = Deadlines::new(Instant::now());
    let total: Arc<dyn Total> = Arc::<SharedState>::clone(&shared);
    let token_cache = token_cache_share(&shared.snapshot.load().config);
    let context = WorkerContext {
        id,
        snapshot: RefCell::new(Cache::new(Arc::clone(&shared.snapshot))),
        revocations: RefCell::new(Cache::new(Arc::clone(&shared.revocations))),
        shared,
        pools: Pools::new(id, deadlines.clone()),
        deadlines: deadlines.clone(),
        access_log,
        metrics: metrics.worker(id),
        no_route: metrics.route(""),
        local: WorkerLocal::new(id, token_cache),
    };
    let handler = Handler {
        context: Rc::new(context),
        surroundings: Surroundings {
            deadlines,
            stages: Rc::new(Stages::new()),
        },
        slots: Slots::new(total, clients, Arc::clone(balance.own())),
        balance,
        turned_away: Cell::new(0),
    };
    (Rc::new(handler), Doors { sockets, inbox })
}

/// Serves until the drain has ended: how many connections are left to be cut with the runtime.
async fn serve(
    handler: &Rc<Handler>,
    listeners: Vec<tokio::net::TcpListener>,
    inbox: Receiver<Handed>,
    drain: Drain,
) -> usize {
    let stages = &handler.surroundings.stages;
    let accepted = |stream, peer| handler.accepted(stream, peer);
    let arrived = |handed| handler.arrived(handed);
    let accepting = listeners
        .into_iter()
        .map(|listener| accept(listener, stages, &accepted));
    let accepting = join(join_all(accepting), receive(inbox, stages, &arrived));
    let context = &handler.context;
    let times = || {
        context.shared.draining.store(true, Relaxed);
        let limits = &context.current_snapshot().limits;
        DrainTimes {
            delay: limits.drain_delay,
            timeout: limits.drain_timeout,
        }
    };
    serve_until_drained(
        accepting,
        &handler.surroundings,
        &handler.slots,
        drain,
        times,
    )
    .await
}

/// The worker's clock: deadlines several times a second, housekeeping and a beat once.
async fn tick(handler: &Handler, pulse: &Pulse) -> Infallible {
    let mut interval = tokio::time::interval(Deadlines::RESOLUTION);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut ticks = 0_u32;
    loop {
        interval.tick().await;
        handler.surroundings.deadlines.sweep(Instant::now());
        handler.context.access_log.flush();
        handler.context.end_revoked();
        if ticks.is_multiple_of(TICKS_PER_BEAT) {
            keep_house(handler);
            pulse.beat(handler.context.id);
        }
        ticks = ticks.wrapping_add(1);
    }
}

/// Once a second. Loading the snapshot lets a worker without requests drop the old one with its keys.
fn keep_house(handler: &Handler) {
    let context = &handler.context;
    let snapshot = context.current_snapshot();
    let share = token_cache_share(&snapshot.config);
    context.local.resize_token_cache(share);
    let counts = context.with_memory(|memory, _| {
        memory.settle(&snapshot);
        memory.take_counts()
    });
    let metrics = &context.metrics;
    metrics.token_cache_asked(counts.hits, counts.misses);
    metrics.token_cache_holds(counts.bytes, counts.entries);
    metrics.signatures_checked(counts.good_signatures, counts.bad_signatures);
    let known = |id| snapshot.upstreams.iter().any(|upstream| upstream.id == id);
    context.pools.sweep(&known);
    handler.tell_number();
}

/// Bytes of each worker's token cache.
fn token_cache_share(config: &Config) -> u64 {
    let share = config.server.token_cache / config.server.workers;
    u64::try_from(share).unwrap_or(u64::MAX)
}

impl Total for SharedState {
    fn connections(&self) -> &AtomicUsize {
        &self.connections
    }
}

/// A beat each second.
const TICKS_PER_BEAT: u32 = 4;

#[cfg(test)]
mod tests;
