//! What an operator asks to be revoked: the same on the command line and in the admin API.

use serde_json::{Map, Value as Json, json};

use crate::clock::UnixTime;
use crate::config::Config;
use crate::json::{self, Object, Value};
use crate::jwt::IssuerPolicy;
use crate::revocation::RevocationKind;
use crate::store::{Actor, NewRevocation, Store, StoreError, User, UserName};

/// A revocation as someone asks for it, or that one be taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevocationRequest {
    /// An issuer's name in gateway.toml or its `iss`; needed where there are several.
    pub issuer: Option<Box<str>>,
    /// What is revoked.
    pub kind: RevocationKind,
    /// What tokens have there; empty for `all`.
    pub value: Box<str>,
    /// Only tokens that were issued at this moment or before.
    pub before: Option<Moment>,
    /// When it may be forgotten, if that is known better than from the issuer's `max_lifetime`.
    pub until: Option<UnixTime>,
    /// `exp` of the one token: then it is forgotten when that is over.
    pub exp: Option<UnixTime>,
    /// It is to be taken back.
    pub remove: bool,
}

/// A moment that someone names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// `now`: when it is done.
    Now,
    /// A second.
    At(UnixTime),
}

/// Why a request cannot be carried out. `Display` is for the one who asks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RevocationRequestError {
    /// No JSON object, or one that says something twice.
    #[error("the body must be a JSON object such as {{\"issuer\": \"NAME\", \"sub\": \"alice\"}}")]
    NoObject,
    /// A member that there is none of.
    #[error(
        "there is no member {0:?}: issuer, jti, sid, sub, client, kid, all, before, until, exp and remove are"
    )]
    Unknown(Box<str>),
    /// A member of another type, or a moment that is none.
    #[error("{name}: {expected}")]
    Wrong {
        /// The member.
        name: &'static str,
        /// What it may be.
        expected: &'static str,
    },
    /// Nothing, or too much, is to be revoked.
    #[error("exactly one of jti, sid, sub, client, kid and all says what is revoked")]
    NotOne,
    /// A value that no token has.
    #[error("{0} is empty")]
    Empty(&'static str),
    /// `exp` is that of one token.
    #[error("exp goes with jti alone")]
    Exp,
    /// It would be forgotten before it refuses anything: a year that was mistyped, most likely.
    #[error("{name} is over: nothing would be refused (it is {now})")]
    Over {
        /// The member.
        name: &'static str,
        /// When it was asked.
        now: UnixTime,
    },
    /// Nobody knows whose tokens are meant.
    #[error("there are several issuers: say which one ({0})")]
    WhichIssuer(String),
    /// None of the configuration.
    #[error("there is no issuer {named:?}; the configuration has {known}")]
    NoIssuer {
        /// As it was named.
        named: Box<str>,
        /// The names that there are.
        known: String,
    },
}

/// What is to be done at the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreChange {
    /// Revoke.
    Revoke(NewRevocation),
    /// Take back.
    Remove {
        /// `iss`
        issuer: Box<str>,
        /// Of which kind.
        kind: RevocationKind,
        /// Of which value.
        value: Box<str>,
    },
}

impl Moment {
    /// `now`, RFC 3339, or seconds since 1970.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text == "now" {
            return Some(Self::Now);
        }
        moment(text).map(Self::At)
    }

    fn at(self, now: UnixTime) -> UnixTime {
        match self {
            Self::Now => now,
            Self::At(moment) => moment,
        }
    }
}

