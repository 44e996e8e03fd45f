//! `session list`: who is signed in, where and since when.

use std::collections::HashMap;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::cli::columns::columns;
use crate::cli::config_file::ConfigFile;
use crate::cli::failure::{Exit, Failure};
use crate::cli::operator::Operator;
use crate::cli::output::write_out;
use crate::clock::{Clock, UnixTime};
use crate::store::{Session, SessionFilter, StoreError, UserName};

/// List the sessions that go on, the oldest first
#[derive(Clone, Debug, clap::Args)]
pub(in crate::cli) struct List {
    #[command(flatten)]
    config: ConfigFile,
    /// Only those of this user
    #[arg(long, value_name = "NAME")]
    user: Option<UserName>,
    /// Those that are over or were ended, too, as long as the store has them
    #[arg(long)]
    all: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl List {
    /// Lists the sessions.
    pub(super) fn execute(&self) -> Result<Exit, Failure> {
        let sessions = Operator::with_store(&self.config, |operator| self.named(operator))?;
        if self.json {
            let sessions: Vec<Value> = sessions.iter().map(to_json).collect();
            write_out(format_args!("{:#}\n", json!({ "sessions": sessions })))?;
        } else {
            let now = Clock::System.now();
            let heads = [
                "ID",
                "USER",
                "CLIENT",
                "STATE",
                "STARTED",
                "LAST SEEN",
                "ADDRESS",
                "DEVICE",
            ];
            write_out(columns(heads, sessions.iter().map(|named| row(named, now))))?;
        }
        Ok(Exit::OK)
    }

    /// The sessions with the names of their users.
    fn named(&self, operator: &Operator) -> Result<Vec<(Box<str>, Session)>, Failure> {
        let user = self.user.as_ref().map(|name| operator.user(name));
        let filter = SessionFilter {
            user: user.transpose()?.map(|user| user.id),
            live_only: !self.all,
        };
        let mut names: HashMap<Uuid, Box<str>> = HashMap::new();
        let sessions = operator.all(async |store, last: Option<&Session>, most| {
            let after = last.map(|session| session.id);
            store.sessions(&filter, after, most).await
        })?;
        let with_name = |session| Ok((name_of(&mut names, operator, &session)?, session));
        sessions.into_iter().map(with_name).collect()
    }
}

/// The name of a session's user, of which each is asked for once.
fn name_of(
    names: &mut HashMap<Uuid, Box<str>>,
    operator: &Operator,
    session: &Session,
) -> Result<Box<str>, Failure> {
    if let Some(name) = names.get(&session.user) {
        return Ok(name.clone());
    }
    let user = operator.ask(async |store, _| store.user_of(session.user).await)?;
    let gone = || StoreError::Corrupt(format!("session {} has no user", session.id));
    let name: Box<str> = user.ok_or_else(gone)?.name.as_str().into();
    names.insert(session.user, name.clone());
    Ok(name)
}

fn to_json((user, session): &(Box<str>, Session)) -> Value {
    json!({
        "id": session.id.to_string(),
        "user": user,
        "user_id": session.user.to_string(),
        "client": session.client,
        "scopes": session.scopes,
        "device": session.device,
        "address": session.address.to_string(),
        "created": session.created.to_string(),
        "last_seen": session.last_seen.to_string(),
        "expires": session.expires.to_string(),
        "ends": session.ends.to_string(),
        "ended": session.ended.map(|(at, _)| at.to_string()),
        "end_reason": session.ended.map(|(_, reason)| reason.as_str()),
        "refreshes": session.generation.saturating_sub(1),
    })
}

fn row((user, session): &(Box<str>, Session), now: UnixTime) -> [String; 8] {
    let state = match session.ended {
        Some((_, reason)) => reason.as_str(),
        None if session.expires.as_second() <= now.seconds() => "expired",
        None => "live",
    };
    let time = |moment: jiff::Timestamp| moment.strftime("%Y-%m-%dT%H:%MZ").to_string();
    [
        session.id.to_string(),
        user.to_string(),
        session.client.to_string(),
        state.to_owned(),
        time(session.created),
        time(session.last_seen),
        session.address.to_string(),
        session.device.to_string(),
    ]
}
