//! The warning, and the list of all checks.

use std::fmt;
use std::path::Path;

use crate::config::error::report;
use crate::config::{Config, Place};

use super::{access, keys, local_issuer, network, secrets, store};

/// One dangerous setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Its stable code, kebab-case: `leeway-over-2m`.
    pub code: &'static str,
    /// Where.
    pub place: Place,
    /// What, and what to do.
    pub message: String,
    /// Whether `run` refuses it as `check` does.
    pub refused: bool,
}

impl fmt::Display for Warning {
    /// `place: warning[code]: message`, the line and a caret; no line end after it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.refused { "error" } else { "warning" };
        let kind = format!("{kind}[{}]", self.code);
        report(f, &self.place, &kind, &self.message, None)
    }
}

/// Every code there is, in alphabetic order.
pub const WARNING_CODES: &[&str] = &[
    "admin-is-upstream",
    "admin-off-loopback",
    "bad-signatures-unlimited",
    "claim-header-replaces-field",
    "claim-headers-collide",
    "cookies-over-http",
    "encryption-key-made",
    "file-limit-too-low",
    "gateway-is-upstream",
    "generated-key",
    "keys-from-link-local",
    "keys-over-http",
    "lax-paths-without-token",
    "leeway-over-2m",
    "literal-secret",
    "local-issuer-over-http",
    "local-issuer-without-tls",
    "max-lifetime-over-1d",
    "no-route-needs-a-token",
    "no-routes",
    "optional-with-rules",
    "password-grant",
    "public-prefix-stripped",
    "public-route-above-protected",
    "revocations-without-end",
    "self-signed-certificate",
    "sender-binding-ignored",
    "server-timing-for-everyone",
    "shared-secret",
    "store-fails-open",
    "store-without-tls",
    "token-to-clear-text-upstream",
    "tokens-over-plaintext",
    "trusts-everyone",
    "unreachable-route",
    "unused-ca",
    "unused-issuer",
    "unused-upstream",
    "world-readable-secret",
];

/// All warnings of a configuration, in order of place. Files that hold secrets are looked at, but not read.
#[must_use]
pub fn warnings(config: &Config) -> Vec<Warning> {
    let mut found = Findings {
        config,
        warnings: Vec::new(),
    };
    network::check(&mut found);
    access::check(&mut found);
    keys::check(&mut found);
    local_issuer::check(&mut found);
    secrets::check(&mut found);
    store::check(&mut found);
    // Elsewhere than on Linux there is no such file, and nothing to say.
    if let Ok(limits) = std::fs::read_to_string(Path::new("/proc/self/limits")) {
        network::check_file_limit(&mut found, &limits);
    }
    let key = |place: &Place| (place.file.clone(), place.line, place.column);
    found.warnings.sort_by_key(|warning| key(&warning.place));
    found.warnings
}

/// What the checks look at, and what they have found.
pub(super) struct Findings<'c> {
    pub(super) config: &'c Config,
    pub(super) warnings: Vec<Warning>,
}

impl Findings<'_> {
    /// Adds a warning at the place of a key, as in `routes[0].path`.
    pub(super) fn warn(&mut self, code: &'static str, path: &str, message: impl Into<String>) {
        let place = self.config.places.of(path);
        self.warn_at(code, place, message);
    }

    /// Adds a warning at a place.
    pub(super) fn warn_at(&mut self, code: &'static str, place: Place, message: impl Into<String>) {
        debug_assert!(WARNING_CODES.contains(&code), "{code} is not listed");
        self.warnings.push(Warning {
            code,
            place,
            message: message.into(),
            refused: false,
        });
    }

    /// Adds one that `run` refuses.
    pub(super) fn refuse(&mut self, code: &'static str, path: &str, message: impl Into<String>) {
        self.warn(code, path, message);
        if let Some(last) = self.warnings.last_mut() {
            last.refused = true;
        }
    }
}

#[cfg(test)]
mod tests;
