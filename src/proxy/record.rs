//! One record for each request, whatever happens: a metric and an access-log line when it ends.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, Version, header};
use smallvec::SmallVec;

use crate::config::LOCAL_ISSUER_ROUTE;
use crate::gate::{Detail, Observer, Reason, Rejection};
use crate::headers::Client;
use crate::jwt::{TokenObserver, VerifiedToken};
use crate::metrics::RouteMetrics;
use crate::routing::Route;

use super::body::{BodyError, Upload};
use super::line::{Entry, SUBJECT_BYTES};
use super::request_id::{RequestId, X_REQUEST_ID};
use super::server_timing::Times;
use super::upgrade::Traffic;
use super::{AccessLog, ConnectionContext, RequestSnapshot};

/// What the log and the metrics say when the client went away before it had its whole answer.
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// The record of one request. It is written when it is dropped, so it is written once, whatever happens: a refusal, a
/// fault, a client that goes away while anything is awaited.
pub(super) struct Record {
    connection: Rc<ConnectionContext>,
    /// Until the decision: the record may last for days, and old keys should not.
    snapshot: Option<RequestSnapshot>,
    /// On the heap: a record is moved with its answer, from hand to hand.
    facts: Box<Facts>,
}

/// What is known of a request.
struct Facts {
    began: Instant,
    id: RequestId,
    method: Method,
    version: Version,
    /// Only with an access log.
    logged: Option<Logged>,
    client: Option<Client>,
    route: Option<Arc<Route>>,
    /// What counts a request that the gateway answers itself.
    own: Option<Arc<RouteMetrics>>,
    status: Option<StatusCode>,
    refusal: Option<Rejection>,
    /// How long the decision took, for a client that is told.
    decided: Option<Duration>,
    upstream: Option<Duration>,
    upload: Option<Rc<Upload>>,
    tunnel: Option<Rc<Traffic>>,
    bytes_out: u64,
    end: End,
}

/// What only the access log needs.
struct Logged {
    time: jiff::Timestamp,
    uri: Uri,
    host: Option<HeaderValue>,
    issuer: Option<Arc<str>>,
    /// At most [`SUBJECT_BYTES`] and a few, so that the line shows that something was cut off.
    subject: SmallVec<[u8; 40]>,
}

/// How a request ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// It has not, or the client did not wait for it.
    Open,
    /// With the last byte of the answer.
    Whole,
    /// The upstream's body broke off.
    Broke(Box<str>),
}

impl Record {
    /// The record of a request that has just come.
    pub(super) fn new(
        connection: Rc<ConnectionContext>,
        snapshot: RequestSnapshot,
        head: &Parts,
        time: jiff::Timestamp,
    ) -> Self {
        let worker = &connection.worker;
        let facts = Facts {
            began: Instant::now(),
            id: worker.local.request_ids.fresh(),
            method: head.method.clone(),
            version: head.version,
            logged: worker.access_log.is_on().then(|| Logged {
                time,
                uri: head.uri.clone(),
                host: head.headers.get(header::HOST).cloned(),
                issuer: None,
                subject: SmallVec::new(),
            }),
            client: None,
            route: None,
            own: None,
            status: None,
            refusal: None,
            decided: None,
            upstream: None,
            upload: None,
            tunnel: None,
            bytes_out: 0,
            end: End::Open,
        };
        Self {
            connection,
            snapshot: Some(snapshot),
            facts: Box::new(facts),
        }
    }

    /// What the request is called.
    pub(super) fn id(&self) -> &RequestId {
        &self.facts.id
    }

    /// The decision has been made. Takes over the id that a trusted proxy sent.
    pub(super) fn decided(&mut self, given: Option<RequestId>) {
        self.snapshot = None;
        if let Some(id) = given {
            self.facts.id = id;
        }
        if self.facts.client_learns_times() {
            self.facts.decided = Some(self.facts.began.elapsed());
        }
    }

    /// The request has a body.
    pub(super) fn uploads(&mut self, upload: &Rc<Upload>) {
        self.facts.upload = Some(Rc::clone(upload));
    }

    /// No route has the request: the gateway answers it itself.
    pub(super) fn answers_itself(&mut self, metrics: Arc<RouteMetrics>) {
        self.facts.own = Some(metrics);
    }

