//! Settings that only a restart can change: a reload keeps their old values, and says so.

use crate::config::Config;

mod local;

/// Puts the values of the running configuration back where a reload cannot change them. Says what a restart would
/// change.
pub(super) fn pin(running: &Config, new: &mut Config) -> Vec<String> {
    let mut needs_restart = Vec::new();
    let mut keep = |name: &str, differs: bool| {
        if differs {
            needs_restart.push(name.to_owned());
        }
        differs
    };
    let (old, server) = (&running.server, &mut new.server);
    if keep("[server] listen", old.listen != server.listen) {
        server.listen.clone_from(&old.listen);
    }
    if keep("[server] workers", old.workers != server.workers) {
        server.workers = old.workers;
    }
    if keep("[server] tls", old.tls.is_some() != server.tls.is_some()) {
        server.tls.clone_from(&old.tls);
    }
    // With the address goes who may ask: an open listener was checked for its own address only.
    if keep("[admin] listen", running.admin.listen != new.admin.listen) {
        new.admin.clone_from(&running.admin);
    }
    if keep("[log]", running.log != new.log) {
        new.log.clone_from(&running.log);
    }
    local::pin(running, new, &mut keep);
    let differs = running.state_directory != new.state_directory;
    if keep("the state directory", differs) {
        new.state_directory.clone_from(&running.state_directory);
    }
    needs_restart
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use crate::config::{AdminAccess, Certificates, Place, StoreConfig, StoreFailure, StoreUrl};
    use crate::reload::testing::config;
    use crate::secret::Secret;

    use super::*;

    type Change = fn(&mut Config);

    fn pinned(change: impl FnOnce(&mut Config)) -> (Config, Vec<String>) {
        let mut new = config();
        change(&mut new);
        let needs_restart = pin(&config(), &mut new);
        (new, needs_restart)
    }

    #[test]
    fn what_needs_a_restart_is_said_and_kept() {
        let old = config();
        let cases: [(&str, Change); 7] = [
            ("[server] listen", |c| {
                c.server.listen = vec!["[::1]:9".parse().unwrap()];
            }),
            ("[server] workers", |c| {
                c.server.workers = NonZeroUsize::new(9).unwrap();
            }),
            ("[server] tls", |c| {
                c.server.tls = Some(Certificates::Files(vec![]));
            }),
            ("[admin] listen", |c| c.admin.listen = None),
            ("[log]", |c| c.log.access = !c.log.access),
            ("[store]", |c| {
                c.store = Some(StoreConfig {
                    place: Place::default(),
                    url: StoreUrl::Sqlite("x".into()),
                    fail: StoreFailure::Closed,
                    stale_for: std::time::Duration::from_secs(10),
                });
            }),
            ("the state directory", |c| c.state_directory = "x".into()),
        ];
        for (name, change) in cases {
            let (new, needs_restart) = pinned(change);
            assert_eq!(needs_restart, [name]);
            assert_eq!(new.server, old.server);
            assert_eq!(new.admin, old.admin);
            assert_eq!(new.log, old.log);
            assert_eq!(new.store, old.store);
            assert_eq!(new.state_directory, old.state_directory);
        }
    }

    #[test]
    fn an_admin_listener_that_stays_never_opens_up() {
        let mut running = config();
        running.admin.listen = Some("10.0.0.1:8081".parse().unwrap());
        running.admin.access = AdminAccess::Token(Secret::new(b"token".to_vec()));
        let mut new = config();
        assert_eq!(new.admin.access, AdminAccess::Loopback);
        assert_eq!(pin(&running, &mut new), ["[admin] listen"]);
        assert_eq!(new.admin, running.admin);
    }

    #[test]
    fn the_rest_is_taken_over() {
        let token = AdminAccess::Token(Secret::new(b"token".to_vec()));
        let (new, needs_restart) = pinned(|c| {
            c.server.limits.connections = 1;
            c.server.realm = "new".into();
            c.admin.access = token.clone();
        });
        assert!(needs_restart.is_empty());
        assert_eq!(new.server.limits.connections, 1);
        assert_eq!(&*new.server.realm, "new");
        assert_eq!(new.admin.access, token);
    }
}
