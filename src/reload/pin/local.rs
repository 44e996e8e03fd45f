//! The store and the local issuer.

use crate::config::{Config, StoreConfig};

/// Puts the store back, and what of the local issuer is bound to it or known to others. `keep` hears what differs.
pub(super) fn pin(running: &Config, new: &mut Config, keep: &mut impl FnMut(&str, bool) -> bool) {
    if keep("[store]", !same_store(running, new)) {
        keep_store(running, new);
    }
    let url = |config: &Config| config.local_issuer.as_ref().map(|local| local.url.clone());
    match (url(running), url(new)) {
        // Who is to sign nobody in any longer signs nobody in.
        (None | Some(_), None) => {}
        (None, Some(_)) => {
            keep("[local_issuer]", true);
            remove(new);
        }
        (Some(old), Some(url)) => {
            if keep("[local_issuer] issuer", old != url) {
                keep_url(running, new);
            }
            let differs = !same_key(running, new);
            if keep("[local_issuer] encryption_key", differs) {
                keep_key(running, new);
            }
        }
    }
}

/// Whether both have the same store, wherever that is written.
fn same_store(a: &Config, b: &Config) -> bool {
    let settings = |store: &StoreConfig| (store.url.clone(), store.fail, store.stale_for);
    a.store.as_ref().map(settings) == b.store.as_ref().map(settings)
}

fn keep_store(running: &Config, new: &mut Config) {
    new.store.clone_from(&running.store);
    if new.store.is_none() {
        // What providers say could be written down nowhere.
        for issuer in &mut new.issuers {
            issuer.logout = None;
        }
    }
}

/// Its entry is the last of the issuers, so the others keep their places. A route that admits nobody else refuses all tokens.
fn remove(new: &mut Config) {
    let Some(local) = new.local_issuer.take() else {
        return;
    };
    new.issuers.truncate(local.issuer);
    for route in &mut new.routes {
        route.issuers.retain(|issuer| *issuer != local.issuer);
    }
}

fn keep_url(running: &Config, new: &mut Config) {
    if let (Some(old), Some(local)) = (&running.local_issuer, &mut new.local_issuer) {
        local.url.clone_from(&old.url);
        if let Some(issuer) = new.issuers.get_mut(local.issuer) {
            issuer.policy.issuer.clone_from(&old.url.text);
        }
    }
}

fn same_key(a: &Config, b: &Config) -> bool {
    let key = |config: &Config| Some(config.local_issuer.as_ref()?.encryption_key.clone());
    key(a) == key(b)
}

fn keep_key(running: &Config, new: &mut Config) {
    if let (Some(old), Some(local)) = (&running.local_issuer, &mut new.local_issuer) {
        local.encryption_key.clone_from(&old.encryption_key);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use crate::config::{BackChannelLogout, Environment, Keys, Place, parse};
    use crate::reload::pin::pin;
    use crate::reload::testing::{config, issuer};

    use super::*;

    /// With a local issuer at this URL, and a route for it.
    fn local(url: &str, more: &str) -> Config {
        let text = format!(
            "[local_issuer]\nissuer = \"{url}\"\naudience = \"a\"\n{more}\n[[routes]]\nname = \"r\"\npath = \"/\"\n\
             upstream = \"http://a\""
        );
        let (name, environment) = (Path::new("gateway.toml"), Environment::default());
        parse(&text, name, Path::new("/"), &environment).unwrap_or_else(|errors| panic!("{errors}"))
    }

    #[test]
    fn a_store_is_kept_whole_and_its_place_does_not_matter() {
        let old = local("https://a/auth", "[store]");
        for (more, differs) in [
            ("[store]\nfail = \"open\"", true),
            ("[store]\nstale_for = \"1m\"", true),
            ("[store]\nurl = \"sqlite:other.db\"", true),
            ("# further down\n\n[store]", false),
            // Implied.
            ("", false),
        ] {
            let mut new = local("https://a/auth", more);
            let said = pin(&old, &mut new);
            assert_eq!(said == ["[store]"], differs, "{said:?}");
            assert!(same_store(&old, &new));
        }
    }

    #[test]
    fn where_nothing_can_be_written_down_no_provider_is_heard() {
        let without = config();
        let mut new = without.clone();
        new.issuers = vec![issuer("corp", Keys::Public(Vec::new()))];
        new.issuers[0].logout = Some(BackChannelLogout {
            path: "/logout".into(),
            client_id: "portcullis".into(),
            place: Place::default(),
        });
        new.store = local("https://a", "").store;
        assert_eq!(pin(&new.clone(), &mut new), [""; 0]);
        assert!(new.issuers[0].logout.is_some());
        assert_eq!(pin(&without, &mut new), ["[store]"]);
        assert!(new.store.is_none() && new.issuers[0].logout.is_none());
    }

    #[test]
    fn a_local_issuer_keeps_its_url_and_key_and_changes_the_rest() {
        let key = |c: &str| format!("encryption_key = \"{}\"", c.repeat(32));
        let old = local("https://a/auth", &key("a"));
        let more = format!("{}\naccess_token = \"5m\"", key("b"));
        let mut new = local("https://a/other", &more);
        let said = pin(&old, &mut new);
        assert_eq!(
            said,
            ["[local_issuer] issuer", "[local_issuer] encryption_key"]
        );
        let was = old.local_issuer.as_ref().unwrap();
        let is = new.local_issuer.as_ref().unwrap();
        assert_eq!(is.url, was.url);
        assert_eq!(&*new.issuers[is.issuer].policy.issuer, "https://a/auth");
        assert_eq!(is.encryption_key, was.encryption_key);
        assert_eq!(is.access_token, Duration::from_mins(5));
        assert_eq!(pin(&old, &mut old.clone()), [""; 0]);
    }

    #[test]
    fn a_local_issuer_is_removed_at_once_and_added_by_a_restart() {
        let with = local("https://a/auth", "");
        let mut without = with.clone();
        remove(&mut without);
        assert!(without.issuers.is_empty() && without.routes[0].issuers.is_empty());
        let mut new = with.clone();
        assert_eq!(pin(&without, &mut new), ["[local_issuer]"]);
        assert!(new.local_issuer.is_none() && new.issuers.is_empty());
        assert!(new.routes[0].issuers.is_empty());
        let mut new = without.clone();
        assert_eq!(pin(&with, &mut new), [""; 0]);
        assert!(new.local_issuer.is_none());
        // What it has written stays where it is.
        new.store = None;
        assert_eq!(pin(&with, &mut new), ["[store]"]);
        assert!(new.store.is_some());
    }
}
