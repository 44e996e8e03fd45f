//! The gateway as clients and upstreams see it: real sockets on port 0, a clock that stands still, and a client that
//! looks at every answer for what may not be in it.

mod balance;
mod claim_headers;
mod draining;
mod forgeries;
mod forwarding;
mod harness;
mod http2;
mod issuers;
mod keys;
mod limits;
mod local_issuer;
mod process;
mod raw_h2;
mod raw_http;
mod refusals;
mod reloading;
mod revocation;
mod server_timing;
mod serving;
mod spoofing;
mod streaming;
mod token_places;
mod upstream_faults;
mod watching;
mod websocket;
mod worker_faults;
