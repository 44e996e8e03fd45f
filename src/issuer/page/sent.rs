//! A form of the page, and where the browser goes after it.

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, LOCATION, RETRY_AFTER, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use uuid::Uuid;

use crate::issuer::Asked as Request;

use super::asked::{self, Asked, Notice};
use super::return_to::ReturnTo;
use super::{failed, html};

/// A form that was sent by the page: what it does, and where it leads.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::issuer) struct SentForm {
    action: Action,
    return_to: Option<ReturnTo>,
    /// Path of the issuer.
    path: Box<str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    SignIn,
    Renew,
    SignOut,
    End,
    EndOthers,
    ChangePassword,
}

impl SentForm {
    /// Whether a request is a form of the page: then it becomes the request that a program would send, which is answered by
    /// the same endpoint.
    ///
    /// Programs do not say that they want HTML; a browser that shows a page does.
    pub(in crate::issuer) fn take(path: &str, request: &mut Request) -> Option<Self> {
        let is_page_form = request.method == Method::POST
            && is_form(&request.headers)
            && wants_html(&request.headers);
        let rest = request.path.strip_prefix(path).filter(|_| is_page_form)?;
        let action = match rest {
            "/login" => Action::SignIn,
            "/token" => Action::Renew,
            "/logout" => Action::SignOut,
            "/sessions/end-others" => Action::EndOthers,
            "/password" => Action::ChangePassword,
            _ => {
                let id = rest.strip_prefix("/sessions/")?;
                Uuid::try_parse(id).ok()?;
                // A form has no DELETE.
                request.method = Method::DELETE;
                request.headers.remove(CONTENT_TYPE);
                request.body = Bytes::new();
                Action::End
            }
        };
        Some(Self {
            action,
            return_to: Asked::of(request.query.take().as_deref()).return_to,
            path: path.into(),
        })
    }

    /// The answer to a form that reaches no endpoint: one of another site (`is_own` tells), or two new passwords that differ.
    ///
    /// Endpoints refuse what a foreign page does by a cookie. This refuses also what it does without one: a failed sign-in
    /// would be told on our page, in our words.
    pub(in crate::issuer) fn refused(&self, is_own: bool, body: &[u8]) -> Option<Response<Bytes>> {
        if !is_own {
            return Some(failed(StatusCode::FORBIDDEN));
        }
        if self.action != Action::ChangePassword {
            return None;
        }
        // As they were sent: a browser encodes equal texts equally.
        let pairs = std::str::from_utf8(body).unwrap_or_default();
        let (new, again) = (asked::single(pairs, "new"), asked::single(pairs, "again"));
        (new != again).then(|| self.redirect(Some(Notice::Differ)))
    }

    /// What the browser gets for the answer of the endpoint: a redirect, with its cookies.
    pub(in crate::issuer) fn answer(&self, answer: &Response<Bytes>) -> Response<Bytes> {
        let status = answer.status();
        if status == StatusCode::FORBIDDEN {
            // Another site sent the form: it gets no redirect to follow.
            return failed(status);
        }
        let mut response = self.redirect(if status.is_success() {
            self.action.done()
        } else {
            Some(self.action.failed(answer))
        });
        for cookie in answer.headers().get_all(SET_COOKIE) {
            response.headers_mut().append(SET_COOKIE, cookie.clone());
        }
        response
    }

    fn redirect(&self, notice: Option<Notice>) -> Response<Bytes> {
        let location = match (notice, &self.return_to) {
            (None, Some(return_to)) => return_to.to_string(),
            (notice, return_to) => Asked {
                notice,
                return_to: return_to.clone(),
            }
            .location(&self.path),
        };
        let mut response = Response::new(Bytes::new());
        // The browser asks for the next page with GET, and going back does not send the form again.
        *response.status_mut() = StatusCode::SEE_OTHER;
        let location = HeaderValue::try_from(location)
            .expect("a configured path, and what was read as visible ASCII");
        response.headers_mut().insert(LOCATION, location);
        html::protect(response.headers_mut());
        response
    }
}

impl Action {
    /// What is said when it is done; `None`: what follows says enough.
    const fn done(self) -> Option<Notice> {
        match self {
            Self::SignIn | Self::Renew => None,
            Self::SignOut => Some(Notice::SignedOut),
            Self::End => Some(Notice::Ended),
            Self::EndOthers => Some(Notice::OthersEnded),
            Self::ChangePassword => Some(Notice::Changed),
        }
    }

    fn failed(self, answer: &Response<Bytes>) -> Notice {
        match (answer.status(), self) {
            (StatusCode::TOO_MANY_REQUESTS, _) => Notice::Wait(wait(answer.headers())),
            (StatusCode::SERVICE_UNAVAILABLE, _) => Notice::Busy,
            (StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED, Self::SignIn) => Notice::Refused,
            (StatusCode::BAD_REQUEST, Self::ChangePassword) => {
                if is_invalid_grant(answer.body()) {
                    Notice::WrongCurrent
                } else {
                    Notice::Unfit
                }
            }
            (StatusCode::UNAUTHORIZED, _) | (StatusCode::BAD_REQUEST, Self::Renew) => Notice::Over,
            // It ended by itself meanwhile, or from another browser.
            (StatusCode::NOT_FOUND, Self::End) => Notice::Ended,
            _ => Notice::Failed,
        }
    }
}

/// Whether the error is that of a password that does not fit (RFC 6749 §5.2).
fn is_invalid_grant(body: &[u8]) -> bool {
    let answer = serde_json::from_slice::<serde_json::Value>(body);
    answer.is_ok_and(|answer| answer["error"] == "invalid_grant")
}

fn wait(headers: &HeaderMap) -> Option<u32> {
    asked::seconds(headers.get(RETRY_AFTER)?.to_str().ok()?)
}

fn is_form(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let essence = value.and_then(|value| value.split(|byte| *byte == b';').next());
    essence.is_some_and(|essence| {
        essence
            .trim_ascii()
            .eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
    })
}

fn wants_html(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(ACCEPT).iter();
    lines
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .filter_map(|range| range.split(|byte| *byte == b';').next())
        .any(|range| range.trim_ascii().eq_ignore_ascii_case(b"text/html"))
}
