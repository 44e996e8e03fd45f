//! How a command ends: a code, and a failure that knows its code.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use uuid::Uuid;

use crate::app::StartError;
use crate::config::ConfigErrors;
use crate::issuer::{KeyCheckError, RotateError};
use crate::jwt::KeyError;
use crate::keys::KeysError;
use crate::passwords::{Exhausted, PasswordError};
use crate::revocation_feed::RevocationRequestError;
use crate::store::{ClientError, StoreError};

use super::admin_client::AdminError;
use super::user::BadLine;

/// An exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exit(u8);

impl Exit {
    /// Done.
    pub(super) const OK: Self = Self(0);
    /// Something went wrong.
    pub(super) const FAILED: Self = Self(1);
    /// The command line makes no sense.
    pub(super) const USAGE: Self = Self(2);
    /// A token was refused.
    pub(super) const REFUSED: Self = Self(3);
    /// A port is taken, or somebody else's service away (`EX_UNAVAILABLE`).
    pub(super) const UNAVAILABLE: Self = Self(69);
    /// The configuration is wrong (`EX_CONFIG`).
    pub(super) const CONFIG: Self = Self(78);

    /// The code that a gateway ended with.
    pub(super) const fn of_gateway(code: u8) -> Self {
        Self(code)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.0)
    }
}

/// Why a command failed. `Display` is for standard error.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// No configuration file where one is looked for.
    #[error(
        "no configuration: give one with -c FILE or $PORTCULLIS_CONFIG, or write {places} (`portcullis dev` needs none)"
    )]
    NoConfig {
        /// Where one was looked for.
        places: String,
    },
    /// The configuration is wrong, with every place.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// The configuration is valid, and too dangerous to run.
    #[error("the configuration is refused: {codes}")]
    RefusedSettings {
        /// The codes of the settings at fault.
        codes: String,
    },
    /// The keys of an issuer cannot be loaded.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// A key given on the command line cannot be used.
    #[error("{what}: {error}")]
    Key {
        /// Which key.
        what: String,
        /// What is wrong with it.
        error: KeyError,
    },
    /// The options do not fit together, or a value is out of place.
    #[error("{0}")]
    Usage(String),
    /// A file, or standard output, did not do as asked.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Standard output or input failed, other than by being closed.
    #[error("standard input or output: {0}")]
    Stream(#[from] io::Error),
    /// The gateway does not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The address that `dev` wants is taken.
    #[error("{error}\n  another program listens there: choose another address with {option}")]
    Taken {
        /// What the system said.
        error: StartError,
        /// The options that change it.
        option: &'static str,
    },
    /// The admin listener gave no answer, or a refusal.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// Nobody can be asked, and there is another way.
    #[error("{error}\n  {instead}")]
    NoGateway {
        /// Why not.
        error: AdminError,
        /// The other way.
        instead: &'static str,
    },
    /// The store did not do as asked.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The local issuer has no other signing key.
    #[error(transparent)]
    Rotate(#[from] RotateError),
    /// What was given can be no password.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The memory that hashing a password takes is not there.
    #[error(transparent)]
    Exhausted(#[from] Exhausted),
    /// A password was asked for twice, and two came.
    #[error("the two passwords differ: nothing is changed")]
    PasswordsDiffer,
    /// A password was asked for, and none came.
    #[error("no password was given: nothing is changed")]
    NoPassword,
    /// What was given can be no client.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// There are no sessions where nobody signs in.
    #[error(
        "the configuration has no [local_issuer]: there are neither sessions nor keys of our own"
    )]
    NoLocalIssuer,
    /// What is asked for cannot be revoked.
    #[error(transparent)]
    Revocation(#[from] RevocationRequestError),
    /// There is no session of this id.
    #[error("there is no session {0}")]
    NoSession(Uuid),
    /// A file with users has lines that are wrong.
    #[error("{}: nothing is imported{}", file.display(), listed(lines))]
    Import {
        /// Which file.
        file: PathBuf,
        /// All of them.
        lines: Vec<BadLine>,
    },
    /// A file with users has one who is there.
    #[error(
        "{0}: nothing is imported\n  --existing skip leaves such users as they are, --existing replace replaces them"
    )]
    ImportExists(StoreError),
    /// Cases that cannot be run: where, and why.
    #[error("{0}")]
    Suite(String),
    /// The crypto library has no randomness.
    #[error("the system has no randomness")]
    Randomness,
}

