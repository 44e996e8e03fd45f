//! Every default, with its reason. `tests/documents.rs` holds gateway.toml to them.

use std::time::Duration;

/// `[server] listen`: every IPv4 interface, on the port that people try for TLS without privileges.
pub(super) const LISTEN: &str = "0.0.0.0:8443";

/// `[server] realm`: what challenges name. It tells a client nothing that it could use.
pub(super) const REALM: &str = "portcullis";

/// `[server] strip`: whatever an upstream might believe of who is asking, even where no claim header has that name.
pub(super) const STRIP: &[&str] = &["X-Auth-*"];

/// Verified tokens of all workers together: 64 MiB, which holds some 30,000 tokens of 1 KiB with their claims.
pub(super) const TOKEN_CACHE: u64 = 64 << 20;

/// Least `token_cache`: 64 KiB. Whether it suffices for the workers is looked at as well.
pub(super) const LEAST_TOKEN_CACHE: u64 = 64 << 10;

/// Most `token_cache`: 1 TiB. Beyond it someone has mistaken the unit.
pub(super) const MOST_TOKEN_CACHE: u64 = 1 << 40;

/// Client connections: 10,000.
///
/// One in use costs some 30 KB with TLS, 25 KB without, so this is 300 MB: what a small container has. An idle one costs
/// 12 KB with TLS, 4 KB without, over HTTP/2 48 KB (benches/idle/run).
pub(super) const CONNECTIONS: usize = 10_000;

/// Bytes of a request head: 64 KiB.
///
/// Tokens of providers with many roles pass 16 KiB; four times that leaves room for cookies.
pub(super) const HEADER_BYTES: u64 = 64 << 10;

/// Fields of a request head: 100, up to which hyper parses without allocating.
pub(super) const HEADER_COUNT: usize = 100;

/// From the first byte of a head to its last: 10 s.
///
/// Longer serves only slow-header attacks; shorter cuts off phones that change cells.
pub(super) const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// Between requests of a connection: 75 s, above the 60 s after which most load balancers give up, so that it is
/// they who close: the other order loses requests.
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_secs(75);

/// TLS handshake: 10 s, as long as a head may take.
pub(super) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Between two parts of a request body: 30 s, after which no one is sending any more.
pub(super) const BODY_IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// While a client takes nothing of a response: 30 s.
pub(super) const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// Concurrent streams of an HTTP/2 connection: 100, the least that RFC 9113 §6.5.2 recommends.
pub(super) const STREAMS: usize = 100;

/// Bytes of a token: 16 KiB, above what providers issue and below `header_bytes`.
pub(super) const TOKEN_BYTES: u64 = 16 << 10;

/// Wrong signatures of one client that a worker looks at in a second: 20.
///
/// Whoever holds a token that was signed is never charged, so this is for forgers alone, and for an office behind one
/// address whose issuer has mixed up its keys.
pub(super) const BAD_SIGNATURES_PER_CLIENT: usize = 20;

/// Wrong signatures of all clients that a worker looks at in a second: 2,000. At 50 µs each, a tenth of a core.
pub(super) const BAD_SIGNATURES_PER_WORKER: usize = 2_000;

/// Most of both: more than a core can check.
pub(super) const MOST_BAD_SIGNATURES: usize = 1_000_000;

/// While nothing passes through an upgraded connection: 1 h. WebSocket applications ping within minutes.
pub(super) const UPGRADE_IDLE_TIMEOUT: Duration = Duration::from_hours(1);

/// From TERM to closed listeners: nothing. Kubernetes needs 5 s, for its endpoints to spread.
pub(super) const DRAIN_DELAY: Duration = Duration::ZERO;

/// From closed listeners to the end: 30 s, what Kubernetes waits before it kills.
pub(super) const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

/// `[admin] listen`: this machine only.
pub(super) const ADMIN_LISTEN: &str = "127.0.0.1:8081";

/// `[log] access`: a gateway that refuses without a line is hard to live with.
pub(super) const LOG_ACCESS: bool = true;

/// Clock skew that is forgiven: 30 s. Machines with NTP differ by less than one.
pub(super) const LEEWAY: Duration = Duration::from_secs(30);

/// Most leeway that can be set: 5 min. A clock that is further off needs repair, not patience.
pub(super) const MOST_LEEWAY: Duration = Duration::from_mins(5);

/// Which claim holds the audience (RFC 7519 §4.1.3).
pub(super) const AUDIENCE_CLAIM: &str = "aud";

/// Accepted `typ` values: that of access tokens (RFC 9068 §2.1), and the one that most providers still write.
pub(super) const TOKEN_TYPES: &[&str] = &["at+jwt", "JWT"];

/// Name, TCP and TLS of an upstream together: 3 s, one lost SYN and its repetition.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// From the end of a request to the head of its response: 30 s.
pub(super) const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);

/// An idle upstream connection is kept for 4 s: below the 5 s after which Node.js servers close theirs.
pub(super) const UPSTREAM_IDLE_TIMEOUT: Duration = Duration::from_secs(4);

/// Most idle connections of one worker to one address: 64, what a worker has in flight on a busy day.
pub(super) const MAX_IDLE: usize = 64;

/// Longest of all timeouts: 30 days. Beyond it someone has mistaken the unit.
pub(super) const MOST_TIMEOUT: Duration = Duration::from_hours(30 * 24);

