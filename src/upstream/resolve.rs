//! Names become addresses again as they age, on the control runtime.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use rustls::pki_types::ServerName;

use crate::config::UpstreamUrl;

use super::{Address, Upstream};

/// What the names of an upstream resolved to. An address in a URL stands for itself.
pub(super) struct Names {
    all: Vec<Name>,
    /// When the last resolution ended.
    resolved: Option<Instant>,
}

struct Name {
    url: UpstreamUrl,
    certified: Option<ServerName<'static>>,
    /// Whether it is an address, which never changes.
    literal: bool,
    sockets: Vec<SocketAddr>,
    /// Why the last look-up found nothing: logged once when it begins, and once when it ends.
    failing: Option<String>,
}

impl Names {
    /// Addresses resolve at once, names when someone asks.
    pub(super) fn new(urls: &[UpstreamUrl]) -> Self {
        let all = urls.iter().map(Name::new).collect();
        Self {
            all,
            resolved: None,
        }
    }

    /// The addresses of all URLs, each once. Those in `present` are kept as they are.
    pub(super) fn addresses(&self, present: &[Arc<Address>], now: Instant) -> Vec<Arc<Address>> {
        let mut addresses: Vec<Arc<Address>> = Vec::new();
        for name in &self.all {
            for &socket in &name.sockets {
                let same = |one: &&Arc<Address>| one.socket == socket && one.url == name.url;
                if addresses.iter().any(|one| same(&one)) {
                    continue;
                }
                addresses.push(present.iter().find(same).cloned().unwrap_or_else(|| {
                    Address::new(name.url.clone(), socket, name.certified.clone(), now)
                }));
            }
        }
        addresses
    }

    /// Whether the names are to be looked up again.
    fn due(&self, upstream: &Upstream, now: Instant) -> bool {
        if self.all.iter().all(|name| name.literal) {
            return false;
        }
        let Some(resolved) = self.resolved else {
            return true;
        };
        let age = if upstream.doubted.load(Ordering::Relaxed) {
            AGE_IN_DOUBT
        } else if upstream.used.load(Ordering::Relaxed) {
            AGE_IN_USE
        } else {
            AGE_UNUSED
        };
        now.saturating_duration_since(resolved) >= age
    }

    fn problem(&self) -> String {
        let problems: Vec<&str> = self
            .all
            .iter()
            .filter_map(|name| name.failing.as_deref())
            .collect();
        problems.join("; ")
    }
}

impl Name {
    fn new(url: &UpstreamUrl) -> Self {
        let literal = url.host.parse::<IpAddr>().ok();
        // The configuration has checked the host. A name that no certificate can have fails the handshake.
        let certified = url
            .tls
            .then(|| ServerName::try_from(url.host.to_string()).ok())
            .flatten();
        Self {
            url: url.clone(),
            certified,
            literal: literal.is_some(),
            sockets: literal
                .map(|address| SocketAddr::new(address, url.port))
                .into_iter()
                .collect(),
            failing: None,
        }
    }

    /// Looks the name up. One that does not resolve keeps what it had.
    async fn look_up(&mut self, upstream: &str) {
        if self.literal {
            return;
        }
        let sockets = match found(&self.url.host, self.url.port).await {
            Ok(sockets) => sockets,
            Err(problem) => return self.fail(upstream, &problem),
        };
        if self.failing.take().is_some() || self.sockets != sockets {
            let host = &self.url.host;
            tracing::info!(upstream, name = %host, addresses = ?sockets, "upstream name resolved");
            self.sockets = sockets;
        }
    }

    fn fail(&mut self, upstream: &str, problem: &str) {
        let host = &self.url.host;
        if self.failing.is_none() {
            tracing::warn!(upstream, name = %host, error = problem, "upstream name does not resolve");
        }
        self.failing = Some(format!("{host}: {problem}"));
    }
}