    /// The upstream's answer began.
    pub(super) fn answered(&mut self, after: Duration) {
        self.facts.upstream = Some(after);
    }

    /// The answer is the upstream's; its fields tell the client what the log calls the request.
    pub(super) fn answer(&mut self, status: StatusCode, headers: &mut HeaderMap) {
        self.facts.status = Some(status);
        headers.insert(X_REQUEST_ID, self.facts.id.to_value());
        self.tell_times(headers);
    }

    /// Says in the answer how long it took, if this client may know.
    pub(super) fn tell_times(&self, headers: &mut HeaderMap) {
        if let Some(decide) = self.facts.decided {
            let times = Times {
                decide,
                upstream: self.facts.upstream,
                total: self.facts.began.elapsed(),
            };
            times.append_to(headers);
        }
    }

    /// The answer is a refusal.
    pub(super) fn refused(&mut self, status: StatusCode, rejection: Rejection) {
        self.facts.status = Some(status);
        self.facts.refusal = Some(rejection);
    }

    /// Bytes of the answer's body went to the client.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.facts.bytes_out += u64::try_from(bytes).unwrap_or(u64::MAX);
    }

    /// The client is asked to take more, or has taken it: a limit stands on the time between.
    pub(super) fn client_is_busy(&self, busy: bool) {
        if busy {
            self.connection.state.response_waits();
        } else {
            self.connection.state.response_goes_on();
        }
    }

    /// The answer is complete.
    pub(super) fn finish(mut self) {
        self.facts.end = End::Whole;
    }

    /// The upstream broke off in the middle of its body.
    pub(super) fn broke(mut self, error: &BodyError) {
        self.facts.end = End::Broke(error.to_string().into());
    }

    /// The answer was 101. However the tunnel ends, that is a whole answer.
    pub(super) fn upgraded(&mut self, traffic: &Rc<Traffic>) {
        self.facts.tunnel = Some(Rc::clone(traffic));
        self.facts.end = End::Whole;
    }
}

impl TokenObserver for Record {}

impl Observer for Record {
    fn client(&mut self, client: Client) {
        self.facts.client = Some(client);
    }

    fn route(&mut self, route: &Arc<Route>, _preflight: bool) {
        self.facts.route = Some(Arc::clone(route));
    }

    fn token(&mut self, issuer: usize, token: &VerifiedToken) {
        let Some(snapshot) = self.snapshot.as_deref() else {
            return;
        };
        if let Some(metrics) = snapshot.issuer_metrics.get(issuer) {
            metrics.accepted(self.connection.worker.id);
        }
        let Some(logged) = &mut self.facts.logged else {
            return;
        };
        let name = snapshot.issuers.get(issuer).map(|issuer| &issuer.name);
        logged.issuer = name.map(Arc::clone);
        if let Some(subject) = token.claims().text("sub") {
            let kept = subject.floor_char_boundary(SUBJECT_BYTES + 4);
            logged.subject = SmallVec::from_slice(&subject.as_bytes()[..kept]);
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let worker = &self.connection.worker;
        let facts = &self.facts;
        let duration = facts.began.elapsed();
        let metrics = match (&facts.route, &facts.own) {
            (Some(route), _) => &route.metrics,
            (None, Some(own)) => own,
            (None, None) => &worker.no_route,
        };
        metrics.finished(worker.id, &facts.method, facts.final_status(), duration);
        if let Some(rejection) = &facts.refusal {
            metrics.rejected(worker.id, rejection.reason.index());
        }
        facts.log(&worker.access_log, &self.connection, duration);
        self.connection.state.request_ended();
    }
}

impl Facts {
    /// Only routes that name clients look at the address, and at the clock once more.
    fn client_learns_times(&self) -> bool {
        match (&self.route, self.client) {
            (Some(route), Some(client)) => {
                let mut told = route.server_timing.iter();
                told.any(|network| network.contains(&client.address))
            }
            (None, _) | (_, None) => false,
        }
    }

    fn final_status(&self) -> u16 {
        match (&self.end, self.status) {
            (End::Whole | End::Broke(_), Some(status)) => status.as_u16(),
            (End::Open, _) | (_, None) => CLIENT_CLOSED_REQUEST,
        }
    }

