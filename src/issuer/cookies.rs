//! The two cookies of a browser's session, and who may make a browser send them.

use std::time::Duration;

use http::header::{COOKIE, HeaderMap, HeaderValue, ORIGIN, SET_COOKIE};

use crate::config::LocalIssuer;

use super::respond::Answer;

/// The names and the reach of the cookies of an issuer.
///
/// `__Host-` and `__Secure-` (RFC 6265bis §4.1.3) are names that no other host, and nothing without TLS, can set. On an
/// issuer without TLS, which is for the loopback, browsers would not take them.
#[derive(Clone, Copy)]
pub(super) struct Cookies<'c> {
    local: &'c LocalIssuer,
}

/// A cookie of that name stands there twice: one of them is not ours, and nobody can tell which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Twice;

impl<'c> Cookies<'c> {
    /// Those of this issuer, if it has any.
    pub(super) fn of(local: &'c LocalIssuer) -> Option<Self> {
        local.cookies.then_some(Self { local })
    }

    /// The access token.
    ///
    /// # Errors
    /// There are two.
    pub(super) fn access<'h>(&self, headers: &'h HeaderMap) -> Result<Option<&'h str>, Twice> {
        crumb(headers, self.access_name())
    }

    /// The refresh token.
    ///
    /// # Errors
    /// There are two.
    pub(super) fn refresh<'h>(&self, headers: &'h HeaderMap) -> Result<Option<&'h str>, Twice> {
        crumb(headers, self.refresh_name())
    }

    /// Has the browser keep both tokens for so long.
    pub(super) fn set(
        &self,
        answer: &mut Answer,
        (access, access_for): (&str, Duration),
        (refresh, refresh_for): (&str, Duration),
    ) {
        self.append(answer, Token::Access, access, access_for);
        self.append(answer, Token::Refresh, refresh, refresh_for);
    }

    /// Has the browser forget both.
    pub(super) fn clear(&self, answer: &mut Answer) {
        self.append(answer, Token::Access, "", Duration::ZERO);
        self.append(answer, Token::Refresh, "", Duration::ZERO);
    }

    /// Whether a page of the issuer's own origin asks (RFC 6454): exactly one `Origin`, and that one. Browsers send it with
    /// everything that changes something.
    pub(super) fn is_same_origin(&self, headers: &HeaderMap) -> bool {
        let mut lines = headers.get_all(ORIGIN).iter();
        let origin = lines.next();
        let own = self.local.url.origin();
        origin.is_some_and(|origin| origin.as_bytes() == own.as_bytes()) && lines.next().is_none()
    }

    fn append(&self, answer: &mut Answer, token: Token, value: &str, kept: Duration) {
        // The refresh token goes to the issuer alone, and never with a request that another site began.
        let (name, path, same_site) = match token {
            Token::Access => (self.access_name(), "/", "Lax"),
            Token::Refresh => (self.refresh_name(), self.path(), "Strict"),
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

    fn access_name(&self) -> &'static str {
        if self.local.url.secure {
            "__Host-portcullis"
        } else {
            "portcullis"
        }
    }

    fn refresh_name(&self) -> &'static str {
        if self.local.url.secure {
            "__Secure-portcullis-refresh"
        } else {
            "portcullis-refresh"
        }
    }

    fn path(&self) -> &str {
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

/// The value of the one cookie of that name, over all lines.
fn crumb<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, Twice> {
    let lines = headers.get_all(COOKIE).iter();
    let crumbs = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'));
    let mut values = crumbs.filter_map(|crumb| {
        let (key, value) = crumb.trim().split_once('=')?;
        (key == name).then_some(value)
    });
    let value = values.next();
    match values.next() {
        None => Ok(value),
        Some(_) => Err(Twice),
    }
}

#[cfg(test)]
mod tests;