impl Failure {
    /// The code it ends the process with. No `_` arm: a new failure must choose here.
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::NoConfig { .. }
            | Self::Config(_)
            | Self::RefusedSettings { .. }
            | Self::Keys(_)
            | Self::NoLocalIssuer
            | Self::Suite(_) => Exit::CONFIG,
            Self::Usage(_) | Self::Client(_) | Self::Revocation(_) => Exit::USAGE,
            Self::Start(error) | Self::Taken { error, .. } => exit_of_start(error),
            Self::Store(error) => exit_of_store(error),
            Self::Rotate(error) => exit_of_rotation(error),
            // Also a gateway that does not answer: Docker reads 1 as "unhealthy" and knows no other code.
            Self::Key { .. }
            | Self::File { .. }
            | Self::Stream(_)
            | Self::Admin(_)
            | Self::NoGateway { .. }
            | Self::Password(_)
            | Self::Exhausted(_)
            | Self::PasswordsDiffer
            | Self::NoPassword
            | Self::NoSession(_)
            | Self::Import { .. }
            | Self::ImportExists(_)
            | Self::Randomness => Exit::FAILED,
        }
    }
}

fn exit_of_start(error: &StartError) -> Exit {
    match error {
        StartError::Config(_) => Exit::CONFIG,
        StartError::Listen(_) => Exit::UNAVAILABLE,
        StartError::System(_) => Exit::FAILED,
    }
}

fn exit_of_store(error: &StoreError) -> Exit {
    match error {
        StoreError::Config(_) => Exit::CONFIG,
        StoreError::Unavailable(_) | StoreError::File { .. } => Exit::UNAVAILABLE,
        StoreError::NewerSchema { .. }
        | StoreError::Schema(_)
        | StoreError::AlreadyExists(_)
        | StoreError::NotFound(_)
        | StoreError::ClientExists(_)
        | StoreError::NoClient(_)
        | StoreError::NotRevocable(_)
        | StoreError::Twice(..)
        | StoreError::Corrupt(_) => Exit::FAILED,
    }
}

fn exit_of_rotation(error: &RotateError) -> Exit {
    match error {
        RotateError::Check(KeyCheckError::OtherKey) => Exit::CONFIG,
        RotateError::Store(error) | RotateError::Check(KeyCheckError::Store(error)) => {
            exit_of_store(error)
        }
        RotateError::Check(KeyCheckError::Seal(_))
        | RotateError::TooMany(_)
        | RotateError::Make(_)
        | RotateError::Ended(_) => Exit::FAILED,
    }
}

/// Each on a line of its own.
fn listed(lines: &[BadLine]) -> String {
    let lines = lines.iter().map(ToString::to_string);
    lines.flat_map(|line| ["\n  ".to_owned(), line]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::ListenError;

    #[test]
    fn each_failure_has_the_documented_code() {
        let taken = || {
            StartError::Listen(ListenError {
                address: ([127, 0, 0, 1], 8443).into(),
                source: io::ErrorKind::AddrInUse.into(),
            })
        };
        let no_config = Failure::NoConfig {
            places: "./gateway.toml".to_owned(),
        };
        let rows = [
            (no_config, 78),
            (Failure::Config(ConfigErrors(Vec::new())), 78),
            (Failure::Start(taken()), 69),
            (
                Failure::Taken {
                    error: taken(),
                    option: "--listen",
                },
                69,
            ),
            (Failure::Usage("--count 0".to_owned()), 2),
            (Failure::Randomness, 1),
            (RotateError::Check(KeyCheckError::OtherKey).into(), 78),
            (
                RotateError::Store(StoreError::Unavailable(String::new())).into(),
                69,
            ),
            (
                Failure::Start(StartError::System(io::ErrorKind::OutOfMemory.into())),
                1,
            ),
        ];
        for (failure, code) in rows {
            assert_eq!(failure.exit(), Exit(code), "{}", failure.exit().0);
        }
    }

    #[test]
    fn a_taken_port_names_the_address_and_the_option() {
        let failure = Failure::Taken {
            error: StartError::Listen(ListenError {
                address: ([127, 0, 0, 1], 8443).into(),
                source: io::ErrorKind::AddrInUse.into(),
            }),
            option: "--listen ADDRESS",
        };
        let text = failure.to_string();
        assert!(text.contains("127.0.0.1:8443"), "{text}");
        assert!(text.contains("--listen ADDRESS"), "{text}");
    }
}
