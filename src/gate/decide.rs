//! Target → route → strip → credentials → token → access → insert.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use http::request::Parts;

use crate::clock::UnixTime;
use crate::headers::{Client, Upgrade};
use crate::routing::Route;
use crate::snapshot::Snapshot;

use super::{Observer, Rejection};

/// A request's head, and where it came from.
pub struct Head {
    /// The head, as hyper read it; after a decision, as the upstream shall see it.
    pub parts: Parts,
    /// Who sent it.
    pub peer: Peer,
}

/// The other end of a client connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
    /// Whether the connection is TLS.
    pub secure: bool,
}

/// What a worker remembers from one decision to the next. The token cache has its place here.
#[derive(Default)]
pub struct WorkerMemory {}

/// The permit to forward one request. Only [`decide`] makes one.
pub struct Admission {
    route: Arc<Route>,
    client: Client,
    upgrade: Option<Upgrade>,
    path_and_query: Option<http::uri::PathAndQuery>,
    expires: Option<UnixTime>,
}

impl Admission {
    /// The route it is for.
    #[must_use]
    pub fn route(&self) -> &Arc<Route> {
        &self.route
    }
    /// Who asks.
    #[must_use]
    pub fn client(&self) -> IpAddr {
        self.client.address
    }
    /// The upgrade it asks for.
    #[must_use]
    pub fn upgrade(&self) -> Option<Upgrade> {
        self.upgrade
    }
    /// When the token that admitted it ends, leeway included: an upgraded connection ends then.
    #[must_use]
    pub fn expires(&self) -> Option<UnixTime> {
        self.expires
    }
    /// The target that the upstream gets, if `strip_prefix` changed it.
    #[must_use]
    pub fn path_and_query(&self) -> Option<&http::uri::PathAndQuery> {
        self.path_and_query.as_ref()
    }
}

/// Decides on one request, and edits its head into what the upstream shall see.
///
/// # Errors
/// The refusal; the head is then of no further use.
pub fn decide(
    _snapshot: &Snapshot,
    _memory: &mut WorkerMemory,
    _head: &mut Head,
    _now: UnixTime,
    _observer: &mut impl Observer,
) -> Result<Admission, Rejection> {
    todo!("gate: founder")
}
