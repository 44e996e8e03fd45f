//! `client rotate-secret`: another secret for a client.

use crate::cli::config_file::ConfigFile;
use crate::cli::failure::{Exit, Failure};
use crate::cli::operator::Operator;

use super::secret::ClientSecret;
use super::switch::not_our_own;

/// Give a client another secret, and show it this once. The old one is worth nothing from now on
///
/// Standard output gets the secret and nothing else. A public client becomes one with a secret. Tokens that the client has stay valid: `portcullis revoke --client`
/// ends them.
#[derive(Clone, Debug, clap::Args)]
pub(in crate::cli) struct RotateSecret {
    #[command(flatten)]
    config: ConfigFile,
    /// Its `client_id`
    id: String,
}

impl RotateSecret {
    /// Sets the secret. A client that had none becomes one with a secret.
    pub(super) fn execute(&self) -> Result<Exit, Failure> {
        not_our_own(&self.id)?;
        let (id, secret) = (&self.id, ClientSecret::random()?);
        let digest = secret.digest();
        let was_public = Operator::with_store(&self.config, |operator| {
            let client = operator.ask(async |store, _| store.client(id).await)?;
            operator.ask(async |store, actor| store.set_client_secret(id, digest, actor).await)?;
            Ok(client.is_some_and(|client| client.secret.is_none()))
        })?;
        secret.show(&if was_public {
            format!("client {id} is public no more")
        } else {
            format!("client {id} has another secret")
        })?;
        Ok(Exit::OK)
    }
}