/// The addresses of a name, in order.
///
/// # Errors
/// What is wrong, in a text for the log.
async fn found(host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    let look_up = tokio::net::lookup_host((host, port));
    let found = tokio::time::timeout(LOOK_UP, look_up)
        .await
        .map_err(|_| "the look-up took too long".to_owned())?
        .map_err(|error| error.to_string())?;
    let mut sockets: Vec<SocketAddr> = found.collect();
    if sockets.is_empty() {
        return Err("no address".to_owned());
    }
    sockets.sort_unstable();
    sockets.dedup();
    Ok(sockets)
}

/// Gives a new upstream the addresses that `previous` knows for the names of both: after a reload no request waits for a
/// name, or fails because it does not resolve just now. They are looked up again all the same.
///
/// The addresses themselves are new ones: connections are kept by them, and were made with the old settings.
pub fn take_over_addresses(upstream: &Upstream, previous: &Upstream) {
    // Nobody else has a new upstream, so nobody holds its lock. The other's may be held for a whole look-up; what it
    // published is enough.
    let Ok(mut names) = upstream.names.try_lock() else {
        return;
    };
    let known = previous.present.load();
    for name in names.all.iter_mut().filter(|name| !name.literal) {
        let same = known.iter().filter(|address| address.url == name.url);
        name.sockets = same.map(|address| address.socket).collect();
    }
    let addresses = names.addresses(&[], Instant::now());
    upstream.present.store(Arc::new(addresses));
}

/// Resolves the names of an upstream that are older than a few seconds. Answers when all that was due is done; a name
/// that does not resolve keeps its old addresses.
pub async fn refresh_addresses(upstream: &Arc<Upstream>) {
    // Whoever holds the lock is resolving right now.
    if let Ok(mut names) = upstream.names.try_lock()
        && names.due(upstream, Instant::now())
    {
        resolve(upstream, &mut names).await;
    }
}

/// For a request that came before the first resolution: the first to ask resolves, the others wait for it.
///
/// # Errors
/// What is wrong with the names, in a text for the log.
pub(super) async fn first_addresses(upstream: &Upstream) -> Result<(), String> {
    let mut names = upstream.names.lock().await;
    let just_failed = names
        .resolved
        .is_some_and(|resolved| resolved.elapsed() < AGE_IN_DOUBT);
    if upstream.present.load().is_empty() && !just_failed {
        resolve(upstream, &mut names).await;
    }
    if upstream.present.load().is_empty() {
        return Err(names.problem());
    }
    Ok(())
}

async fn resolve(upstream: &Upstream, names: &mut Names) {
    let label: &str = &upstream.config.name;
    join_all(names.all.iter_mut().map(|name| name.look_up(label))).await;
    upstream.used.store(false, Ordering::Relaxed);
    upstream.doubted.store(false, Ordering::Relaxed);
    let now = Instant::now();
    names.resolved = Some(now);
    let present = upstream.present.load_full();
    let addresses = names.addresses(&present, now);
    let same = addresses.len() == present.len()
        && addresses
            .iter()
            .zip(present.iter())
            .all(|(new, old)| new.id == old.id);
    if !same {
        upstream.present.store(Arc::new(addresses));
    }
}

/// A name that requests use is looked up this often: a scaled service is found within seconds.
const AGE_IN_USE: Duration = Duration::from_secs(5);

/// A name that no request uses: its first request should still find a server.
const AGE_UNUSED: Duration = Duration::from_mins(1);

/// After a connect failed, or a look-up: the addresses may be gone.
const AGE_IN_DOUBT: Duration = Duration::from_secs(1);

