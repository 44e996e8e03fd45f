//! What a gateway with this configuration would have in force, as far as this machine knows: keys of files, key sets and the
//! list of revocations that a gateway has kept.

use std::sync::Arc;

use crate::cli::check::render_skipped;
use crate::cli::failure::Failure;
use crate::cli::output::write_err;
use crate::clock::{Clock, UnixTime, distance};
use crate::config::Config;
use crate::explain::{KeyFacts, KeyOrigin};
use crate::gate::Reason;
use crate::jwt::VerifyingKey;
use crate::keys::{RemoteKeySets, SourceId};
use crate::metrics::Metrics;
use crate::revocation::RevocationSet;
use crate::revocation_feed::kept_list;
use crate::snapshot::{Fixtures, Snapshot};

/// A snapshot that nobody serves from.
pub(super) struct Offline {
    pub(super) snapshot: Snapshot,
    pub(super) revocations: Arc<RevocationSet>,
    /// What is not known here.
    pub(super) notes: Vec<String>,
    sets: Arc<RemoteKeySets>,
}

impl Offline {
    /// Builds it. Certificates, and CAs of upstreams, have no part in a decision, and are not looked at.
    pub(super) fn new(mut config: Config, now: UnixTime) -> Result<Self, Failure> {
        config.server.tls = None;
        for upstream in &mut config.upstreams {
            upstream.ca = None;
        }
        let sets = Arc::new(RemoteKeySets::new(&config.state_directory, Clock::System));
        let mut notes = Vec::new();
        let revocations = revocations(&config, now, &mut notes);
        for issuer in &config.issuers {
            for id in SourceId::all_of(issuer) {
                if sets.current(&id, issuer.refresh.stale_for).is_none() {
                    notes.push(format!("no keys of {} are kept here", id.name()));
                }
            }
        }
        let fixtures = Fixtures {
            metrics: Metrics::new(1, Reason::NAMES),
            tickets: rustls::crypto::aws_lc_rs::Ticketer::new().map_err(|_| Failure::Randomness)?,
            clock: Clock::System,
            keys: Arc::clone(&sets),
        };
        let snapshot = Snapshot::build(config, None, &fixtures)?;
        for (issuer, skipped) in snapshot.issuers.iter().zip(&snapshot.skipped_keys) {
            for key in skipped {
                write_err(render_skipped(&issuer.name, key));
            }
        }
        Ok(Self {
            snapshot,
            revocations,
            notes,
            sets,
        })
    }
}

/// What is revoked, as far as it is known here.
fn revocations(config: &Config, now: UnixTime, notes: &mut Vec<String>) -> Arc<RevocationSet> {
    let Some(store) = &config.store else {
        return Arc::new(RevocationSet::empty());
    };
    match kept_list(&config.state_directory, store, now) {
        Ok((list, as_of)) => {
            let age = distance(as_of, now);
            notes.push(format!("with the revocations that a gateway kept {age}"));
            list
        }
        Err(why) => {
            notes.push(format!("without the list of revocations: {why}"));
            Arc::new(RevocationSet::empty())
        }
    }
}

impl KeyFacts for Offline {
    fn origin(&self, issuer: &str, key: &VerifyingKey) -> KeyOrigin {
        let source = key.source().map(ToString::to_string);
        let config = &self.snapshot.config;
        let issuer = config.issuers.iter().find(|it| *it.name == *issuer);
        let fetched = issuer.and_then(|issuer| {
            let id = SourceId::all_of(issuer).find(|id| Some(id.name()) == key.source())?;
            Some(self.sets.current(&id, issuer.refresh.stale_for)?.fetched)
        });
        KeyOrigin { source, fetched }
    }
}
