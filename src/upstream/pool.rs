//! One worker's connections to the upstreams: taken last in, first out; not `Send`, no lock.

use std::cell::RefCell;
use std::future::poll_fn;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use http::Method;
use http::request::Parts;
use hyper::body::{Body, Bytes};

use crate::metrics::WorkerId;
use crate::net::{Deadlines, Expired};

use super::balance::Random;
use super::connect::connect;
use super::connection::{Connection, Stream};
use super::encode::write_head;
use super::exchange::{Answer, Exchange, NoAnswer, Reader, Sending, send_rest};
use super::framing::Asked;
use super::idle::Idle;
use super::resolve::first_addresses;
use super::sent::RestOfUpload;
use super::upload::{Pace, Upload};
use super::{Address, BrokenAnswer, InFlight, Sent, SentBody, Upstream};

/// All pools of one worker.
pub struct Pools {
    worker: WorkerId,
    deadlines: Deadlines,
    random: RefCell<Random>,
    idle: Idle,
    /// What the heads of answers are read into.
    scratch: RefCell<Box<[u8]>>,
    /// What the heads of requests are written into, when it is not in use.
    heads: RefCell<Vec<Vec<u8>>>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// No address could be connected to: 502.
    #[error("cannot connect: {0}")]
    Connect(std::io::Error),
    /// The names resolve to nothing: 502.
    #[error("no address: {0}")]
    Resolve(String),
    /// The connection broke, or its answer is not HTTP: 502.
    #[error("broken answer: {0}")]
    Broken(BrokenAnswer),
    /// `connect_timeout`: 504.
    #[error("connecting took too long")]
    ConnectTimeout,
    /// `response_timeout`: 504.
    #[error("no answer in time")]
    ResponseTimeout,
}

/// A connection taken for a request.
struct Lease {
    connection: Rc<Connection>,
    in_flight: InFlight,
    /// Whether it has carried a request before.
    reused: bool,
}

impl Pools {
    /// Empty pools of a worker.
    #[must_use]
    pub fn new(worker: WorkerId, deadlines: Deadlines) -> Rc<Self> {
        // The only randomness that is asked of the system.
        let seed = RandomState::new().build_hasher().finish();
        Rc::new(Self {
            worker,
            random: RefCell::new(Random::new(seed)),
            idle: Idle::new(&deadlines),
            deadlines,
            scratch: RefCell::new(vec![0; SCRATCH].into_boxed_slice()),
            heads: RefCell::default(),
        })
    }