/// Longest look-up. The system's resolver gives up on one server after 5 s by default.
const LOOK_UP: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::super::testing::{upstream_at, upstream_of};
    use super::*;

    fn url(host: &str, port: u16) -> UpstreamUrl {
        UpstreamUrl {
            tls: false,
            host: host.into(),
            port,
        }
    }

    #[test]
    fn addresses_stand_for_themselves_and_double_ones_count_once() {
        let names = Names::new(&[
            url("127.0.0.1", 80),
            url("::1", 80),
            url("127.0.0.1", 80),
            url("name.test", 80),
        ]);
        let addresses = names.addresses(&[], Instant::now());
        let shown: Vec<String> = addresses.iter().map(|one| one.socket.to_string()).collect();
        assert_eq!(shown, ["127.0.0.1:80", "[::1]:80"]);
    }

    #[tokio::test]
    async fn a_name_is_resolved_and_an_address_keeps_its_identity() {
        let upstream = upstream_of(&[url("localhost", 8080), url("127.0.0.9", 1)], |_| {});
        assert_eq!(upstream.present.load().len(), 1);
        refresh_addresses(&upstream).await;
        let first = upstream.present.load_full();
        assert!(first.len() >= 2, "localhost has an address");
        assert!(first.iter().all(|one| one.socket.ip().is_loopback()));

        upstream.names.lock().await.resolved = None;
        refresh_addresses(&upstream).await;
        let second = upstream.present.load_full();
        assert!(
            Arc::ptr_eq(&first, &second),
            "nothing changed, nothing is published"
        );

        // A server that went away: the others keep what was counted for them.
        let mut names = upstream.names.lock().await;
        names.all[0]
            .sockets
            .push("127.0.0.8:8080".parse().expect("an address"));
        let more = names.addresses(&second, Instant::now());
        assert_eq!(more.len(), second.len() + 1);
        assert!(
            second
                .iter()
                .all(|old| more.iter().any(|new| new.id == old.id))
        );
    }

    #[tokio::test]
    async fn a_name_that_does_not_resolve_keeps_its_old_addresses() {
        let upstream = upstream_of(&[url("does-not-exist.invalid", 80)], |_| {});
        assert!(
            first_addresses(&upstream)
                .await
                .expect_err("no address")
                .contains("invalid")
        );
        let old: SocketAddr = "127.0.0.8:80".parse().expect("an address");
        {
            let mut names = upstream.names.lock().await;
            names.all[0].sockets = vec![old];
            names.resolved = None;
        }
        refresh_addresses(&upstream).await;
        assert_eq!(upstream.present.load()[0].socket, old);
        assert!(upstream.names.lock().await.all[0].failing.is_some());
    }

    #[tokio::test]
    async fn a_new_upstream_has_the_addresses_of_the_one_before() {
        let old: SocketAddr = "127.0.0.8:80".parse().expect("an address");
        let gone = url("does-not-exist.invalid", 80);
        let previous = upstream_of(std::slice::from_ref(&gone), |_| {});
        {
            let mut names = previous.names.lock().await;
            names.all[0].sockets = vec![old];
            let addresses = names.addresses(&[], Instant::now());
            previous.present.store(Arc::new(addresses));
        }
        let urls = [gone, url("other.invalid", 80), url("127.0.0.9", 1)];
        let upstream = upstream_of(&urls, |_| {});
        // Also while the old one is resolving.
        let _resolving = previous.names.lock().await;
        take_over_addresses(&upstream, &previous);
        let present = upstream.present.load_full();
        let sockets: Vec<String> = present.iter().map(|one| one.socket.to_string()).collect();
        assert_eq!(sockets, ["127.0.0.8:80", "127.0.0.9:1"]);
        // Connections are kept by the id of an address, and these were made with other settings.
        assert_ne!(present[0].id, previous.present.load()[0].id);
        assert!(upstream.names.lock().await.due(&upstream, Instant::now()));
    }

    #[test]
    fn names_age_by_use_and_addresses_never() {
        let now = Instant::now();
        let upstream = upstream_of(&[url("localhost", 80)], |_| {});
        let mut names = upstream.names.try_lock().expect("nobody resolves");
        assert!(names.due(&upstream, now), "never resolved");
        names.resolved = Some(now);
        let after = |seconds| now + Duration::from_secs(seconds);
        assert!(!names.due(&upstream, after(59)));
        assert!(names.due(&upstream, after(60)));
        upstream.note_use();
        assert!(!names.due(&upstream, after(4)));
        assert!(names.due(&upstream, after(5)));
        upstream.note_doubt();
        assert!(!names.due(&upstream, now));
        assert!(names.due(&upstream, after(1)));

        let upstream = upstream_at(&["127.0.0.1:80".parse().expect("an address")]);
        let names = upstream.names.try_lock().expect("nobody resolves");
        assert!(!names.due(&upstream, after(3600)));
    }
}
