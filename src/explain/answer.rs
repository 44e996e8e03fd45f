//! What comes of a decision: the request that the upstream gets, or the refusal that the client does.

use http::header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION};
use http::{HeaderMap, HeaderName};

use crate::gate::{Admission, Head, Rejection};
use crate::proxy::refusal;
use crate::snapshot::Snapshot;

use super::Answer;
use super::claims::cut;

/// What stands in the place of a request id: there is none before a request.
const REQUEST_ID: &str = "(made for each request)";

/// The request as it goes to the upstream.
pub(super) fn forwarded(admission: &Admission, head: &Head, token: Option<&[u8]>) -> Answer {
    let (parts, changed) = (&head.parts, admission.path_and_query());
    let path = changed.map_or_else(|| parts.uri.path(), |target| target.path());
    Answer {
        line: format!("{} {path}", parts.method),
        fields: shown(&parts.headers, token),
        body: None,
    }
}

/// The answer of a refusal, as the client gets it.
pub(super) fn refused(rejection: &Rejection, snapshot: &Snapshot) -> Answer {
    let response = refusal(rejection, &snapshot.realm, REQUEST_ID);
    Answer {
        line: format!("HTTP/1.1 {}", response.status()),
        fields: shown(response.headers(), None),
        body: Some(
            String::from_utf8_lossy(response.body())
                .trim_end()
                .to_owned(),
        ),
    }
}

fn shown(headers: &HeaderMap, token: Option<&[u8]>) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|(name, value)| {
            let bytes = value.as_bytes();
            let text = if is_secret(name) || token.is_some_and(|token| holds(bytes, token)) {
                "(not shown)".to_owned()
            } else {
                cut(&String::from_utf8_lossy(bytes))
            };
            (name.as_str().to_owned(), text)
        })
        .collect()
}

/// Whether a field is there to carry credentials.
pub(super) fn is_secret(name: &HeaderName) -> bool {
    [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE].contains(name)
}

/// Whether `value` repeats the token.
fn holds(value: &[u8], token: &[u8]) -> bool {
    !token.is_empty() && memchr::memmem::find(value, token).is_some()
}
