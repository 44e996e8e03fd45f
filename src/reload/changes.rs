//! What differs between two snapshots, in words for an operator.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::config::{
    self, AdminAccess, Certificates, Config, KeySource, Keys as Sources, LOCAL_ISSUER, Limits,
    LocalIssuer, Place,
};
use crate::jwt::KeySet;
use crate::snapshot::Snapshot;

use super::contents::{Contents, Digest};

/// Most keys of an issuer that are named.
const NAMED: usize = 20;

/// What of a snapshot can be told apart.
#[derive(Debug, Default)]
pub(super) struct View {
    routes: BTreeMap<String, String>,
    upstreams: BTreeMap<String, String>,
    issuers: BTreeMap<String, String>,
    keys: BTreeMap<String, Keys>,
    certificates: BTreeMap<String, Option<Digest>>,
    settings: BTreeMap<&'static str, String>,
    admin_access: Option<AdminAccess>,
}

/// The keys of an issuer: thumbprints by kid, or by thumbprint where there is no kid.
type Keys = BTreeMap<String, BTreeSet<Digest>>;

impl View {
    /// Of a snapshot and what its files held.
    pub(super) fn of(snapshot: &Snapshot, contents: &Contents) -> Self {
        let mut view = Self::of_config(&snapshot.config, contents);
        view.see_keys(snapshot);
        view
    }

    /// Takes the keys of a snapshot that differs in nothing else.
    pub(super) fn see_keys(&mut self, snapshot: &Snapshot) {
        let issuers = snapshot.issuers.iter();
        self.keys = issuers
            .map(|issuer| (issuer.name.to_string(), labels(&issuer.keys)))
            .collect();
    }

    fn of_config(config: &Config, contents: &Contents) -> Self {
        let routes = config.routes.iter();
        let upstreams = config.upstreams.iter();
        let issuers = config.issuers.iter();
        let mut view = Self {
            routes: routes
                .map(|route| (route.name.to_string(), route_text(route, config)))
                .collect(),
            upstreams: upstreams
                .map(|up| (up.name.to_string(), upstream_text(up, contents)))
                .collect(),
            issuers: issuers
                .map(|issuer| (issuer.name.to_string(), issuer_text(issuer, contents)))
                .collect(),
            keys: BTreeMap::new(),
            certificates: certificates(config, contents),
            settings: settings(config),
            admin_access: Some(config.admin.access.clone()),
        };
        if let Some(local) = &config.local_issuer {
            let text = view.issuers.entry(LOCAL_ISSUER.to_owned()).or_default();
            text.push_str(&local_text(local));
        }
        view
    }

    /// What is different in `new`.
    pub(super) fn changes(&self, new: &Self) -> Vec<String> {
        let mut changes = Vec::new();
        compare("route", &self.routes, &new.routes, &mut changes);
        compare("issuer", &self.issuers, &new.issuers, &mut changes);
        let none = Keys::new();
        for (issuer, keys) in &new.keys {
            if let Some(text) = label_changes(self.keys.get(issuer).unwrap_or(&none), keys) {
                changes.push(format!("keys of issuer {issuer:?}: {text}"));
            }
        }
        compare("upstream", &self.upstreams, &new.upstreams, &mut changes);
        compare(
            "certificate",
            &self.certificates,
            &new.certificates,
            &mut changes,
        );
        for (name, value) in &new.settings {
            match self.settings.get(name) {
                Some(old) if old != value => {
                    changes.push(format!("{name} changed from {old} to {value}"));
                }
                Some(_) | None => {}
            }
        }
        if self.admin_access != new.admin_access {
            changes.push("access to the admin listener changed".to_owned());
        }
        changes
    }
}

/// Lines for what was added, removed and changed, by name.
fn compare<V: PartialEq>(
    kind: &str,
    old: &BTreeMap<String, V>,
    new: &BTreeMap<String, V>,
    changes: &mut Vec<String>,
) {
    for name in old.keys().filter(|name| !new.contains_key(*name)) {
        changes.push(format!("{kind} {name:?} removed"));
    }
    for (name, value) in new {
        match old.get(name) {
            None => changes.push(format!("{kind} {name:?} added")),
            Some(before) if before != value => changes.push(format!("{kind} {name:?} changed")),
            Some(_) => {}
        }
    }
}

/// What of the keys of an issuer is different in `new`.
pub(super) fn key_changes(old: &KeySet, new: &KeySet) -> Option<String> {
    label_changes(&labels(old), &labels(new))
}

fn labels(keys: &KeySet) -> Keys {
    by_label(keys.iter().map(|key| (key.kid(), *key.thumbprint())))
}

fn label_changes(old: &Keys, new: &Keys) -> Option<String> {
    let mut texts = Vec::new();
    for (label, thumbprints) in new {
        match old.get(label) {
            None => texts.push(format!("{label} added")),
            Some(before) if before != thumbprints => texts.push(format!("{label} replaced")),
            Some(_) => {}
        }
    }
    for label in old.keys().filter(|label| !new.contains_key(*label)) {
        texts.push(format!("{label} removed"));
    }
    if texts.len() > NAMED {
        let more = texts.len() - NAMED;
        texts.truncate(NAMED);
        texts.push(format!("and {more} more"));
    }
    (!texts.is_empty()).then(|| texts.join(", "))
}

