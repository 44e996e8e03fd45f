//! What a refresher fetches from: the network, or the script of a test.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::clock::UnixTime;
use crate::keys::{Fetched, KeysError, RemoteSource};

use super::settings::Settings;

/// What gives a JWK Set.
pub(super) trait Source: Send {
    /// One fetch, which ends within some seconds. The error is for the operator.
    fn fetch<'a>(
        &'a mut self,
        etag: Option<&'a str>,
        now: UnixTime,
    ) -> BoxFuture<'a, Result<Fetched, String>>;

    /// The last set lacks a key that tokens name.
    fn doubt_place(&mut self, now: UnixTime);

    /// Where it fetches from.
    fn url(&self) -> String;
}

/// Makes what a source's settings say. Blocks: it reads files.
pub(super) type MakeSource =
    Arc<dyn Fn(&Settings) -> Result<Box<dyn Source>, KeysError> + Send + Sync>;

/// The real one.
pub(super) fn make_remote(settings: &Settings) -> Result<Box<dyn Source>, KeysError> {
    let source = RemoteSource::new(&settings.issuer, &settings.source)?;
    Ok(Box::new(source))
}

impl Source for RemoteSource {
    fn fetch<'a>(
        &'a mut self,
        etag: Option<&'a str>,
        now: UnixTime,
    ) -> BoxFuture<'a, Result<Fetched, String>> {
        let fetch = Self::fetch(self, etag, now);
        fetch.map(|ended| ended.map_err(|e| e.to_string())).boxed()
    }

    fn doubt_place(&mut self, now: UnixTime) {
        Self::doubt_place(self, now);
    }

    fn url(&self) -> String {
        Self::url(self)
    }
}
