//! `[issuers.logout]`: where a provider says that someone has signed out.

use super::context::At;
use super::issuer_url::is_plain_path;
use super::raw::Text;
use super::reader::Reader;
use super::{BackChannelLogout, Issuer};

const EXAMPLE: &str = "write path = \"/logout/corp\", and register it with the provider";

/// `[issuers.logout]`; no other issuer has its path.
pub(super) fn logout(issuer: &mut Reader<'_>, others: &[Issuer]) -> Option<BackChannelLogout> {
    let mut reader = issuer.table("logout", "issuers.logout");
    // Its keys are known by it, wherever it is.
    if !reader.is_there() && !reader.context.is_recording() {
        return None;
    }
    let path = reader.required_text("path", EXAMPLE);
    let client_id = reader.required_text(
        "client_id",
        "write what the provider calls this gateway: its logout tokens have it in `aud`",
    );
    if let Some(text) = &path {
        check_path(&reader, text, others);
    }
    let place = reader.context.source.place(&reader.origin_of("path"));
    reader.finish();
    Some(BackChannelLogout {
        path: path?.value.value.as_str().into(),
        client_id: client_id?.value.value.as_str().into(),
        place,
    })
}

fn check_path(reader: &Reader<'_>, text: &At<&Text>, others: &[Issuer]) {
    let path = text.value.value.as_str();
    if !is_plain_path(path) {
        let message = format!("`{}` is no plain path", text.value.shown());
        let hint = "a slash before each segment, and letters, digits, `-`, `_`, `.` and `~`: \"/logout/corp\"";
        reader.context.error_hint(&text.origin, message, hint);
    }
    let has_it = |other: &&Issuer| other.logout.as_ref().is_some_and(|own| *own.path == *path);
    if let Some(other) = others.iter().find(has_it) {
        let message = format!(
            "logout tokens of `{}` are sent to the same path: each provider has its own",
            other.name
        );
        reader.context.error_hint(&text.origin, message, EXAMPLE);
    }
}
