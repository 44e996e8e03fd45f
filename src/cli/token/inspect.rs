//! `token inspect`: what a token says, and whether the configuration takes it. The signature is never printed, so that
//! what is pasted into a ticket is not a credential.

use std::fmt::Write as _;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::cli::arguments::moment_argument;
use crate::cli::config_file::ConfigFile;
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::{Colour, Paint, printable, write_err, write_out};
use crate::clock::distance;
use crate::clock::{Clock, UnixTime};
use crate::config::Config;
use crate::gate::Rejection;
use crate::jwt::{self, TokenError};
use crate::keys::{self, RemoteKeySets, SourceId};

/// More than any gateway takes; a file given by mistake is not read to its end.
const MOST_BYTES: u64 = 1024 * 1024;

/// Claims that are moments (RFC 7519 §4.1, `OpenID` Connect Core §2).
const MOMENTS: [(&str, &str, &str); 5] = [
    ("exp", "expires", "expired"),
    ("nbf", "valid from", "valid since"),
    ("iat", "issued", "issued"),
    ("auth_time", "signed in", "signed in"),
    ("updated_at", "updated", "updated"),
];

/// Show a token's header and claims, and the verdict of the configuration if there is one
///
/// Keys that are fetched are those that a gateway on this machine has kept. Exits with 3 if the token is refused.
#[derive(Clone, Debug, clap::Args)]
pub(in crate::cli) struct Inspect {
    /// The token; `-` reads it from standard input, `@FILE` from a file. Tokens on a command line are seen by others
    #[arg(value_name = "TOKEN", default_value = "-", hide_default_value = true)]
    token: String,
    #[command(flatten)]
    config: ConfigFile,
    /// Judge as of then: 2026-01-31T12:00:00Z, or seconds since 1970 [default: now]
    #[arg(long, value_name = "TIME", value_parser = moment_argument, allow_hyphen_values = true)]
    at: Option<UnixTime>,
}

/// What the issuers of the configuration say.
enum Verdict {
    /// There is no configuration.
    NotAsked,
    Accepted {
        issuer: String,
    },
    Refused(TokenError),
}

impl Inspect {
    /// Shows the token.
    pub(super) fn execute(&self) -> Result<Exit, Failure> {
        let text = read_token(&self.token)?;
        let token = bare(&text);
        let now = self.at.unwrap_or_else(|| Clock::System.now());
        let (verdict, notes) = match self.config.load_if_there()? {
            Some(config) => {
                let sets = RemoteKeySets::new(&config.state_directory, Clock::System);
                let notes = notes(&config, token, &sets);
                (verdict(&config, token, now, &sets)?, notes)
            }
            None => (Verdict::NotAsked, String::new()),
        };
        let colour = Colour::of_stdout();
        let shown = render(token, &verdict, now, colour);
        write_out(format_args!("{shown}{notes}"))?;
        Ok(match verdict {
            Verdict::Refused(_) => Exit::REFUSED,
            Verdict::NotAsked if parts(token).is_none() => Exit::REFUSED,
            Verdict::NotAsked | Verdict::Accepted { .. } => Exit::OK,
        })
    }
}

fn read_token(argument: &str) -> Result<String, Failure> {
    let mut text = String::new();
    if argument == "-" {
        std::io::stdin()
            .take(MOST_BYTES)
            .read_to_string(&mut text)?;
    } else if let Some(path) = argument.strip_prefix('@') {
        std::fs::File::open(path)
            .and_then(|file| file.take(MOST_BYTES).read_to_string(&mut text))
            .map_err(|source| Failure::File {
                action: "read",
                path: PathBuf::from(path),
                source,
            })?;
    } else {
        argument.clone_into(&mut text);
    }
    Ok(text)
}

/// The token without what people copy along with it: white space, and the rest of an `Authorization` line.
fn bare(text: &str) -> &str {
    text.split_ascii_whitespace().next_back().unwrap_or("")
}

fn verdict(
    config: &Config,
    token: &str,
    now: UnixTime,
    sets: &RemoteKeySets,
) -> Result<Verdict, Failure> {
    let mut issuers = Vec::new();
    for issuer in &config.issuers {
        let loaded = keys::load(issuer, &config.state_directory, sets)?;
        for skipped in &loaded.skipped {
            write_err(crate::cli::check::render_skipped(&issuer.name, skipped));
        }
        issuers.push(Arc::new(jwt::Issuer {
            name: Arc::clone(&issuer.name),
            policy: Arc::new(issuer.policy.clone()),
            keys: loaded.keys,
        }));
    }
    let limit = config.server.limits.token_bytes;
    if token.len() > limit {
        return Ok(Verdict::Refused(TokenError::TooLong { limit }));
    }
    Ok(
        match jwt::verify(token.as_bytes(), &issuers, |_| true, now) {
            Ok(verified) => Verdict::Accepted {
                issuer: verified
                    .issuer_among(&issuers)
                    .map_or_else(String::new, |index| issuers[index].name.to_string()),
            },
            Err(error) => Verdict::Refused(error),
        },
    )
}

/// Which keys of the token's issuer were looked at, if they are fetched: nothing is fetched here.
fn notes(config: &Config, token: &str, sets: &RemoteKeySets) -> String {
    let claimed =
        parts(token).and_then(|(_, claims)| Some(claims.get("iss")?.as_str()?.to_owned()));
    let issuers = config.issuers.iter();
    let mut text = String::new();
    for issuer in issuers.filter(|issuer| claimed.as_deref() == Some(&issuer.policy.issuer)) {
        for id in SourceId::all_of(issuer) {
            let url = id.name();
            let _ = if let Some(held) = sets.current(&id, issuer.refresh.stale_for) {
                let fetched = distance(held.fetched, Clock::System.now());
                writeln!(
                    text,
                    "  with the keys that a gateway fetched {fetched} from {url}"
                )
            } else {
                let kept = config.state_directory.display();
                // Those of the local issuer lie sealed in the store, for gateways alone.
                let instead = if issuer.keys.are_stored() {
                    ": inspect it where a gateway runs that has been ready"
                } else {
                    ""
                };
                writeln!(
                    text,
                    "  without the keys of {url}: none are kept in {kept}{instead}"
                )
            };
        }
    }
    printable(&text)
}