    /// Sends a request (origin form, Host set) and waits for the head of the answer. `replayable` is a bodiless GET,
    /// HEAD or OPTIONS: then a reused connection that closes before a byte of the answer is tried once more on a new one.
    ///
    /// Fields and body are taken from where they are, since futures that pass them on would each have room for them;
    /// what is left there means nothing. Dropping the future before its end closes the connection. It runs inside a
    /// `LocalRuntime` or `LocalSet`.
    ///
    /// # Errors
    /// As [`SendError`] says.
    pub async fn send<B>(
        &self,
        upstream: &Arc<Upstream>,
        head: &mut Parts,
        body: &mut B,
        replayable: bool,
    ) -> Result<Sent, SendError>
    where
        B: Body<Data = Bytes> + Default + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let began = Instant::now();
        upstream.note_use();
        let idle = match self.choose(upstream, &[]) {
            Some(first) => self.lease_idle(first).map_err(Some),
            None => Err(None),
        };
        // What happens rarely is boxed: this future is a part of that of each request.
        let lease = match idle {
            Ok(lease) => lease,
            Err(first) => Box::pin(self.lease_new(upstream, first, true)).await?,
        };
        let mut exchange = self.exchange(upstream, head, body)?;
        let repeatable = replayable && lease.reused;
        let outcome = self.answer(&lease, &mut exchange).await;
        if let Err(NoAnswer::Broken(error)) = &outcome
            && exchange.may_repeat(error, repeatable)
        {
            return Box::pin(self.retry(upstream, lease, exchange, began)).await;
        }
        self.finish(lease, exchange, outcome, began)
    }

    /// Closes connections that were idle too long, and all of upstreams that `keep` does not name. Called each second.
    pub fn sweep(&self, keep: &dyn Fn(u64) -> bool) {
        self.idle.sweep(keep);
    }

    /// The second and last try, on a new connection: to the same address if it lets us.
    async fn retry<B>(
        &self,
        upstream: &Arc<Upstream>,
        failed: Lease,
        mut exchange: Exchange<B>,
        began: Instant,
    ) -> Result<Sent, SendError>
    where
        B: Body<Data = Bytes> + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        upstream.metrics.retried(self.worker);
        let first = failed.in_flight;
        drop(failed.connection);
        let lease = self.lease_new(upstream, Some(first), false).await?;
        exchange.rewind();
        let outcome = self.answer(&lease, &mut exchange).await;
        self.finish(lease, exchange, outcome, began)
    }

    /// The exchange for a request.
    fn exchange<B>(
        &self,
        upstream: &Upstream,
        parts: &mut Parts,
        body: &mut B,
    ) -> Result<Exchange<B>, SendError>
    where
        B: Body<Data = Bytes> + Default + Unpin,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let mut head = self.heads.borrow_mut().pop().unwrap_or_default();
        head.clear();
        let written = write_head(parts, body, &mut head).map_err(SendError::Broken)?;
        let asked = Asked {
            head: parts.method == Method::HEAD,
            upgrade: written.upgrade,
        };
        // The fields are written: the map has room for those of the answer.
        let room = std::mem::take(&mut parts.headers);
        let body = std::mem::take(body);
        let limit = upstream.config.response_timeout;
        Ok(Exchange {
            upload: Upload::new(head, body, written.framing),
            sending: Sending::Going,
            reader: Reader::new(asked, room),
            pace: Pace {
                deadline: self.deadlines.arm(Some(limit)),
                limit,
            },
        })
    }

    /// One try on one connection.
    async fn answer<B>(&self, lease: &Lease, exchange: &mut Exchange<B>) -> Result<Answer, NoAnswer>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        poll_fn(|cx| exchange.poll(&lease.connection, &self.scratch, cx)).await
    }

    fn finish<B>(
        &self,
        lease: Lease,
        exchange: Exchange<B>,
        outcome: Result<Answer, NoAnswer>,
        began: Instant,
    ) -> Result<Sent, SendError>
    where
        B: Body<Data = Bytes> + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let answer = outcome.map_err(|failure| match failure {
            NoAnswer::Timeout => SendError::ResponseTimeout,
            NoAnswer::Broken(error) => SendError::Broken(error),
        })?;
        let Lease {
            connection,
            in_flight,
            reused: _,
        } = lease;
        let after = began.elapsed();
        connection.upstream.metrics.answered(self.worker, after);
        let upload = match exchange.sending {
            Sending::Done => {
                self.keep(exchange.upload.into_buffer());
                RestOfUpload::Done
            }
            Sending::Refused(error) => {
                tracing::debug!(%error, "answered before the request was sent");
                RestOfUpload::Refused
            }
            Sending::Going => {
                let rest = send_rest(exchange.upload, Rc::clone(&connection), exchange.pace);
                RestOfUpload::Going(tokio::task::spawn_local(rest))
            }
        };
        Ok(Sent {
            after,
            response: SentBody::attach(answer, connection, in_flight, upload),
        })
    }

    /// Keeps a buffer for the next request, unless it is large or there are many.
    fn keep(&self, buffer: Vec<u8>) {
        let mut heads = self.heads.borrow_mut();
        if heads.len() < KEPT_HEADS && buffer.capacity() <= SCRATCH {
            heads.push(buffer);
        }
    }

    fn choose(&self, upstream: &Upstream, tried: &[Arc<Address>]) -> Option<InFlight> {
        upstream.choose(self.deadlines.now(), &mut self.random.borrow_mut(), tried)
    }

    /// An idle connection to the address that was chosen, or the choice back.
    fn lease_idle(&self, in_flight: InFlight) -> Result<Lease, InFlight> {
        match self.idle.take(in_flight.address()) {
            None => Err(in_flight),
            Some(connection) => Ok(Lease {
                connection,
                in_flight,
                reused: true,
            }),
        }
    }

    /// A connection to `first`, and if it fails to another address, within `connect_timeout` altogether. Without
    /// `first` the names have not been resolved yet. `reuse`: an idle connection to another address will do.
    async fn lease_new(
        &self,
        upstream: &Arc<Upstream>,
        first: Option<InFlight>,
        reuse: bool,
    ) -> Result<Lease, SendError> {
        let started = self.deadlines.now();
        let limit = upstream.config.connect_timeout;
        let mut next = match first {
            Some(first) => first,
            None => self.first_choice(upstream).await?,
        };
        let mut tried = Vec::new();
        loop {
            let address = Arc::clone(next.address());
            tried.push(Arc::clone(&address));
            let left = limit.saturating_sub(self.deadlines.now() - started);
            // A host that swallows packets must leave time for the others.
            let last = tried.len() >= upstream.present.load().len();
            let share = if last { left } else { left / 2 };
            let attempt = connect(upstream, &address);
            let error = match self.deadlines.within(share, attempt).await {
                Ok(Ok(stream)) => {
                    address.connected();
                    upstream.metrics.connected(self.worker);
                    return Ok(self.lease(upstream, stream, next));
                }
                Ok(Err(error)) => SendError::Connect(error),
                Err(Expired) => SendError::ConnectTimeout,
            };
            tracing::debug!(upstream = %upstream.config.name, address = %address.socket, %error, "connect failed");
            address.failed(self.deadlines.now());
            upstream.metrics.connect_failed(self.worker);
            upstream.note_doubt();
            if self.deadlines.now() - started >= limit {
                return Err(error);
            }
            next = match self.choose(upstream, &tried) {
                None => return Err(error),
                Some(next) if reuse => match self.lease_idle(next) {
                    Ok(lease) => return Ok(lease),
                    Err(next) => next,
                },
                Some(next) => next,
            };
        }
    }

    /// Resolves the names of an upstream whose first request comes before the control runtime has done so.
    async fn first_choice(&self, upstream: &Arc<Upstream>) -> Result<InFlight, SendError> {
        let limit = upstream.config.connect_timeout;
        match self
            .deadlines
            .within(limit, first_addresses(upstream))
            .await
        {
            Err(Expired) => Err(SendError::ConnectTimeout),
            Ok(Err(problem)) => Err(SendError::Resolve(problem)),
            Ok(Ok(())) => self
                .choose(upstream, &[])
                .ok_or_else(|| SendError::Resolve("nothing left".to_owned())),
        }
    }

    fn lease(&self, upstream: &Arc<Upstream>, stream: Stream, in_flight: InFlight) -> Lease {
        let connection = self.idle.connection(upstream, in_flight.address(), stream);
        Lease {
            connection,
            in_flight,
            reused: false,
        }
    }
}

/// Bytes of a head, of a request or an answer, for which nothing is allocated.
const SCRATCH: usize = 16 * 1024;

/// Buffers that are kept: more requests than this are rarely sent and not answered at once.
const KEPT_HEADS: usize = 64;
