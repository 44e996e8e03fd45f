//! Tokens that browsers send as a cookie.

use http::{HeaderMap, header};

use crate::config::{Config, TokenPlace};
use crate::headers::CookieNames;

/// How tokens of the local issuer may come as a cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CookieTokens {
    /// What its cookies are called.
    pub names: CookieNames,
    /// Where its tokens stand.
    pub place: TokenPlace,
    /// The local issuer, by index.
    pub issuer: usize,
    /// Its origin, as browsers write it.
    origin: Box<str>,
}

impl CookieTokens {
    /// Those of a configuration; `None` where the local issuer sets no cookies.
    #[must_use]
    pub fn of(config: &Config) -> Option<Self> {
        let local = config.local_issuer.as_ref().filter(|local| local.cookies)?;
        let names = CookieNames::of(local.url.secure);
        Some(Self {
            names,
            place: TokenPlace::Cookie(names.access.into()),
            issuer: local.issuer,
            origin: local.url.origin().into(),
        })
    }

    /// Whether a request says that it comes from a page of the issuer's origin: one `Origin` line with these very bytes
    /// (RFC 6454 §7). Browsers write no other spelling, and `null` is nobody.
    #[must_use]
    pub fn is_same_origin(&self, headers: &HeaderMap) -> bool {
        let mut lines = headers.get_all(header::ORIGIN).iter();
        let first = lines.next();
        first.is_some_and(|line| line.as_bytes() == self.origin.as_bytes())
            && lines.next().is_none()
    }
}
