//! Where users, sessions and revocations are kept.

use crate::config::store::{StoreTls, tls_of};
use crate::config::{StoreConfig, StoreFailure};

use super::warning::Findings;

pub(super) fn check(found: &mut Findings<'_>) {
    let Some(store) = &found.config.store else {
        return;
    };
    tls(found, store);
    if store.fail == StoreFailure::Open {
        let message = "with fail = \"open\" a token that was revoked passes while the store is away: write \"closed\" if that \
                       is worse than no service";
        found.warn("store-fails-open", "store.fail", message);
    }
    for (index, issuer) in found.config.issuers.iter().enumerate() {
        if issuer.policy.max_lifetime.is_none() {
            let message = format!(
                "tokens of `{}` may live for ever, so what is revoked of them is kept until someone removes it: set \
                 `max_lifetime`",
                issuer.name
            );
            let path = format!("issuers[{index}].max_lifetime");
            found.warn("revocations-without-end", &path, message);
        }
    }
}

fn tls(found: &mut Findings<'_>, store: &StoreConfig) {
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
