//! The service: takes requests, gives each a task, and answers it.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::{HeaderValue, Method, StatusCode, header};
use tokio::sync::Semaphore;
use tokio::time::{Instant, MissedTickBehavior};

use crate::clock::{Clock, UnixTime};
use crate::config::{Config, LocalIssuer};
use crate::metrics::Metrics;
use crate::revocation::RevocationSet;
use crate::snapshot::{Endpoint, Snapshot};
use crate::store::{LocalTokens, Store, StoreHandle};

use super::answer_time::AnswerTimes;
use super::attempts::Attempts;
use super::back_channel::Logouts;
use super::cookies::Cookies;
use super::hashing::Hashing;
use super::page::SentForm;
use super::place::Place;
use super::refusals::Refusals;
use super::request::Parameters;
use super::respond::{Answer, Refusal, empty};
use super::sign_in::write_refusals;
use super::{Asked, IssuerRequest, IssuerRequests, KeyRing, Sealer, endpoints};

/// Requests that are worked on at once. Most of them wait for the store, or for the moment of their answer.
const MOST_TASKS: usize = 512;

/// Waits until every revocation of the store is in force in this process.
#[derive(Clone)]
pub struct CatchUp(Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>);

impl CatchUp {
    /// What is called to wait; it must come to an end also when the store is away.
    pub fn new(wait: impl Fn() -> BoxFuture<'static, ()> + Send + Sync + 'static) -> Self {
        Self(Arc::new(wait))
    }

    /// Waits.
    pub(super) async fn wait(&self) {
        (self.0)().await;
    }
}

/// What every request is answered with.
pub(super) struct Service {
    pub(super) store: StoreHandle,
    pub(super) catch_up: CatchUp,
    pub(super) snapshot: Arc<ArcSwap<Snapshot>>,
    pub(super) revocations: Arc<ArcSwap<RevocationSet>>,
    pub(super) clock: Clock,
    pub(super) metrics: Arc<Metrics>,
    pub(super) hashing: Hashing,
    /// `None` where there is no local issuer, and only logout tokens of others come.
    pub(super) secrets: Option<Secrets>,
    pub(super) attempts: Mutex<Attempts>,
    pub(super) times: Mutex<AnswerTimes>,
    pub(super) refusals: Mutex<Refusals>,
    /// Logout tokens of other issuers.
    pub(super) logouts: Logouts,
    /// What attempts and times count from.
    pub(super) began: Instant,
}

/// What tokens are made with.
#[derive(Clone)]
pub(super) struct Secrets {
    pub(super) ring: Arc<KeyRing>,
    pub(super) sealer: Arc<Sealer>,
}

/// One request, and everything that it takes to answer it. The configuration is the one that was in force when it came.
pub(super) struct Call {
    pub(super) service: Arc<Service>,
    pub(super) secrets: Secrets,
    pub(super) config: Arc<Config>,
    pub(super) asked: Asked,
    /// When it came.
    pub(super) arrived: Instant,
}

/// An answer, and when it may be given.
pub(super) struct Ready {
    pub(super) answer: Answer,
    /// How long after the arrival; `None`: at once.
    pub(super) release: Option<Duration>,
}

impl From<Answer> for Ready {
    fn from(answer: Answer) -> Self {
        Self {
            answer,
            release: None,
        }
    }
}

/// How often it is looked at whether there is something to be written down of the minute before.
const LOOK: Duration = Duration::from_secs(10);

/// Answers requests until nobody can send any.
pub(super) async fn serve(service: Arc<Service>, mut requests: IssuerRequests) {
    let tasks = Arc::new(Semaphore::new(MOST_TASKS));
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let request = tokio::select! {
            request = requests.next() => request,
            _ = look.tick() => {
                tokio::spawn(write_refusals(Arc::clone(&service)));
                continue;
            }
        };
        let Some(request) = request else { return };
        let Ok(task) = Arc::clone(&tasks).acquire_owned().await else {
            return;
        };
        let service = Arc::clone(&service);
        tokio::spawn(async move {
            let _task = task;
            service.reply(request).await;
        });
    }
}

impl Service {
    /// Answers one request. A fault in it ends it alone, with 500.
    async fn reply(self: Arc<Self>, request: IssuerRequest) {
        let arrived = Instant::now();
        let IssuerRequest { asked, reply } = request;
        let answering = AssertUnwindSafe(self.ready(asked, arrived)).catch_unwind();
        let Ok(ready) = answering.await else {
            // What it was is logged where it happened. A reply that is dropped is a 500.
            tracing::error!("a request to the local issuer failed");
            return;
        };
        if let Some(release) = ready.release {
            tokio::time::sleep_until(arrived + release).await;
        }
        // The client may have gone.
        let _ = reply.send(ready.answer);
    }

