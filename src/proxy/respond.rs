//! A refusal as a response: status, challenge, problem+json (RFC 9457).

use http::Response;

use crate::gate::Rejection;

use super::ResponseBody;

/// The response for a refusal. `realm` for challenges; `request_id` is in the body and in `X-Request-Id`.
#[must_use]
pub fn rejection_response(
    _rejection: &Rejection,
    _realm: &str,
    _request_id: &str,
) -> Response<ResponseBody> {
    todo!("proxy helper")
}
