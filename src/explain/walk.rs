//! The observer: what the gate has told.

use std::sync::Arc;

use http::HeaderMap;

use crate::config::TokenPlace;
use crate::gate::Observer;
use crate::headers::{Client, Target};
use crate::jwt::{JoseHeader, KeyPlace, TokenCheck, TokenObserver, VerifiedToken};
use crate::routing::Route;

/// How far a decision came, and what it saw on the way.
#[derive(Default)]
pub(super) struct Walk {
    pub(super) client: Option<Client>,
    pub(super) target: Option<SeenTarget>,
    pub(super) route: Option<Arc<Route>>,
    pub(super) preflight: bool,
    pub(super) stripped: Option<HeaderMap>,
    pub(super) anonymous: bool,
    pub(super) credentials: Option<Credentials>,
    pub(super) progress: Progress,
    pub(super) header: Option<JoseHeader>,
    pub(super) issuer: Option<usize>,
    pub(super) key: Option<KeyPlace>,
    pub(super) verified: Option<VerifiedToken>,
}

/// The last check of a token that leaves nothing behind but that it was passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) enum Progress {
    #[default]
    Nothing,
    Shape,
    Signature,
}

/// The target as it was read.
pub(super) struct SeenTarget {
    pub(super) host: Option<String>,
    pub(super) path: String,
    pub(super) decoded: String,
    pub(super) laxest: Option<String>,
}

/// The token, which is looked at again and never shown.
pub(super) struct Credentials {
    pub(super) place: TokenPlace,
    pub(super) token: Vec<u8>,
}

impl TokenObserver for Walk {
    fn passed(&mut self, check: TokenCheck<'_>) {
        match check {
            TokenCheck::Shape => self.progress = Progress::Shape,
            TokenCheck::Header(header) => self.header = Some(header.clone()),
            TokenCheck::Issuer(issuer) => self.issuer = Some(issuer),
            TokenCheck::Key(place) => self.key = Some(place),
            TokenCheck::Signature => self.progress = Progress::Signature,
            // Whether these held shows from where it was refused.
            TokenCheck::Payload(_)
            | TokenCheck::Algorithm
            | TokenCheck::SignatureLength
            | TokenCheck::ValidityPeriod
            | TokenCheck::Type
            | TokenCheck::Audience
            | TokenCheck::Required
            | TokenCheck::IssuedAt
            | TokenCheck::Lifetime
            | TokenCheck::Sender => {}
        }
    }
}

impl Observer for Walk {
    fn client(&mut self, client: Client) {
        self.client = Some(client);
    }

    fn target(&mut self, target: &Target<'_>) {
        self.target = Some(SeenTarget {
            host: target.host.as_deref().map(str::to_owned),
            path: target.path.to_owned(),
            decoded: target.decoded.as_ref().to_owned(),
            laxest: target.laxest.as_deref().map(str::to_owned),
        });
    }

    fn route(&mut self, route: &Arc<Route>, preflight: bool) {
        self.route = Some(Arc::clone(route));
        self.preflight = preflight;
    }

    fn stripped(&mut self, headers: &HeaderMap) {
        self.stripped = Some(headers.clone());
    }

    fn anonymous(&mut self) {
        self.anonymous = true;
    }

    fn credentials(&mut self, place: &TokenPlace, token: &[u8]) {
        self.credentials = Some(Credentials {
            place: place.clone(),
            token: token.to_vec(),
        });
    }

    fn token(&mut self, _issuer: usize, token: &VerifiedToken) {
        self.verified = Some(token.clone());
    }
}