/// Header and claims, read leniently: a token that is refused must be readable here all the same.
fn parts(token: &str) -> Option<(Value, Value)> {
    let mut parts = token.split('.');
    let mut json = || -> Option<Value> {
        let part = parts.next()?.trim_end_matches('=');
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
    };
    Some((json()?, json()?))
}

fn render(token: &str, verdict: &Verdict, now: UnixTime, colour: Colour) -> String {
    let mut text = String::new();
    let title = |word: &str| colour.paint(Paint::Strong, word);
    match parts(token) {
        Some((header, claims)) => {
            let _ = writeln!(text, "{}\n{}", title("header"), json(&header));
            let _ = writeln!(text, "{}\n{}", title("claims"), json(&claims));
            let moments = render_moments(&claims, now);
            if !moments.is_empty() {
                let _ = write!(text, "{}\n{moments}", title("times"));
            }
        }
        None => text.push_str("not a JWT: no two parts that are base64url of JSON\n"),
    }
    let said = match verdict {
        Verdict::NotAsked => "not checked: there is no configuration (-c FILE)".to_owned(),
        Verdict::Accepted { issuer } => {
            let word = colour.paint(Paint::Good, "accepted");
            format!("{word} for issuer {issuer:?}; a route may still want scopes and claims")
        }
        Verdict::Refused(error) => {
            let reason = Rejection::from(error.clone()).reason;
            let word = colour.paint(Paint::Error, &format!("refused: {reason}"));
            format!("{word}: {error}")
        }
    };
    let _ = writeln!(text, "{}\n  {said}", title("verdict"));
    text
}

fn json(value: &Value) -> String {
    printable(&format!("{value:#}"))
}

/// One line for each claim that is a moment.
fn render_moments(claims: &Value, now: UnixTime) -> String {
    let mut text = String::new();
    for (claim, ahead, passed) in MOMENTS {
        let Some(moment) = claims.get(claim).and_then(whole_seconds) else {
            continue;
        };
        let word = if now < moment { ahead } else { passed };
        let away = distance(moment, now);
        let _ = writeln!(text, "  {claim} {moment} ({word} {away})");
    }
    text
}

/// A `NumericDate` in whole seconds; a fraction counts up, as it does where tokens are checked.
fn whole_seconds(value: &Value) -> Option<UnixTime> {
    let seconds = value.as_i64().or_else(|| {
        let ceiled = value.as_f64()?.ceil();
        // Every i64 of this text is exact enough: beyond 2^53 seconds no calendar reaches.
        format!("{ceiled:.0}").parse().ok()
    })?;
    Some(UnixTime::from_seconds(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(header: &str, claims: &str) -> String {
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.c2lnbmF0dXJl", encode(header), encode(claims))
    }

    #[test]
    fn the_token_is_found_in_what_people_paste() {
        for text in [
            "a.b.c",
            " a.b.c\n",
            "Bearer a.b.c",
            "Authorization: Bearer a.b.c\r\n",
        ] {
            assert_eq!(bare(text), "a.b.c");
        }
    }

    #[test]
    fn header_claims_and_times_are_shown_and_the_signature_is_not() {
        let token = token(
            r#"{"alg":"EdDSA","kid":"k1"}"#,
            r#"{"sub":"alice","exp":1000,"iat":400.5}"#,
        );
        let now = UnixTime::from_seconds(1180);
        let shown = render(&token, &Verdict::NotAsked, now, Colour::OFF);
        assert!(shown.contains("\"kid\": \"k1\""), "{shown}");
        assert!(shown.contains("\"sub\": \"alice\""), "{shown}");
        assert!(
            shown.contains("exp 1970-01-01T00:16:40Z (expired 3 minutes ago)"),
            "{shown}"
        );
        assert!(
            shown.contains("iat 1970-01-01T00:06:41Z (issued 12 minutes ago)"),
            "{shown}"
        );
        assert!(!shown.contains("c2lnbmF0dXJl"), "{shown}");
        assert!(!shown.contains(&token), "{shown}");
    }

    #[test]
    fn a_refusal_says_why() {
        let token = token("{}", "{}");
        let refused = Verdict::Refused(TokenError::BadSignature);
        let shown = render(&token, &refused, UnixTime::default(), Colour::OFF);
        assert!(
            shown.ends_with("verdict\n  refused: bad_signature: bad signature\n"),
            "{shown}"
        );
    }

    #[test]
    fn what_is_no_token_is_said_to_be_none() {
        for text in ["", "abc", "a.b", "!.!.!"] {
            assert!(parts(text).is_none(), "{text}");
        }
        let shown = render("abc", &Verdict::NotAsked, UnixTime::default(), Colour::OFF);
        assert!(shown.starts_with("not a JWT"), "{shown}");
    }

    #[test]
    fn a_claim_cannot_fake_the_verdict() {
        let token = token("{}", "{\"sub\":\"\\u001b[2Aaccepted\\u009b1A\"}");
        let refused = Verdict::Refused(TokenError::BadSignature);
        let shown = render(&token, &refused, UnixTime::default(), Colour::OFF);
        assert!(
            !shown.contains('\u{1b}') && !shown.contains('\u{9b}'),
            "{shown:?}"
        );
    }
}
