//! Keys that are fetched.

use crate::config::{KeyLocation, KeySource, RemoteKeys};

use super::warning::Findings;

pub(super) fn check(found: &mut Findings<'_>) {
    let config = found.config;
    for (index, issuer) in config.issuers.iter().enumerate() {
        for (place, source) in issuer.keys.sources().iter().enumerate() {
            if let KeySource::Remote(remote) = source {
                let path = config.places.key_source(index, place);
                check_remote(found, &issuer.name, remote, &path);
            }
        }
    }
}

fn check_remote(found: &mut Findings<'_>, issuer: &str, remote: &RemoteKeys, path: &str) {
    if remote.plain_http().is_some() {
        let message = format!(
            "keys of `{issuer}` come over plain HTTP: whoever is on the way can put in one of their own, and sign tokens \
             with it"
        );
        found.warn_at("keys-over-http", remote.place.clone(), message);
    } else if remote.allow_http && matches!(remote.location, KeyLocation::Discovery(_)) {
        let message = format!(
            "the metadata of `{issuer}` may name a URL in plain HTTP for its keys, where they can be replaced on the way"
        );
        found.warn("keys-over-http", &format!("{path}.allow_http"), message);
    }
    if remote.allow_link_local {
        let message = format!(
            "keys of `{issuer}` may come from a link-local address: whoever controls its name can make the gateway ask the \
             metadata service of this machine"
        );
        let path = format!("{path}.allow_link_local");
        found.warn("keys-from-link-local", &path, message);
    }
    let only_http = match &remote.location {
        KeyLocation::Jwks(url) => url.scheme_str() == Some("http"),
        // What it names may be https.
        KeyLocation::Discovery(_) => false,
    };
    if remote.ca.is_some() && only_http {
        let message = format!("`ca` for keys of `{issuer}` is not used: the URL is not https");
        found.warn("unused-ca", &format!("{path}.ca"), message);
    }
}
