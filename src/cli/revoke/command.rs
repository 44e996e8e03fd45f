//! `revoke`: by what tokens have in common, at the store or by the admin listener of a gateway.

use clap::ArgGroup;
use http::Method;
use serde_json::Value;

use crate::cli::admin_client::AdminOptions;
use crate::cli::arguments::moment_argument;
use crate::cli::failure::{Exit, Failure};
use crate::cli::operator::Operator;
use crate::cli::output::{printable, write_err, write_out};
use crate::clock::{Clock, UnixTime};
use crate::revocation::RevocationKind;
use crate::revocation_feed::{Moment, RevocationRequest, StoreChange};

use super::list::List;

/// Refuse tokens that are still valid, of any issuer: on every gateway of the store, within a second
///
/// Written to the store of the configuration. With --admin a running gateway writes it, and is known to refuse them when this
/// ends. `revoke list` shows what is revoked.
#[derive(Clone, Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    group = ArgGroup::new("what").required(true).args(["jti", "sid", "sub", "client", "kid", "all"]),
)]
pub(in crate::cli) struct Revoke {
    #[command(subcommand)]
    command: Option<Other>,
    #[command(flatten)]
    admin: AdminOptions,
    /// Issuer of the tokens: its name in the configuration, or its `iss` [default: the only one]
    #[arg(long, value_name = "NAME")]
    issuer: Option<String>,
    /// One token, by its `jti`
    #[arg(long, value_name = "JTI")]
    jti: Option<String>,
    /// The tokens of one session, by their `sid`
    #[arg(long, value_name = "SID")]
    sid: Option<String>,
    /// The tokens of one subject: `sub`, which for the local issuer is the id of a user (`user list --json`)
    #[arg(long, value_name = "SUB")]
    sub: Option<String>,
    /// The tokens of one client: `client_id`, `azp`, `cid` or `appid`
    #[arg(long, value_name = "CLIENT")]
    client: Option<String>,
    /// The tokens that one key has signed: `kid`
    #[arg(long, value_name = "KID")]
    kid: Option<String>,
    /// All tokens of the issuer
    #[arg(long)]
    all: bool,
    /// Only those that were issued then or before: `now`, 2026-01-31T12:00:00Z, or seconds since 1970
    #[arg(long, value_name = "TIME", value_parser = before_argument)]
    before: Option<Moment>,
    /// When it may be forgotten [default: when the longest life of a token is over, if the issuer has a `max_lifetime`; what a
    /// key signs: never]
    #[arg(long, value_name = "TIME", value_parser = moment_argument)]
    until: Option<UnixTime>,
    /// `exp` of the token: then it may be forgotten
    #[arg(long, value_name = "TIME", value_parser = moment_argument, requires = "jti")]
    exp: Option<UnixTime>,
    /// Take it back: what was revoked is admitted again
    #[arg(long)]
    remove: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Other {
    List(List),
}

fn before_argument(text: &str) -> Result<Moment, String> {
    Moment::parse(text).ok_or_else(|| {
        "write it as `now`, 2026-01-31T12:00:00Z, or as seconds since 1970".to_owned()
    })
}

impl Revoke {
    /// Revokes, takes back, or lists.
    pub(in crate::cli) fn execute(&self) -> Result<Exit, Failure> {
        if let Some(Other::List(list)) = &self.command {
            return list.execute();
        }
        let request = self.request();
        request.check()?;
        let report = if self.admin.is_named() {
            match self.ask_gateway(&request)? {
                Ok(report) => report,
                Err(exit) => return Ok(exit),
            }
        } else {
            self.ask_store(&request)?
        };
        if self.json {
            write_out(format_args!("{report:#}\n"))?;
        } else {
            write_out(format_args!("{}\n", printable(&sentence(&report))))?;
        }
        // Nothing was there to be taken back.
        Ok(if report["removed"] == false {
            Exit::FAILED
        } else {
            Exit::OK
        })
    }

