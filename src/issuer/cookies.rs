//! The two cookies of a browser's session, and who may make a browser send them.

use std::time::Duration;

use http::header::{HeaderMap, HeaderValue, ORIGIN, SET_COOKIE};

use crate::config::LocalIssuer;
use crate::headers::{CookieNames, RepeatedCookie, cookie};

use super::respond::Answer;

/// The cookies of an issuer: what they are called, and where they go.
#[derive(Clone, Copy)]
pub(super) struct Cookies<'c> {
    local: &'c LocalIssuer,
}

impl<'c> Cookies<'c> {
    /// Those of this issuer, if it has any.
    pub(super) fn of(local: &'c LocalIssuer) -> Option<Self> {
        local.cookies.then_some(Self { local })
    }

    /// The access token.
    ///
    /// # Errors
    /// There are two.
    pub(super) fn access(self, headers: &HeaderMap) -> Result<Option<&[u8]>, RepeatedCookie> {
        cookie(headers, self.names().access)
    }

    /// The refresh token.
    ///
    /// # Errors
    /// There are two.
    pub(super) fn refresh(self, headers: &HeaderMap) -> Result<Option<&str>, RepeatedCookie> {
        let value = cookie(headers, self.names().refresh)?;
        // What is no text is no token.
        Ok(value.and_then(|value| std::str::from_utf8(value).ok()))
    }

    /// Has the browser keep both tokens for so long.
    pub(super) fn set(
        self,
        answer: &mut Answer,
        (access, access_for): (&str, Duration),
        (refresh, refresh_for): (&str, Duration),
    ) {
        self.append(answer, Token::Access, access, access_for);
        self.append(answer, Token::Refresh, refresh, refresh_for);
    }

    /// Has the browser forget both.
    pub(super) fn clear(self, answer: &mut Answer) {
        self.append(answer, Token::Access, "", Duration::ZERO);
        self.append(answer, Token::Refresh, "", Duration::ZERO);
    }

    /// Whether a page of the issuer's own origin asks (RFC 6454): exactly one `Origin`, and that one. Browsers send it with
    /// everything that changes something.
    pub(super) fn is_same_origin(self, headers: &HeaderMap) -> bool {
        let mut lines = headers.get_all(ORIGIN).iter();
        let origin = lines.next();
        let own = self.local.url.origin();
        origin.is_some_and(|origin| origin.as_bytes() == own.as_bytes()) && lines.next().is_none()
    }

    fn append(self, answer: &mut Answer, token: Token, value: &str, kept: Duration) {
        // The refresh token goes to the issuer alone, and never with a request that another site began.
        let (name, path, same_site) = match token {
            Token::Access => (self.names().access, "/", "Lax"),
            Token::Refresh => (self.names().refresh, self.path(), "Strict"),
        };
        let secure = if self.local.url.secure {
            "; Secure"
        } else {
            ""
        };
        let seconds = kept.as_secs();
        let cookie = format!(
            "{name}={value}; Path={path}; Max-Age={seconds}; HttpOnly{secure}; SameSite={same_site}"
        );
        // A token is visible ASCII, and so is a path of an issuer.
        if let Ok(mut cookie) = HeaderValue::try_from(cookie) {
            cookie.set_sensitive(true);
            answer.headers_mut().append(SET_COOKIE, cookie);
        }
    }

    fn names(self) -> CookieNames {
        CookieNames::of(self.local.url.secure)
    }

    fn path(self) -> &'c str {
        match &*self.local.url.path {
            "" => "/",
            path => path,
        }
    }
}

#[derive(Clone, Copy)]
enum Token {
    Access,
    Refresh,
}

#[cfg(test)]
mod tests;