fn by_label<'k>(all: impl Iterator<Item = (Option<&'k str>, Digest)>) -> Keys {
    let mut keys = Keys::new();
    for (kid, thumbprint) in all {
        // A provider names its keys as it likes: on one line.
        let named = |kid: &str| kid.escape_debug().to_string();
        let label = kid.map_or_else(|| URL_SAFE_NO_PAD.encode(thumbprint), named);
        keys.entry(label).or_default().insert(thumbprint);
    }
    keys
}

/// A route without its place, and with names where it holds indexes: moving it in the file changes nothing.
fn route_text(route: &config::Route, config: &Config) -> String {
    let upstream = config.upstreams.get(route.upstream).map(|up| &up.name);
    let issuers = route.issuers.iter();
    let issuers: Vec<_> = issuers
        .map(|index| config.issuers.get(*index).map(|issuer| &issuer.name))
        .collect();
    let mut bare = route.clone();
    bare.place = Place::default();
    bare.upstream = 0;
    bare.issuers = Vec::new();
    format!("{bare:?} {upstream:?} {issuers:?}")
}

/// An upstream without its place, and with what its CA file holds.
fn upstream_text(upstream: &config::Upstream, contents: &Contents) -> String {
    let ca = upstream.ca.as_ref().and_then(|file| contents.of(file));
    let mut bare = upstream.clone();
    bare.place = Place::default();
    format!("{bare:?} {ca:?}")
}

/// An issuer's settings, with what the CA files of its sources hold; a secret does not print, and shows as a key.
fn issuer_text(issuer: &config::Issuer, contents: &Contents) -> String {
    let roots = issuer.keys.remote().filter_map(|remote| remote.ca.as_ref());
    let roots: Vec<_> = roots.map(|file| contents.of(file)).collect();
    let mut keys = issuer.keys.clone();
    if let Sources::Public(sources) = &mut keys {
        for source in sources {
            match source {
                KeySource::Remote(remote) => remote.place = Place::default(),
                KeySource::JwksFile(_) | KeySource::PemFiles(_) | KeySource::Store => {}
            }
        }
    }
    let logout = issuer.logout.as_ref();
    let logout = logout.map(|logout| (&logout.path, &logout.client_id));
    format!(
        "{:?} {keys:?} {:?} {roots:?} {logout:?}",
        issuer.policy, issuer.refresh
    )
}

/// What else is set of the local issuer; its secret needs a restart.
fn local_text(local: &LocalIssuer) -> String {
    let mut bare = local.clone();
    bare.place = Place::default();
    bare.issuer = 0;
    format!(" {bare:?}")
}

/// What chain and key files hold, by the name of the chain file.
fn certificates(config: &Config, contents: &Contents) -> BTreeMap<String, Option<Digest>> {
    match &config.server.tls {
        Some(Certificates::Files(pairs)) => pairs
            .iter()
            .flat_map(|(chain, key)| [chain, key])
            .map(|file: &PathBuf| (file.display().to_string(), contents.of(file).copied()))
            .collect(),
        Some(Certificates::SelfSigned(names)) => {
            BTreeMap::from([(format!("self-signed for {}", names.join(", ")), None)])
        }
        None => BTreeMap::new(),
    }
}

/// Single values, by name. Every limit is named, so that a new one does not go unseen.
fn settings(config: &Config) -> BTreeMap<&'static str, String> {
    let Limits {
        connections,
        connections_per_client,
        connection_age,
        header_bytes,
        header_count,
        header_timeout,
        idle_timeout,
        handshake_timeout,
        body_bytes,
        body_idle_timeout,
        write_timeout,
        streams,
        token_bytes,
        bad_signatures,
        upgrade_idle_timeout,
        drain_delay,
        drain_timeout,
    } = &config.server.limits;
    let values: [(&'static str, &dyn Debug); 22] = [
        ("[server.limits] connections", connections),
        (
            "[server.limits] connections_per_client",
            connections_per_client,
        ),
        ("[server.limits] connection_age", connection_age),
        ("[server.limits] header_bytes", header_bytes),
        ("[server.limits] header_count", header_count),
        ("[server.limits] header_timeout", header_timeout),
        ("[server.limits] idle_timeout", idle_timeout),
        ("[server.limits] handshake_timeout", handshake_timeout),
        ("[server.limits] body_bytes", body_bytes),
        ("[server.limits] body_idle_timeout", body_idle_timeout),
        ("[server.limits] write_timeout", write_timeout),
        ("[server.limits] streams", streams),
        ("[server.limits] token_bytes", token_bytes),
        (
            "[server.limits] bad_signatures_per_client",
            &bad_signatures.per_client,
        ),
        (
            "[server.limits] bad_signatures_per_worker",
            &bad_signatures.per_worker,
        ),
        ("[server.limits] upgrade_idle_timeout", upgrade_idle_timeout),
        ("[server.limits] drain_delay", drain_delay),
        ("[server.limits] drain_timeout", drain_timeout),
        ("[server] realm", &config.server.realm),
        ("[server] token_cache", &config.server.token_cache),
        ("[server] strip", &config.strip),
        ("[server] trusted_proxies", &config.server.trusted_proxies.0),
    ];
    let values = values.into_iter();
    values
        .map(|(name, value)| (name, shown(&format!("{value:?}"))))
        .collect()
}

/// A value that may be switched off, as gateway.toml writes it.
fn shown(value: &str) -> String {
    if value == "None" {
        return "off".to_owned();
    }
    let some = value
        .strip_prefix("Some(")
        .and_then(|value| value.strip_suffix(')'));
    some.unwrap_or(value).to_owned()
}

#[cfg(test)]
mod tests;