    fn log(&self, log: &AccessLog, connection: &ConnectionContext, duration: Duration) {
        let Some(logged) = &self.logged else {
            return;
        };
        let (reason, detail) = self.cause();
        let (bytes_in, bytes_out) = self.bytes();
        log.add(&Entry {
            time: logged.time,
            request_id: self.id.as_str(),
            client: match self.client {
                Some(client) => client.address,
                // An IPv4 address is one, however the socket spells it.
                None => connection.peer.address.ip().to_canonical(),
            },
            method: self.method.as_str(),
            host: &host_of(&logged.uri, logged.host.as_ref()),
            path: logged.uri.path(),
            route: self.route_name(),
            status: self.final_status(),
            reason,
            detail: detail.as_deref(),
            issuer: logged.issuer.as_deref(),
            subject: std::str::from_utf8(&logged.subject)
                .ok()
                .filter(|subject| !subject.is_empty()),
            duration,
            upstream: self.upstream,
            bytes_in,
            bytes_out,
            version: version_name(self.version),
            tls: connection.peer.secure,
        });
    }

    fn route_name(&self) -> Option<&str> {
        match (&self.route, &self.own) {
            (Some(route), _) => Some(&route.name),
            (None, Some(_)) => Some(LOCAL_ISSUER_ROUTE),
            (None, None) => None,
        }
    }

    /// Bytes of bodies, from the client and to it.
    fn bytes(&self) -> (u64, u64) {
        match (&self.tunnel, &self.upload) {
            (Some(tunnel), _) => (tunnel.bytes_in(), tunnel.bytes_out()),
            (None, Some(upload)) => (upload.received(), self.bytes_out),
            (None, None) => (0, self.bytes_out),
        }
    }

    /// Why the request did not end well: the reason's name, and what only the log may say.
    fn cause(&self) -> (Option<&'static str>, Option<Cow<'_, str>>) {
        match (&self.refusal, &self.end) {
            (Some(rejection), _) => {
                let detail =
                    (rejection.detail != Detail::None).then(|| rejection.detail.to_string().into());
                (Some(rejection.reason.name()), detail)
            }
            (None, End::Broke(error)) => (
                Some(Reason::UpstreamFailed.name()),
                Some(error.as_ref().into()),
            ),
            (None, End::Open) => (None, Some("the client went away".into())),
            (None, End::Whole) => (None, None),
        }
    }
}

/// The host that was asked for: of the target, else of the `Host` field.
fn host_of<'h>(uri: &'h Uri, host: Option<&'h HeaderValue>) -> Cow<'h, str> {
    // Credentials may stand before the `@`.
    fn bare(text: &str) -> &str {
        text.rsplit('@').next().unwrap_or_default()
    }
    match (uri.authority().map(Authority::as_str), host) {
        (Some(authority), _) => bare(authority).into(),
        (None, Some(host)) => match String::from_utf8_lossy(host.as_bytes()) {
            Cow::Borrowed(host) => bare(host).into(),
            Cow::Owned(host) => bare(&host).to_owned().into(),
        },
        (None, None) => Cow::Borrowed(""),
    }
}

/// The version's number, as RFC 9110 §2.5 writes it.
fn version_name(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        // hyper hands over no other.
        _ => "1.1",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_the_targets_or_the_fields() {
        let field = HeaderValue::from_bytes(b"caf\xe9.test").unwrap();
        let credentials = HeaderValue::from_static("user:secret@api.test");
        let broken = HeaderValue::from_bytes(b"user:secret\xe9@api.test").unwrap();
        for (uri, field, host) in [
            ("/a", None, ""),
            ("/a", Some(&credentials), "api.test"),
            ("/a", Some(&broken), "api.test"),
            ("/a", Some(&field), "caf\u{fffd}.test"),
            ("http://api.test:81/a", Some(&field), "api.test:81"),
            ("http://user:secret@api.test/a", None, "api.test"),
        ] {
            assert_eq!(host_of(&Uri::from_static(uri), field), host, "{uri}");
        }
    }

    #[test]
    fn versions_are_numbers() {
        for (version, name) in [
            (Version::HTTP_10, "1.0"),
            (Version::HTTP_11, "1.1"),
            (Version::HTTP_2, "2"),
        ] {
            assert_eq!(version_name(version), name);
        }
    }
}
