//! The local issuer over real sockets: sign in, call, refresh, list, end; cookies; revocation of its tokens and of those of
//! an external issuer; logout by an external provider; and a store that is away.
//!
//! The store has a clock of its own, the system's. So a gateway here stands at the present, until a test moves it.

mod attempts;
mod back_channel;
mod cookies;
mod endpoints;
mod revocation;
mod sessions;
mod store_away;

use super::harness::local::Local;
use super::harness::{GatewayBuilder, Upstream};

/// A gateway with the local issuer and `corp` on `/api`, and a public route `/open`.
fn builder(upstream: &Upstream) -> GatewayBuilder {
    GatewayBuilder::new(upstream)
        .route("/api", "issuers = [\"local\", \"corp\"]")
        .route("/open", "auth = \"none\"")
}

/// The same, started, with the user `alice`.
fn with_alice(upstream: &Upstream) -> Local {
    let local = Local::start(builder(upstream));
    local.user("alice");
    local
}
