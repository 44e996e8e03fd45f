//! The store in the hands of the one who types: open for one command, and everything done in that person's name.

use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use crate::config::{Config, Environment};
use crate::store::{Actor, LocalTokens, Means, Store, StoreError, User, UserName};

use super::config_file::ConfigFile;
use super::failure::Failure;

/// Rows that are asked for at once.
const PAGE: u32 = 1000;

/// An open store, and who uses it.
pub(super) struct Operator {
    runtime: Runtime,
    store: Store,
    actor: Actor,
    local: Option<LocalIssuer>,
}

/// What is known of the tokens of the local issuer.
struct LocalIssuer {
    iss: Box<str>,
    keep_for: Duration,
}

impl Operator {
    /// Opens the store of the configuration for `work`, and closes it whatever comes of that.
    ///
    /// `work` itself runs outside the runtime: it may hash passwords and wait for someone to type.
    ///
    /// # Errors
    /// Of the configuration, of the store, and of `work`.
    pub(super) fn with_store<T>(
        config: &ConfigFile,
        work: impl FnOnce(&Self) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let config = config.load()?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let store = runtime.block_on(Store::open(&config.store_url()))?;
        let operator = Self {
            runtime,
            store,
            actor: actor(&Environment::of_process()),
            local: local_issuer(&config),
        };
        let done = work(&operator);
        operator.runtime.block_on(operator.store.close());
        done
    }

    /// One use of the store.
    ///
    /// # Errors
    /// The store's, or what else comes of it.
    pub(super) fn ask<T, E>(
        &self,
        question: impl AsyncFnOnce(&Store, &Actor) -> Result<T, E>,
    ) -> Result<T, Failure>
    where
        Failure: From<E>,
    {
        let answer = self.runtime.block_on(question(&self.store, &self.actor));
        Ok(answer?)
    }

    /// All of what the store gives in pages: `page` asks for those after the last one, and says how many at most.
    ///
    /// # Errors
    /// The store's.
    pub(super) fn all<T>(
        &self,
        mut page: impl AsyncFnMut(&Store, Option<&T>, u32) -> Result<Vec<T>, StoreError>,
    ) -> Result<Vec<T>, Failure> {
        let mut all: Vec<T> = Vec::new();
        loop {
            let found = self.runtime.block_on(page(&self.store, all.last(), PAGE))?;
            if found.is_empty() {
                return Ok(all);
            }
            all.extend(found);
        }
    }

    /// The user of this name.
    ///
    /// # Errors
    /// There is none, or the store's.
    pub(super) fn user(&self, name: &UserName) -> Result<User, Failure> {
        let user = self.ask(async |store, _| store.user(name).await)?;
        Ok(user.ok_or_else(|| StoreError::NotFound(name.to_string()))?)
    }

    /// Which tokens are to be refused when sessions end: those of the local issuer, if there is one.
    pub(super) fn tokens(&self) -> Option<LocalTokens<'_>> {
        self.local.as_ref().map(|local| LocalTokens {
            issuer: &local.iss,
            keep_for: local.keep_for,
        })
    }
}

/// A token may have been issued when `access_token` was longer than now, so the longest that any is accepted counts.
fn local_issuer(config: &Config) -> Option<LocalIssuer> {
    let local = config.local_issuer.as_ref()?;
    let policy = &config.issuers[local.issuer].policy;
    Some(LocalIssuer {
        iss: local.url.text.clone(),
        keep_for: policy.admitted_for(local.access_token),
    })
}

/// Who types, as the environment has it: it tells colleagues apart, and proves nothing.
fn actor(environment: &Environment) -> Actor {
    let named = ["USER", "LOGNAME"]
        .into_iter()
        .filter_map(|variable| environment.0.get(variable))
        .find(|name| !name.is_empty());
    Actor {
        means: Means::CommandLine,
        who: named.cloned().unwrap_or_else(|| {
            let id = rustix::process::getuid().as_raw();
            format!("uid {id}")
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operator_is_who_the_environment_says_or_a_number() {
        let named = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter();
            let pairs = pairs.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            actor(&Environment(pairs.collect())).who
        };
        assert_eq!(named(&[("USER", "ada"), ("LOGNAME", "bob")]), "ada");
        assert_eq!(named(&[("USER", ""), ("LOGNAME", "bob")]), "bob");
        assert!(named(&[]).starts_with("uid "));
    }
}
