//! What the configuration says about one source.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};

use crate::config::{Issuer, KeyLocation, Place, RemoteKeys};
use crate::keys::status::{SourceState, SourceStatus};
use crate::keys::{SourceId, shown};

/// Most bytes that are read of a `ca` file: what is behind cannot make it another one.
const MAX_CA: u64 = 16 << 20;

/// One source and its issuer.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) issuer: Issuer,
    pub(super) source: RemoteKeys,
}

impl Settings {
    pub(super) fn new(issuer: &Issuer, source: &RemoteKeys) -> Self {
        Self {
            issuer: issuer.clone(),
            source: source.clone(),
        }
    }

    /// Whether a client made for the one also does for the other, `ca` files with the same contents provided.
    pub(super) fn same_client(&self, other: &Self) -> bool {
        // Where it stands in the file does not matter.
        let bare = |source: &RemoteKeys| RemoteKeys {
            place: Place::default(),
            ..source.clone()
        };
        self.issuer.policy.algorithms == other.issuer.policy.algorithms
            && bare(&self.source) == bare(&other.source)
    }

    /// What the contents of the `ca` file are, if there is one.
    pub(super) fn ca_digest(&self) -> io::Result<Option<Digest>> {
        self.source.ca.as_deref().map(file_digest).transpose()
    }

    /// The first URL that is fetched, as an operator may see it.
    pub(super) fn url(&self) -> String {
        let url = match &self.source.location {
            KeyLocation::Discovery(urls) => urls.first(),
            KeyLocation::Jwks(url) => Some(url),
        };
        url.map(shown::url).unwrap_or_default()
    }

    /// The status of a source of which nothing is known.
    pub(super) fn status(&self, id: &SourceId) -> SourceStatus {
        SourceStatus {
            issuer: id.issuer().clone(),
            kind: match self.source.location {
                KeyLocation::Discovery(_) => "discovery",
                KeyLocation::Jwks(_) => "jwks_url",
            },
            source: id.name().clone(),
            url: self.url(),
            state: SourceState::Never,
            last_attempt: None,
            last_success: None,
            next_attempt: None,
            serves_until: None,
            last_error: None,
            failures: 0,
            fetches: 0,
            keys: 0,
            warnings: Vec::new(),
            unknown_kids: Vec::new(),
        }
    }
}

/// SHA-256.
pub(super) type Digest = [u8; 32];

fn file_digest(file: &Path) -> io::Result<Digest> {
    let mut content = Vec::new();
    File::open(file)?.take(MAX_CA).read_to_end(&mut content)?;
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, &content).as_ref());
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jwt::Algorithm;
    use crate::keys::testing::{issuer, jwks_url};

    fn settings(source: &RemoteKeys) -> Settings {
        Settings::new(&issuer(source.clone()), source)
    }

    #[test]
    fn a_client_is_made_anew_for_what_it_was_made_of() {
        let plain = || jwks_url("https://a.test/keys");
        let old = settings(&plain());
        let mut elsewhere = plain();
        elsewhere.place.line = 99;
        assert!(old.same_client(&settings(&elsewhere)));
        let mut refreshed = settings(&plain());
        refreshed.issuer.refresh.interval *= 2;
        refreshed.issuer.policy.leeway *= 2;
        assert!(old.same_client(&refreshed));

        let mut http = plain();
        http.allow_http = true;
        let mut link_local = plain();
        link_local.allow_link_local = true;
        let mut ca = plain();
        ca.ca = Some("ca.pem".into());
        let mut proxy = plain();
        proxy.proxy = Some("http://proxy:3128".parse().unwrap());
        for other in [http, link_local, ca, proxy] {
            assert!(!old.same_client(&settings(&other)));
        }
        let mut algorithms = settings(&plain());
        algorithms.issuer.policy.algorithms = [Algorithm::Rs256].into_iter().collect();
        assert!(!old.same_client(&algorithms));
    }
}
