//! `user import`: users of another program, with their hashes.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use crate::cli::config_file::ConfigFile;
use crate::cli::failure::{Exit, Failure};
use crate::cli::operator::Operator;
use crate::cli::output::{write_err, write_out};
use crate::store::{Existing, ImportReport, NewUser, StoreError};

use super::import_lines::{self, Format};

/// A larger file is not a list of users: 256 MiB.
const MOST_BYTES: u64 = 256 * 1024 * 1024;

/// Import users with the hashes of their passwords: all of a file, or none
///
/// htpasswd: a line `name:hash` for each user, `#` begins a comment. json: an object on each line, with `name` and, where
/// wanted, `hash`, `roles`, `scopes`, `claims` and `disabled`. Hashes: argon2id, argon2i, argon2d, bcrypt, and `$apr1$` and
/// `{SHA}` of htpasswd.
#[derive(Clone, Debug, clap::Args)]
pub(in crate::cli) struct Import {
    #[command(flatten)]
    config: ConfigFile,
    /// File with the users; `-` is standard input
    #[arg(id = "users", value_name = "FILE")]
    file: PathBuf,
    #[arg(
        long,
        help = "How the file is written [default: json for *.json, *.jsonl and *.ndjson, else htpasswd]"
    )]
    format: Option<FormatArgument>,
    /// What to do with users who are there already
    #[arg(long, default_value = "fail")]
    existing: ExistingArgument,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FormatArgument {
    /// `name:hash`
    Htpasswd,
    /// An object on each line
    Json,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ExistingArgument {
    /// Import nothing
    Fail,
    /// Leave them as they are
    Skip,
    /// Replace password, roles, scopes and claims
    Replace,
}

impl Import {
    /// Imports the users.
    pub(super) fn execute(&self) -> Result<Exit, Failure> {
        let text = self.read().map_err(|source| Failure::File {
            action: "read",
            path: self.file.clone(),
            source,
        })?;
        let users = import_lines::parse(&text, self.format()).map_err(|lines| Failure::Import {
            file: self.file.clone(),
            lines,
        })?;
        let existing = match self.existing {
            ExistingArgument::Fail => Existing::Fail,
            ExistingArgument::Skip => Existing::Skip,
            ExistingArgument::Replace => Existing::Replace,
        };
        let ImportReport {
            added,
            replaced,
            skipped,
        } = Operator::with_store(&self.config, |operator| {
            let tokens = operator.tokens();
            operator.ask(async |store, actor| {
                store
                    .import_users(&users, existing, tokens.as_ref(), actor)
                    .await
            })
        })
        .map_err(explain_existing)?;
        write_out(format_args!(
            "{added} added, {replaced} replaced, {skipped} left as they were\n"
        ))?;
        warn_of_weak(&users);
        Ok(Exit::OK)
    }

    fn read(&self) -> std::io::Result<Vec<u8>> {
        let mut text = Vec::new();
        let read = if self.file == Path::new("-") {
            std::io::stdin().take(MOST_BYTES + 1).read_to_end(&mut text)
        } else {
            let file = std::fs::File::open(&self.file)?;
            file.take(MOST_BYTES + 1).read_to_end(&mut text)
        }?;
        if u64::try_from(read).is_ok_and(|read| read > MOST_BYTES) {
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        Ok(text)
    }

    fn format(&self) -> Format {
        let extension = self.file.extension().and_then(|text| text.to_str());
        let is_json = match self.format {
            Some(FormatArgument::Json) => true,
            Some(FormatArgument::Htpasswd) => false,
            None => matches!(extension, Some("json" | "jsonl" | "ndjson")),
        };
        if is_json {
            Format::Json
        } else {
            Format::Htpasswd
        }
    }
}

fn explain_existing(failure: Failure) -> Failure {
    if let Failure::Store(there @ StoreError::AlreadyExists(_)) = failure {
        return Failure::ImportExists(there);
    }
    failure
}

/// Imported all the same: the users are to keep their passwords, and the file is as weak as the store.
fn warn_of_weak(users: &[NewUser]) {
    let hashes = users.iter().filter_map(NewUser::password);
    let count = hashes.filter(|hash| hash.kind().is_weak()).count();
    if count > 0 {
        write_err(format_args!(
            "warning: {count} of the hashes in the file are of MD5 or SHA-1: whoever sees one has the password soon"
        ));
    }
}
