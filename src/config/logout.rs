//! `[issuers.logout]`: where a provider says that someone has signed out.

use super::BackChannelLogout;
use super::issuer_url::is_plain_path;
use super::reader::Reader;

const EXAMPLE: &str = "write path = \"/logout/corp\", and register it with the provider";

/// `[issuers.logout]`
pub(super) fn logout(issuer: &mut Reader<'_>) -> Option<BackChannelLogout> {
    let set = issuer.has("logout");
    let mut reader = issuer.table("logout", "issuers.logout");
    if !set && !reader.context.is_recording() {
        return None;
    }
    let place = reader.context.source.place(&reader.origin);
    let path = reader.required_text("path", EXAMPLE);
    let client_id = reader.required_text(
        "client_id",
        "write what the provider calls this gateway: its logout tokens have it in `aud`",
    );
    if let Some(text) = path
        .as_ref()
        .filter(|text| !is_plain_path(&text.value.value))
    {
        let message = format!("`{}` is no plain path", text.value.shown());
        reader.context.error_hint(&text.origin, message, EXAMPLE);
    }
    reader.finish();
    Some(BackChannelLogout {
        path: path?.value.value.as_str().into(),
        client_id: client_id?.value.value.as_str().into(),
        place,
    })
}