/// Shortest of all timeouts but those that may be nothing: below it no one could answer.
pub(super) const LEAST_TIMEOUT: Duration = Duration::from_millis(1);

/// Least `header_bytes`: hyper's buffer cannot be smaller than 8 KiB.
pub(super) const LEAST_HEADER_BYTES: u64 = 8 << 10;

/// Most `header_bytes`: 16 MiB. Each connection may hold that much.
pub(super) const MOST_HEADER_BYTES: u64 = 16 << 20;

/// Most workers: more than any machine has cores.
pub(super) const MOST_WORKERS: usize = 1024;

/// Fewest bytes of the admin token: 16, past guessing.
pub(super) const LEAST_ADMIN_TOKEN_BYTES: usize = 16;

/// Longest `max_lifetime`: 366 days. What lives longer is not a token but a password.
pub(super) const MOST_LIFETIME: Duration = Duration::from_hours(366 * 24);

/// `[issuers.refresh] interval`: 5 min, within which a key that the provider has withdrawn stops working. Providers publish
/// a new key hours before its use; what they do not, `unknown_kid_gap` catches.
pub(super) const KEY_INTERVAL: Duration = Duration::from_mins(5);

/// Longest `interval`: a day. For longer a withdrawn key would be believed.
pub(super) const MOST_KEY_INTERVAL: Duration = Duration::from_hours(24);

/// `[issuers.refresh] unknown_kid_gap`: 15 s. So long a token under a new key may be refused, and so often at most whoever
/// makes up `kid`s can make the gateway ask.
pub(super) const UNKNOWN_KID_GAP: Duration = Duration::from_secs(15);

/// Longest `unknown_kid_gap`: 1 h.
pub(super) const MOST_UNKNOWN_KID_GAP: Duration = Duration::from_hours(1);

/// `[issuers.refresh] stale_for`: 24 h, so that an outage over night is seen by people before it is seen by clients.
pub(super) const KEYS_STALE_FOR: Duration = Duration::from_hours(24);

/// Longest `stale_for`: 30 days.
pub(super) const MOST_KEYS_STALE_FOR: Duration = Duration::from_hours(30 * 24);

/// Shortest of these times: 1 s, as often as the refresher looks at the clock.
pub(super) const LEAST_KEY_TIME: Duration = Duration::from_secs(1);

/// `[store] url`: a file of the state directory, which asks for no server.
pub(super) const STORE_URL: &str = "sqlite:portcullis.db";

/// The file of [`STORE_URL`].
pub(super) const STORE_FILE: &str = "portcullis.db";

/// `[store] stale_for`: 10 min, which a database needs for a restart or a failover. So long a revocation may go unheard.
pub(super) const STORE_STALE_FOR: Duration = Duration::from_mins(10);

/// Shortest `[store] stale_for`: 10 s, many of the intervals at which the store is asked.
pub(super) const LEAST_STORE_STALE_FOR: Duration = Duration::from_secs(10);

/// Longest `[store] stale_for`: a day. For longer a revocation would mean nothing.
pub(super) const MOST_STORE_STALE_FOR: Duration = Duration::from_hours(24);

/// `[local_issuer] signing`: small, fast to check, and known to every library of today.
pub(super) const SIGNING: &str = "EdDSA";

/// `[local_issuer] signing rotate`: 30 days. Whoever has stolen a key can use it no longer.
pub(super) const ROTATE: Duration = Duration::from_hours(30 * 24);

/// Shortest `rotate`: a day, the longest that a token of the key before may live.
pub(super) const LEAST_ROTATE: Duration = Duration::from_hours(24);

/// Longest `rotate`: 365 days.
pub(super) const MOST_ROTATE: Duration = Duration::from_hours(365 * 24);

/// `[local_issuer] access_token`: 15 min, after which roles and scopes are looked up again.
pub(super) const ACCESS_TOKEN: Duration = Duration::from_mins(15);

/// Shortest `access_token`: 1 min. Below it clients do nothing but refresh.
pub(super) const LEAST_ACCESS_TOKEN: Duration = Duration::from_mins(1);

/// Longest `access_token`: a day, which is the `max_lifetime` of the local issuer.
pub(super) const MOST_ACCESS_TOKEN: Duration = Duration::from_hours(24);

/// `[local_issuer] refresh_token`: 7 days without use, so that a weekend asks nobody to sign in again.
pub(super) const REFRESH_TOKEN: Duration = Duration::from_hours(7 * 24);

/// Shortest `refresh_token`: 5 min.
pub(super) const LEAST_REFRESH_TOKEN: Duration = Duration::from_mins(5);

/// Longest `refresh_token`: 90 days.
pub(super) const MOST_REFRESH_TOKEN: Duration = Duration::from_hours(90 * 24);

/// `[local_issuer] session`: 30 days, then the password is asked for whatever was refreshed.
pub(super) const SESSION: Duration = Duration::from_hours(30 * 24);

/// Longest `session`: 365 days.
pub(super) const MOST_SESSION: Duration = Duration::from_hours(365 * 24);

/// Fewest bytes of `encryption_key`: 32, what AES-256 has.
pub(super) const LEAST_ENCRYPTION_KEY_BYTES: usize = 32;
