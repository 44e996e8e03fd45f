//! The sign-in page: forms without a script, for the cookies of a browser.
//!
//! A form of the page is a request as a program sends it, but for what comes back: [`SentForm`] turns the answer into a
//! redirect to what the browser shows next. So there is one set of endpoints, and one set of checks.

mod asked;
mod html;
mod return_to;
mod sent;

use std::net::IpAddr;

use bytes::Bytes;
use http::{Response, StatusCode};
use jiff::Timestamp;
use uuid::Uuid;

pub(super) use asked::Asked;
pub(super) use sent::SentForm;

/// What the page shows.
#[derive(Debug)]
pub(super) struct View<'a> {
    /// Host of the issuer: where one signs in to.
    pub(super) host: &'a str,
    /// Path of the issuer, without a slash at its end.
    pub(super) path: &'a str,
    /// What its query asks for.
    pub(super) asked: &'a Asked,
    /// Who looks at it.
    pub(super) visitor: Visitor<'a>,
}

/// Who looks at the page.
#[derive(Debug)]
pub(super) enum Visitor<'a> {
    /// Nobody that is known.
    Unknown,
    /// A browser whose access token is over, and which still has a refresh token.
    Renewable,
    /// A user.
    User {
        /// Its name.
        name: &'a str,
        /// Its sessions.
        sessions: &'a [SessionLine<'a>],
    },
}

/// A session as the page lists it.
#[derive(Clone, Copy, Debug)]
pub(super) struct SessionLine<'a> {
    /// Which one.
    pub(super) id: Uuid,
    /// What the device said of itself: anything.
    pub(super) device: &'a str,
    /// From where it was last used.
    pub(super) address: IpAddr,
    /// When it began.
    pub(super) started: Timestamp,
    /// When it was last used.
    pub(super) last_seen: Timestamp,
    /// Whether it is the one that asks.
    pub(super) current: bool,
}

/// The page.
pub(super) fn shown(view: &View<'_>) -> Response<Bytes> {
    html::answer(StatusCode::OK, html::page(view))
}

/// A page with one sentence, for what cannot be shown.
pub(super) fn failed(status: StatusCode) -> Response<Bytes> {
    html::answer(status, html::failure(status))
}

#[cfg(test)]
mod tests;