impl RevocationRequest {
    /// Reads what the admin API takes.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn from_json(body: &[u8]) -> Result<Self, RevocationRequestError> {
        let document = json::parse(body).map_err(|_| RevocationRequestError::NoObject)?;
        let root = document.root();
        let members = root.as_object().ok_or(RevocationRequestError::NoObject)?;
        check_names(members)?;
        let (kind, value) = target(members)?;
        let moment = |name| moment_of(members, name);
        let before = match members.get("before").and_then(|value| value.as_str()) {
            Some("now") => Some(Moment::Now),
            Some(_) | None => moment("before")?.map(Moment::At),
        };
        let request = Self {
            issuer: text_of(members, "issuer")?,
            kind,
            value,
            before,
            until: moment("until")?,
            exp: moment("exp")?,
            remove: flag_of(members, "remove")?,
        };
        request.check()?;
        Ok(request)
    }

    /// What [`Self::from_json`] reads.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let mut members = Map::new();
        let mut put = |name: &str, value: Json| members.insert(name.to_owned(), value);
        if let Some(issuer) = &self.issuer {
            put("issuer", json!(issuer));
        }
        match self.kind {
            RevocationKind::All => put("all", json!(true)),
            kind @ (RevocationKind::Jti
            | RevocationKind::Sid
            | RevocationKind::Sub
            | RevocationKind::Client
            | RevocationKind::Kid) => put(kind.name(), json!(self.value)),
        };
        match self.before {
            Some(Moment::Now) => drop(put("before", json!("now"))),
            Some(Moment::At(moment)) => drop(put("before", json!(moment.seconds()))),
            None => {}
        }
        for (name, moment) in [("until", self.until), ("exp", self.exp)] {
            if let Some(moment) = moment {
                put(name, json!(moment.seconds()));
            }
        }
        if self.remove {
            put("remove", json!(true));
        }
        Json::Object(members)
    }

    /// What does not need a configuration.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), RevocationRequestError> {
        if self.value.is_empty() && self.kind != RevocationKind::All {
            return Err(RevocationRequestError::Empty(self.kind.name()));
        }
        if self.exp.is_some() && self.kind != RevocationKind::Jti {
            return Err(RevocationRequestError::Exp);
        }
        Ok(())
    }

    /// What is to be done at the store, with the issuer's `iss` and the moment at which it may be forgotten.
    ///
    /// # Errors
    /// What is wrong with it, and an issuer that the configuration does not have, or does not tell from others.
    pub fn resolve(
        &self,
        config: &Config,
        now: UnixTime,
    ) -> Result<StoreChange, RevocationRequestError> {
        self.check()?;
        let policy = match self.policy(config) {
            // What was revoked of an issuer that is gone can still be taken back.
            Err(RevocationRequestError::NoIssuer { named, .. })
                if self.remove && named.contains(':') =>
            {
                return Ok(self.removal(&named));
            }
            policy => policy?,
        };
        if self.remove {
            return Ok(self.removal(&policy.issuer));
        }
        let before = self.before.map(|before| before.at(now));
        let (name, until) = match (self.until, self.exp) {
            (Some(until), _) => ("until", Some(until)),
            (None, Some(exp)) => ("exp", Some(exp.plus(policy.leeway))),
            // As long as the key is in a set, whoever has it can sign more.
            (None, None) if self.kind == RevocationKind::Kid && before.is_none() => ("", None),
            // Said by nobody, so no mistake: what was issued long before is over.
            (None, None) => ("", policy.over_by(before, now)),
        };
        if !name.is_empty() && until.is_some_and(|until| until <= now) {
            return Err(RevocationRequestError::Over { name, now });
        }
        Ok(StoreChange::Revoke(NewRevocation {
            issuer: policy.issuer.clone(),
            kind: self.kind.name(),
            value: self.value.clone(),
            before: before.map(UnixTime::seconds),
            until: until.map(UnixTime::seconds),
        }))
    }

    fn removal(&self, issuer: &str) -> StoreChange {
        StoreChange::Remove {
            issuer: issuer.into(),
            kind: self.kind,
            value: self.value.clone(),
        }
    }

    fn policy<'c>(&self, config: &'c Config) -> Result<&'c IssuerPolicy, RevocationRequestError> {
        let known = || {
            let all = config.issuers.iter().map(|issuer| &*issuer.name);
            all.collect::<Vec<_>>().join(", ")
        };
        let Some(named) = &self.issuer else {
            return match &*config.issuers {
                [only] => Ok(&only.policy),
                _ => Err(RevocationRequestError::WhichIssuer(known())),
            };
        };
        // A name first: it is what gateway.toml calls one, whatever another one's `iss` is.
        let issuers = config.issuers.iter();
        issuers
            .clone()
            .find(|issuer| *issuer.name == **named)
            .or_else(|| {
                issuers
                    .clone()
                    .find(|issuer| issuer.policy.issuer == *named)
            })
            .map(|issuer| &issuer.policy)
            .ok_or_else(|| RevocationRequestError::NoIssuer {
                named: named.clone(),
                known: known(),
            })
    }
}

impl StoreChange {
    /// What was done, for who asked: `number` is what [`Self::apply`] said. Times are RFC 3339 in UTC.
    #[must_use]
    pub fn report(&self, number: Option<i64>) -> Json {
        let shown =
            |moment: Option<i64>| moment.map(|seconds| UnixTime::from_seconds(seconds).to_string());
        match self {
            Self::Revoke(revocation) => json!({
                "number": number,
                "issuer": revocation.issuer,
                "kind": revocation.kind,
                "value": revocation.value,
                "before": shown(revocation.before),
                "until": shown(revocation.until),
            }),
            Self::Remove {
                issuer,
                kind,
                value,
            } => json!({
                "removed": number.is_some(),
                "issuer": issuer,
                "kind": kind.name(),
                "value": value,
            }),
        }
    }

