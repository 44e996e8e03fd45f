//! Requests that no route gets, because the gateway answers them itself.

use std::sync::Arc;

use crate::headers::{self, Client};
use crate::metrics::RouteMetrics;
use crate::snapshot::{Endpoint, Snapshot};

use super::decide::is_too_large;
use super::{Head, Observer, Reason, Rejection};

/// A request for one of the gateway's own endpoints.
#[derive(Debug)]
pub struct OwnRequest {
    /// Which one.
    pub endpoint: Endpoint,
    /// Who asks.
    pub client: Client,
    /// What counts it.
    pub metrics: Arc<RouteMetrics>,
}

/// Whether a request is for one of the gateway's own endpoints: they come before every route.
///
/// Its fields stay as they are. What it may do is for the endpoint to say.
///
/// # Errors
/// A head over the limits.
#[inline]
pub fn own_request(
    snapshot: &Snapshot,
    head: &Head,
    observer: &mut impl Observer,
) -> Result<Option<OwnRequest>, Rejection> {
    let Some((endpoint, metrics)) = snapshot.endpoints.find(&head.parts) else {
        return Ok(None);
    };
    let client = headers::client_of(
        head.peer.address,
        head.peer.secure,
        &head.parts.headers,
        &snapshot.trusted_proxies,
    );
    observer.client(client);
    if is_too_large(&head.parts, &snapshot.limits) {
        return Err(Rejection::new(Reason::HeadTooLarge));
    }
    Ok(Some(OwnRequest {
        endpoint,
        client,
        metrics: Arc::clone(metrics),
    }))
}
