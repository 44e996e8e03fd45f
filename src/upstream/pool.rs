//! One worker's connections to the upstreams: taken last in, first out; not `Send`, no lock.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use http::{Request, Response, Version};
use hyper::body::{Body, Bytes, Incoming};
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::SendRequest;

use crate::metrics::WorkerId;
use crate::net::{Deadline, Deadlines, Expired};

use super::balance::Random;
use super::connect::connect;
use super::idle::{Connection, Idle};
use super::outgoing::{Outgoing, Pace};
use super::resolve::first_addresses;
use super::{Address, InFlight, Sent, SentBody, Upstream};

/// All pools of one worker. `B` is the body that requests have.
pub struct Pools<B> {
    worker: WorkerId,
    deadlines: Deadlines,
    random: RefCell<Random>,
    idle: Idle<B>,
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
    Broken(hyper::Error),
    /// `connect_timeout`: 504.
    #[error("connecting took too long")]
    ConnectTimeout,
    /// `response_timeout`: 504.
    #[error("no answer in time")]
    ResponseTimeout,
}

/// A connection taken for a request.
struct Lease<B> {
    connection: Rc<Connection<B>>,
    in_flight: InFlight,
    /// Whether it has carried a request before.
    reused: bool,
}

/// When an answer is due.
enum Due {
    /// Without a body: from the start on.
    Fixed(Deadline),
    /// With one: as it goes.
    Paced(Rc<Pace>),
}

impl Due {
    fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Fixed(deadline) => deadline.poll_expired(cx).map(|_expired| ()),
            Self::Paced(pace) => pace.poll_expired(cx),
        }
    }
}

/// What a try ended with, instead of a response.
enum Failure<B> {
    Timeout,
    Broken {
        error: hyper::Error,
        /// The request, if no byte of it was written.
        unsent: Option<Box<Request<Outgoing<B>>>>,
    },
}