    /// The user whose name stands where the id belongs. Tokens of the local issuer have the id in `sub`: whoever writes the name
    /// would be told that it is revoked, and no token would be. `local` is the `iss` of that issuer.
    ///
    /// # Errors
    /// The store's.
    pub async fn user_by_name(
        &self,
        local: Option<&str>,
        store: &Store,
    ) -> Result<Option<User>, StoreError> {
        let Self::Revoke(revocation) = self else {
            return Ok(None);
        };
        if revocation.kind != RevocationKind::Sub.name() || local != Some(&*revocation.issuer) {
            return Ok(None);
        }
        let value = &*revocation.value;
        // The tokens of a client have its id there, which may be somebody's name too.
        match UserName::parse(value) {
            Ok(name) if store.client(value).await?.is_none() => store.user(&name).await,
            Ok(_) | Err(_) => Ok(None),
        }
    }

    /// Does it: the number of the revocation. `None`: there was none to be taken back.
    ///
    /// # Errors
    /// The store's.
    pub async fn apply(&self, store: &Store, by: &Actor) -> Result<Option<i64>, StoreError> {
        match self {
            Self::Revoke(revocation) => {
                let numbers = store.revoke(std::slice::from_ref(revocation), by).await?;
                Ok(numbers.first().copied())
            }
            Self::Remove {
                issuer,
                kind,
                value,
            } => {
                let was_there = store.unrevoke(issuer, kind.name(), value, by).await?;
                if was_there {
                    return store.newest_revocation().await.map(Some);
                }
                Ok(None)
            }
        }
    }
}

fn check_names(members: Object<'_>) -> Result<(), RevocationRequestError> {
    const OTHERS: [&str; 5] = ["issuer", "before", "until", "exp", "remove"];
    let is_known = |name: &str| OTHERS.contains(&name) || RevocationKind::from_name(name).is_some();
    match members.iter().find(|(name, _)| !is_known(name)) {
        Some((name, _)) => Err(RevocationRequestError::Unknown(name.into())),
        None => Ok(()),
    }
}

/// What is to be revoked: the one member that says it.
fn target(members: Object<'_>) -> Result<(RevocationKind, Box<str>), RevocationRequestError> {
    let mut found = None;
    for kind in RevocationKind::ALL {
        let value = match kind {
            RevocationKind::All => flag_of(members, "all")?.then(Box::default),
            RevocationKind::Jti
            | RevocationKind::Sid
            | RevocationKind::Sub
            | RevocationKind::Client
            | RevocationKind::Kid => text_of(members, kind.name())?,
        };
        let Some(value) = value else { continue };
        if found.replace((kind, value)).is_some() {
            return Err(RevocationRequestError::NotOne);
        }
    }
    found.ok_or(RevocationRequestError::NotOne)
}

fn wrong<T>(name: &'static str, expected: &'static str) -> Result<T, RevocationRequestError> {
    Err(RevocationRequestError::Wrong { name, expected })
}

fn text_of(
    members: Object<'_>,
    name: &'static str,
) -> Result<Option<Box<str>>, RevocationRequestError> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.into())),
        Some(_) => wrong(name, "write a text"),
    }
}

fn flag_of(members: Object<'_>, name: &'static str) -> Result<bool, RevocationRequestError> {
    match members.get(name) {
        None => Ok(false),
        Some(Value::Bool(flag)) => Ok(flag),
        Some(_) => wrong(name, "write true or false"),
    }
}

/// RFC 3339, or seconds since 1970 as tokens have them.
fn moment_of(
    members: Object<'_>,
    name: &'static str,
) -> Result<Option<UnixTime>, RevocationRequestError> {
    let read = match members.get(name) {
        None => return Ok(None),
        Some(Value::String(text)) => moment(text),
        Some(Value::Number(number)) => number.as_i64().map(UnixTime::from_seconds),
        Some(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) => None,
    };
    match read {
        Some(moment) => Ok(Some(moment)),
        None => wrong(
            name,
            "write it as \"2026-01-31T12:00:00Z\", or as seconds since 1970",
        ),
    }
}

/// A second, of which a fraction is more than was asked for.
fn moment(text: &str) -> Option<UnixTime> {
    if let Ok(seconds) = text.parse() {
        return Some(UnixTime::from_seconds(seconds));
    }
    let timestamp: jiff::Timestamp = text.parse().ok()?;
    let ceiling = i64::from(timestamp.subsec_nanosecond() > 0);
    Some(UnixTime::from_seconds(timestamp.as_second() + ceiling))
}

#[cfg(test)]
mod tests;