    /// The answer to a request.
    pub(super) async fn ready(self: Arc<Self>, mut asked: Asked, arrived: Instant) -> Ready {
        if let Endpoint::Logout(_) = asked.endpoint {
            return self.log_out(&asked).await.into();
        }
        let config = Arc::clone(&self.snapshot.load().config);
        let (Endpoint::Issuer, Some(secrets), Some(local)) =
            (asked.endpoint, self.secrets.clone(), &config.local_issuer)
        else {
            return Refusal::NoEndpoint.into_answer(&config.server.realm).into();
        };
        let form = local
            .page
            .then(|| SentForm::take(&local.url.path, &mut asked))
            .flatten();
        let refused = form.as_ref().and_then(|form| {
            let is_own = Cookies::of(local).is_some_and(|own| own.is_same_origin(&asked.headers));
            form.refused(is_own, &asked.body)
        });
        if let Some(answer) = refused {
            return answer.into();
        }
        let call = Call {
            service: self,
            secrets,
            config: Arc::clone(&config),
            asked,
            arrived,
        };
        let answered = call.answer().await;
        let mut ready = answered.unwrap_or_else(|refusal| call.refusal(refusal).into());
        if let Some(form) = form {
            ready.answer = form.answer(&ready.answer);
        }
        ready
    }

    /// Since the service began: what attempts are counted by.
    pub(super) fn uptime(&self) -> Duration {
        self.began.elapsed()
    }

    pub(super) fn attempts(&self) -> MutexGuard<'_, Attempts> {
        lock(&self.attempts)
    }

    pub(super) fn refusals(&self) -> MutexGuard<'_, Refusals> {
        lock(&self.refusals)
    }

    pub(super) fn times(&self) -> MutexGuard<'_, AnswerTimes> {
        lock(&self.times)
    }
}

/// Counts stay usable after a panic: each change of them is whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Call {
    async fn answer(&self) -> Result<Ready, Refusal> {
        let local = self.local()?;
        let place = Place::find(&self.asked.path, &local.url.path).ok_or(Refusal::NoEndpoint)?;
        place.check(&self.asked.method)?;
        if self.asked.method == Method::OPTIONS {
            return Ok(options(place).into());
        }
        let answer = match place {
            Place::Login => return endpoints::login(self).await,
            Place::Token => return endpoints::token(self).await,
            Place::Password => return endpoints::password(self).await,
            Place::Revoke => endpoints::revoke(self).await,
            Place::Introspect => endpoints::introspect(self).await,
            Place::Logout => endpoints::logout(self).await,
            Place::Sessions => endpoints::sessions(self).await,
            Place::Session(id) => endpoints::end_session(self, id).await,
            Place::EndOthers => endpoints::end_others(self).await,
            Place::KeySet => endpoints::key_set(self),
            Place::Metadata => endpoints::metadata(self),
            Place::Page => endpoints::page(self).await,
        };
        answer.map(Ready::from)
    }

    /// The issuer's configuration.
    ///
    /// # Errors
    /// `NoEndpoint`, if there is none any more.
    pub(super) fn local(&self) -> Result<&LocalIssuer, Refusal> {
        self.config.local_issuer.as_ref().ok_or(Refusal::NoEndpoint)
    }

    /// The store.
    ///
    /// # Errors
    /// `Store`, while it is away.
    pub(super) async fn store(&self) -> Result<Store, Refusal> {
        Ok(self.service.store.get().await?)
    }

    /// What the body says.
    ///
    /// # Errors
    /// `Request`
    pub(super) fn parameters(&self) -> Result<Parameters, Refusal> {
        let Asked {
            query,
            headers,
            body,
            ..
        } = &self.asked;
        Ok(Parameters::read(query.as_deref(), headers, body)?)
    }

    /// What is revoked with a session, and for how long.
    ///
    /// # Errors
    /// `NoEndpoint`, if there is no issuer any more.
    pub(super) fn local_tokens(&self) -> Result<LocalTokens<'_>, Refusal> {
        let local = self.local()?;
        let policy = &self.config.issuers[local.issuer].policy;
        Ok(LocalTokens {
            issuer: &local.url.text,
            // The longest that any configuration allows: a token may be older than this one.
            keep_for: policy.admitted_for(local.access_token),
        })
    }

    /// A refusal as an answer.
    pub(super) fn refusal(&self, refusal: Refusal) -> Answer {
        refusal.into_answer(&self.config.server.realm)
    }

    /// The present.
    pub(super) fn now(&self) -> UnixTime {
        self.service.clock.now()
    }

    /// An answer about a password: given at a moment that does not tell what it is.
    pub(super) fn at_fixed_time(&self, answer: Answer) -> Ready {
        let (elapsed, now) = (self.arrived.elapsed(), self.service.uptime());
        Ready {
            answer,
            release: Some(self.service.times().release(elapsed, now)),
        }
    }
}

fn options(place: Place) -> Answer {
    let mut answer = empty(StatusCode::NO_CONTENT);
    let allow = HeaderValue::from_static(place.allow());
    answer.headers_mut().insert(header::ALLOW, allow);
    answer
}

#[cfg(test)]
mod tests;