impl<B> Pools<B>
where
    B: Body<Data = Bytes> + Default + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
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
        })
    }

    /// Sends a request (origin form, Host set) and waits for the head of the answer. `replayable` is a bodiless GET,
    /// HEAD or OPTIONS: then a reused connection that closes before a byte of the answer is tried once more on a new one.
    ///
    /// The request is taken from where it is, since futures that pass it on would each have room for it; what is left
    /// there means nothing. Dropping the future before its end closes the connection. It runs inside a `LocalRuntime`
    /// or `LocalSet`.
    ///
    /// # Errors
    /// As [`SendError`] says.
    pub async fn send(
        self: &Rc<Self>,
        upstream: &Arc<Upstream>,
        request: &mut Request<B>,
        replayable: bool,
    ) -> Result<Sent, SendError> {
        let began = Instant::now();
        upstream.note_use();
        // Each hop has its own version (RFC 9110 §6.2).
        *request.version_mut() = Version::HTTP_11;
        let idle = match self.choose(upstream, &[]) {
            Some(first) => self.lease_idle(first).map_err(Some),
            None => Err(None),
        };
        // What happens rarely is boxed: this future is a part of that of each request.
        let lease = match idle {
            Ok(lease) => lease,
            Err(first) => Box::pin(self.lease_new(upstream, first, true)).await?,
        };
        // The copy costs little next to a lost request, and only a connection that may have been closed meanwhile asks
        // for one.
        let spare = replayable && lease.reused;
        let exchange = {
            let request = if spare {
                copy_of_head(request)
            } else {
                take(request)
            };
            self.begin(&lease, self.outgoing(upstream, request))
        };
        let outcome = match exchange.await {
            Err(Failure::Broken { error, unsent }) => {
                let spare = spare && !lease.connection.heard.load(Ordering::Relaxed);
                let again = match unsent {
                    Some(unsent) => Some(*unsent),
                    None => spare.then(|| self.outgoing(upstream, take(request))),
                };
                if let Some(request) = again {
                    return Box::pin(self.retry(upstream, lease, request, began)).await;
                }
                Err(Failure::Broken {
                    error,
                    unsent: None,
                })
            }
            other => other,
        };
        self.finish(lease, outcome, began)
    }

    /// Closes connections that were idle too long, and all of upstreams that `keep` does not name. Called each second.
    pub fn sweep(&self, keep: &dyn Fn(u64) -> bool) {
        self.idle.sweep(keep);
    }

    /// The second and last try, on a new connection: to the same address if it lets us.
    async fn retry(
        self: &Rc<Self>,
        upstream: &Arc<Upstream>,
        failed: Lease<B>,
        request: Request<Outgoing<B>>,
        began: Instant,
    ) -> Result<Sent, SendError> {
        upstream.metrics.retried(self.worker);
        let first = failed.in_flight;
        drop(failed.connection);
        let lease = self.lease_new(upstream, Some(first), false).await?;
        let outcome = self.begin(&lease, request).await;
        self.finish(lease, outcome, began)
    }

    fn finish(
        &self,
        lease: Lease<B>,
        outcome: Result<Response<Incoming>, Failure<B>>,
        began: Instant,
    ) -> Result<Sent, SendError> {
        let response = outcome.map_err(|failure| match failure {
            Failure::Timeout => SendError::ResponseTimeout,
            Failure::Broken { error, unsent: _ } => SendError::Broken(error),
        })?;
        let metrics = &lease.connection.upstream.metrics;
        let after = began.elapsed();
        metrics.answered(self.worker, after);
        Ok(Sent {
            after,
            response: SentBody::attach(response, lease.connection, lease.in_flight),
        })
    }

    fn outgoing(&self, upstream: &Upstream, request: Request<B>) -> Request<Outgoing<B>> {
        let limit = upstream.config.response_timeout;
        request.map(|body| Outgoing::new(body, &self.deadlines, limit))
    }

    /// One try on one connection. The request is on its way when this returns; the future is the answer.
    fn begin(
        &self,
        lease: &Lease<B>,
        request: Request<Outgoing<B>>,
    ) -> impl Future<Output = Result<Response<Incoming>, Failure<B>>> + use<B> {
        let connection = &lease.connection;
        connection.heard.store(false, Ordering::Relaxed);
        let limit = connection.upstream.config.response_timeout;
        let due = match request.body().pace() {
            None => Due::Fixed(self.deadlines.arm(Some(limit))),
            Some(pace) => Due::Paced(pace),
        };
        answered(
            connection.sender.borrow_mut().try_send_request(request),
            due,
        )
    }

    fn choose(&self, upstream: &Upstream, tried: &[Arc<Address>]) -> Option<InFlight> {
        upstream.choose(self.deadlines.now(), &mut self.random.borrow_mut(), tried)
    }

    /// An idle connection to the address that was chosen, or the choice back.
    fn lease_idle(&self, in_flight: InFlight) -> Result<Lease<B>, InFlight> {
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
        self: &Rc<Self>,
        upstream: &Arc<Upstream>,
        first: Option<InFlight>,
        reuse: bool,
    ) -> Result<Lease<B>, SendError> {
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
                Ok(Ok((sender, heard))) => {
                    address.connected();
                    upstream.metrics.connected(self.worker);
                    return Ok(self.lease(upstream, sender, heard, next));
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

    fn lease(
        self: &Rc<Self>,
        upstream: &Arc<Upstream>,
        sender: SendRequest<Outgoing<B>>,
        heard: Arc<AtomicBool>,
        in_flight: InFlight,
    ) -> Lease<B> {
        let connection = self
            .idle
            .connection(upstream, in_flight.address(), sender, heard);
        Lease {
            connection,
            in_flight,
            reused: false,
        }
    }
}

/// The answer, if it comes before it is due.
async fn answered<B>(
    answer: impl Future<Output = Result<Response<Incoming>, TrySendError<Request<Outgoing<B>>>>>,
    mut due: Due,
) -> Result<Response<Incoming>, Failure<B>> {
    let mut answer = pin!(answer);
    let answered = poll_fn(|cx| match answer.as_mut().poll(cx) {
        Poll::Ready(answer) => Poll::Ready(Some(answer)),
        Poll::Pending => due.poll_expired(cx).map(|()| None),
    });
    match answered.await {
        None => Err(Failure::Timeout),
        Some(Ok(response)) => Ok(response),
        Some(Err(mut error)) => Err(Failure::Broken {
            unsent: error.take_message().map(Box::new),
            error: error.into_error(),
        }),
    }
}

/// The request, leaving one that means nothing.
fn take<B: Default>(request: &mut Request<B>) -> Request<B> {
    std::mem::take(request)
}

/// A bodiless request once more.
fn copy_of_head<B: Default>(request: &Request<B>) -> Request<B> {
    let mut copy = Request::new(B::default());
    request.method().clone_into(copy.method_mut());
    request.uri().clone_into(copy.uri_mut());
    *copy.version_mut() = request.version();
    request.headers().clone_into(copy.headers_mut());
    copy
}