    fn request(&self) -> RevocationRequest {
        let named = [
            (RevocationKind::Jti, &self.jti),
            (RevocationKind::Sid, &self.sid),
            (RevocationKind::Sub, &self.sub),
            (RevocationKind::Client, &self.client),
            (RevocationKind::Kid, &self.kid),
        ];
        let named = named
            .into_iter()
            .find_map(|(kind, value)| Some((kind, value.as_deref()?)));
        // The parser lets nothing through that names none of all.
        let (kind, value) = named.unwrap_or((RevocationKind::All, ""));
        RevocationRequest {
            issuer: self.issuer.as_deref().map(Into::into),
            kind,
            value: value.into(),
            before: self.before,
            until: self.until,
            exp: self.exp,
            remove: self.remove,
        }
    }

    fn ask_store(&self, request: &RevocationRequest) -> Result<Value, Failure> {
        let config = self.admin.config().load()?;
        let change = request.resolve(&config, Clock::System.now())?;
        let number = Operator::with_store(self.admin.config(), |operator| {
            refuse_name(&change, operator)?;
            operator.ask(async |store, actor| change.apply(store, actor).await)
        })?;
        Ok(change.report(number))
    }

    fn ask_gateway(&self, request: &RevocationRequest) -> Result<Result<Value, Exit>, Failure> {
        let client = self.admin.client()?;
        let answer = client.ask(Method::POST, "/revocations", Some(&request.to_json()))?;
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        if answer.status.is_success() {
            return Ok(Ok(body));
        }
        let said = body["detail"].as_str().or_else(|| body["title"].as_str());
        let said = printable(said.unwrap_or("no reason is given"));
        write_err(format_args!("error: {}: {said}", answer.status));
        Ok(Err(Exit::FAILED))
    }
}

fn refuse_name(change: &StoreChange, operator: &Operator) -> Result<(), Failure> {
    let local = operator.tokens().map(|tokens| tokens.issuer);
    match operator.ask(async |store, _| change.user_by_name(local, store).await)? {
        Some(user) => Err(Failure::Usage(format!(
            "`{name}` is the name of a user, and `sub` of their tokens is the id: --sub {}\n  to end their sessions, with \
             their tokens: portcullis session end --user {name}",
            user.id,
            name = user.name
        ))),
        None => Ok(()),
    }
}

/// What was done, for people.
fn sentence(report: &Value) -> String {
    let text = |name: &str| report[name].as_str().unwrap_or_default();
    let what = match text("kind") {
        "all" => format!("all tokens of {}", text("issuer")),
        kind => format!("{kind} {} of {}", text("value"), text("issuer")),
    };
    match report["removed"].as_bool() {
        Some(true) => return format!("taken back: {what}"),
        Some(false) => return format!("nothing to take back: {what} is not revoked"),
        None => {}
    }
    let before = report["before"].as_str();
    let before = before.map_or_else(String::new, |before| format!(", issued until {before}"));
    let until = report["until"].as_str().map_or_else(
        || "until it is taken back (--remove)".to_owned(),
        |until| format!("until {until}"),
    );
    let late = if report["in_force"] == false {
        "; not yet in force: the gateway could not read the store in time"
    } else {
        ""
    };
    format!("revoked: {what}{before}; kept {until}{late}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_done_is_said_in_one_line() {
        for (report, said) in [
            (
                json!({"number": 1, "issuer": "https://a", "kind": "sub", "value": "u",
                       "before": "2026-01-01T00:00:00Z", "until": "2026-01-02T00:00:00Z"}),
                "revoked: sub u of https://a, issued until 2026-01-01T00:00:00Z; kept until 2026-01-02T00:00:00Z",
            ),
            (
                json!({"number": 1, "issuer": "https://a", "kind": "all", "value": "",
                       "before": null, "until": null, "in_force": true}),
                "revoked: all tokens of https://a; kept until it is taken back (--remove)",
            ),
            (
                json!({"removed": true, "issuer": "https://a", "kind": "kid", "value": "k"}),
                "taken back: kid k of https://a",
            ),
            (
                json!({"removed": false, "issuer": "https://a", "kind": "jti", "value": "j"}),
                "nothing to take back: jti j of https://a is not revoked",
            ),
        ] {
            assert_eq!(sentence(&report), said);
        }
    }
}
