//! What tells remote sources apart, over reloads and restarts.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};

use crate::config::{Issuer, KeyLocation, KeySource, RemoteKeys};

use super::private_file::hexadecimal;
use super::shown;

/// What an operator knows the keys of the local issuer by.
const THE_STORE: &str = "the store";

/// A remote source, or the store: the issuer's name, its `iss` and the place of its keys. Who changes one of them has another source, and
/// never sees what was fetched for the old one; how it is fetched (CA, proxy) does not count.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SourceId {
    issuer: Arc<str>,
    name: Arc<str>,
    digest: [u8; 32],
}

impl SourceId {
    /// That of a source of an issuer.
    #[must_use]
    pub fn of(issuer: &Issuer, source: &RemoteKeys) -> Self {
        let place = match &source.location {
            KeyLocation::Discovery(documents) => {
                let documents = documents.iter().map(ToString::to_string);
                std::iter::once("discovery".to_owned())
                    .chain(documents)
                    .collect()
            }
            KeyLocation::Jwks(set) => vec!["jwks".to_owned(), set.to_string()],
        };
        Self::new(issuer, &place, name(&source.location).into())
    }

    /// That of the keys which the store has for the local issuer: it puts them where fetched ones are.
    #[must_use]
    pub fn of_store(issuer: &Issuer) -> Self {
        Self::new(issuer, &["store".to_owned()], THE_STORE.into())
    }

    /// Those of all sources of an issuer whose keys come later: fetched ones, and the store's.
    pub fn all_of(issuer: &Issuer) -> impl Iterator<Item = Self> {
        let sources = issuer.keys.sources().iter();
        sources.filter_map(|source| match source {
            KeySource::Remote(remote) => Some(Self::of(issuer, remote)),
            KeySource::Store => Some(Self::of_store(issuer)),
            KeySource::JwksFile(_) | KeySource::PemFiles(_) => None,
        })
    }

    fn new(issuer: &Issuer, place: &[String], name: Arc<str>) -> Self {
        let mut context = Context::new(&SHA256);
        // Each with its length before it: no two lists have the same bytes.
        let mut add = |text: &str| {
            context.update(&text.len().to_be_bytes());
            context.update(text.as_bytes());
        };
        add(&issuer.name);
        add(&issuer.policy.issuer);
        for part in place {
            add(part);
        }
        let mut digest = [0; 32];
        digest.copy_from_slice(context.finish().as_ref());
        Self {
            issuer: Arc::clone(&issuer.name),
            name,
            digest,
        }
    }

    /// The name of its issuer.
    #[must_use]
    pub fn issuer(&self) -> &Arc<str> {
        &self.issuer
    }

    /// What an operator knows it by: the URL that gateway.toml says or implies, without its query.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Equal for equal sources, and for no others: SHA-256, in hexadecimal.
    pub(super) fn hexadecimal(&self) -> String {
        hexadecimal(&self.digest)
    }
}

/// The first URL that is fetched.
fn name(location: &KeyLocation) -> String {
    let url = match location {
        KeyLocation::Discovery(documents) => documents.first(),
        KeyLocation::Jwks(set) => Some(set),
    };
    url.map(shown::url).unwrap_or_default()
}

impl fmt::Debug for SourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {:?}", self.name, self.issuer)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::keys::testing::{issuer, issuer_of, jwks_url};

    #[test]
    fn another_name_issuer_or_place_is_another_source() {
        let discovery = |urls: &[&str]| RemoteKeys {
            location: KeyLocation::Discovery(urls.iter().map(|url| url.parse().unwrap()).collect()),
            ..jwks_url("https://a.test/keys")
        };
        let mut renamed = issuer(jwks_url("https://a.test/keys"));
        renamed.name = "other".into();
        let mut other_iss = issuer(jwks_url("https://a.test/keys"));
        other_iss.policy.issuer = "https://other.test".into();
        let plain = |source: RemoteKeys| issuer(source);
        let issuers = [
            plain(jwks_url("https://a.test/keys")),
            plain(jwks_url("https://a.test/keys/")),
            plain(jwks_url("https://b.test/keys")),
            plain(jwks_url("https://a.test/keys?x=1")),
            plain(discovery(&["https://a.test/keys"])),
            plain(discovery(&["https://a.test/keys", "https://b.test/keys"])),
            plain(discovery(&["https://b.test/keys", "https://a.test/keys"])),
            renamed,
            other_iss,
            issuer_of(vec![KeySource::Store]),
        ];
        let ids: HashSet<SourceId> = issuers.iter().flat_map(SourceId::all_of).collect();
        assert_eq!(ids.len(), issuers.len());
    }

    #[test]
    fn its_name_is_a_url_without_the_query() {
        let source = jwks_url("https://a.test/keys?key=secret");
        let id = SourceId::of(&issuer(source.clone()), &source);
        assert_eq!(&**id.name(), "https://a.test/keys");
        assert_eq!(format!("{id:?}"), "https://a.test/keys of \"corp\"");
    }

    #[test]
    fn the_store_is_a_source_beside_those_that_are_fetched() {
        let remote = KeySource::Remote(Box::new(jwks_url("https://a.test/keys")));
        let file = KeySource::JwksFile("keys.json".into());
        let issuer = issuer_of(vec![remote, file, KeySource::Store]);
        let names: Vec<_> = SourceId::all_of(&issuer)
            .map(|id| id.name().to_string())
            .collect();
        assert_eq!(names, ["https://a.test/keys", "the store"]);
        assert_eq!(
            SourceId::all_of(&issuer).last(),
            Some(SourceId::of_store(&issuer))
        );
    }

    #[test]
    fn how_it_is_fetched_does_not_count() {
        let mut source = jwks_url("https://a.test/keys");
        let before = SourceId::of(&issuer(source.clone()), &source);
        source.ca = Some("ca.pem".into());
        source.proxy = Some("http://proxy:3128".parse().unwrap());
        source.allow_http = true;
        source.allow_link_local = true;
        source.place.file = "elsewhere.toml".into();
        let mut issuer = issuer(source.clone());
        issuer.policy.audiences.push("more".into());
        issuer.refresh.interval *= 2;
        assert_eq!(SourceId::of(&issuer, &source), before);
    }
}
