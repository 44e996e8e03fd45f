//! Where users are kept.

use crate::config::store::{StoreTls, tls_of};

use super::warning::Findings;

pub(super) fn check(found: &mut Findings<'_>) {
    let Some(store) = &found.config.store else {
        return;
    };
    let message = match tls_of(store) {
        None | Some(StoreTls::Verified) => return,
        Some(StoreTls::None) => {
            "the hashes of passwords may cross the network in plain text: add \
             ?sslmode=verify-full&sslrootcert=/path/to/ca.pem to the URL"
        }
        Some(StoreTls::Unverified) => {
            "sslmode=require encrypts for whoever answers: write \
             sslmode=verify-full&sslrootcert=/path/to/ca.pem"
        }
    };
    found.warn_at("store-without-tls", store.place.clone(), message);
}
