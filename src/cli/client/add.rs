//! `client add`: a new client.

use crate::cli::config_file::ConfigFile;
use crate::cli::failure::{Exit, Failure};
use crate::cli::operator::Operator;
use crate::cli::output::write_err;
use crate::store::NewClient;

use super::secret::ClientSecret;

/// Add a client, and show its secret this once
///
/// Standard output gets the secret and nothing else. With it the client gets tokens of its own (grant `client_credentials`),
/// and may ask what a token says.
#[derive(Clone, Debug, clap::Args)]
pub(in crate::cli) struct Add {
    #[command(flatten)]
    config: ConfigFile,
    /// Its `client_id`: 1 to 255 visible ASCII characters
    id: String,
    /// A scope that it may be granted; may be repeated
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// No secret: a program that could not keep one, such as an app of a phone
    #[arg(long)]
    public: bool,
}

impl Add {
    /// Adds the client.
    pub(super) fn execute(&self) -> Result<Exit, Failure> {
        let secret = if self.public {
            None
        } else {
            Some(ClientSecret::random()?)
        };
        let digest = secret.as_ref().map(ClientSecret::digest);
        let client = NewClient::new(&self.id, digest, self.scopes.iter().cloned())?;
        Operator::with_store(&self.config, |operator| {
            operator.ask(async |store, actor| store.add_client(&client, actor).await)
        })?;
        let done = format!("client {} added", client.id());
        if let Some(secret) = secret {
            secret.show(&done)?;
        } else {
            write_err(format_args!("{done}, without a secret"));
        }
        Ok(Exit::OK)
    }
}
