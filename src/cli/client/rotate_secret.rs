//! `client rotate-secret`: another secret for a client.

use crate::cli::config_file::ConfigFile;
use crate::cli::failure::{Exit, Failure};
use crate::cli::operator::Operator;

use super::secret::ClientSecret;

/// Give a client another secret, and show it this once. The old one is worth nothing from now on
///
/// Standard output gets the secret and nothing else. Tokens that the client has stay valid: `portcullis revoke --client`
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
        let (id, secret) = (&self.id, ClientSecret::random()?);
        let digest = secret.digest();
        Operator::with_store(&self.config, |operator| {
            operator.ask(async |store, actor| store.set_client_secret(id, digest, actor).await)
        })?;
        secret.show(&format!("client {id} has another secret"))?;
        Ok(Exit::OK)
    }
}
