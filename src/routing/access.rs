//! What a route asks of verified claims: scopes, audiences and rules.

use std::net::IpAddr;

use http::Method;
use serde_json::Number;

use crate::config::{Authentication, Condition, Override, Requirements, Rule, Test};
use crate::json::{Object, Value};
use crate::jwt::ClaimsSet;

/// Who may pass a route.
#[derive(Clone, Debug)]
pub struct Access {
    /// Whether a token is needed.
    pub auth: Authentication,
    /// For each issuer of the configuration, by index: whether its tokens are admitted.
    pub issuers: Box<[bool]>,
    /// What is asked of their claims.
    pub requirements: Requirements,
    /// What is asked instead of some requests: the first that fits.
    pub overrides: Vec<Override>,
}

/// A request by which requirements are chosen, and the claims of its token.
#[derive(Clone, Copy, Debug)]
pub struct Claimant<'a> {
    /// The claims.
    pub claims: &'a ClaimsSet,
    /// Where the issuer's tokens name their audience: `aud`, or `client_id`.
    pub audience_claim: &'a str,
    /// The method of the request.
    pub method: &'a Method,
    /// Where the client is, as far as trusted proxies tell.
    pub client: IpAddr,
}

/// Why good claims do not suffice.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AccessError<'r> {
    /// The token is meant for none of the route's audiences: 401.
    WrongAudience,
    /// A scope is missing: which the route wants. 403.
    InsufficientScope(&'r [Box<str>]),
    /// The rule that failed: 403.
    ClaimMismatch(&'r Rule),
}

/// One thing that a route asks of claims, and whether they have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// What is asked: `scopes`, or the rule's name.
    pub name: String,
    /// What would be right.
    pub wanted: String,
    /// What the claims have, a claim as JSON; `None`: there is no such claim.
    pub actual: Option<String>,
    /// Whether the claims have it.
    pub holds: bool,
    /// Whether the request is refused if they do not: not so for one of several alternatives, or inside `not`.
    pub decides: bool,
}

impl Access {
    /// Whether tokens of that issuer are admitted.
    #[must_use]
    pub fn admits(&self, issuer: usize) -> bool {
        self.issuers.get(issuer).is_some_and(|admitted| *admitted)
    }

    /// What is asked of that request: of the first override that fits, else of the route. With it the override's number.
    #[must_use]
    pub fn asked_of(&self, method: &Method, client: IpAddr) -> (&Requirements, Option<usize>) {
        let mut overrides = self.overrides.iter();
        match overrides.position(|other| fits(other, method, client)) {
            Some(number) => (&self.overrides[number].requirements, Some(number)),
            None => (&self.requirements, None),
        }
    }

    /// Whether the claims satisfy audiences, scopes and rules.
    ///
    /// # Errors
    /// The first that fails.
    pub fn permits(&self, claimant: &Claimant<'_>) -> Result<(), AccessError<'_>> {
        let (asked, _) = self.asked_of(claimant.method, claimant.client);
        if !asked.audiences.is_empty() && !is_meant(&asked.audiences, claimant) {
            return Err(AccessError::WrongAudience);
        }
        permits_scopes(asked, |scope| {
            claimant.claims.scopes().any(|own| own == scope)
        })?;
        permits_claims(asked, claimant.claims.all())
    }

    /// Everything that is asked of the claims, each by itself: those that decide all hold exactly if [`Self::permits`] says so.
    #[must_use]
    pub fn examine(&self, claimant: &Claimant<'_>) -> Vec<Requirement> {
        let (asked, _) = self.asked_of(claimant.method, claimant.client);
        let claims = claimant.claims;
        let own = || Some(claims.scopes().collect::<Vec<_>>().join(" "));
        let has = |scope: &str| claims.scopes().any(|own| own == scope);
        let mut all = Vec::new();
        if !asked.audiences.is_empty() {
            all.push(Requirement {
                name: "audiences".to_owned(),
                wanted: format!("one of {}", asked.audiences.join(", ")),
                actual: claims.get(claimant.audience_claim).map(|it| it.to_json()),
                holds: is_meant(&asked.audiences, claimant),
                decides: true,
            });
        }
        all.extend(asked.scopes.iter().map(|scope| Requirement {
            name: "scopes".to_owned(),
            wanted: scope.to_string(),
            actual: own(),
            holds: has(scope),
            decides: true,
        }));
        if !asked.any_scope.is_empty() {
            all.push(Requirement {
                name: "any_scope".to_owned(),
                wanted: format!("one of {}", asked.any_scope.join(" ")),
                actual: own(),
                holds: asked.any_scope.iter().any(|scope| has(scope)),
                decides: true,
            });
        }
        for rule in &asked.claims {
            examine_rule(rule, claims.all(), true, &mut all);
        }
        all
    }
}

fn fits(other: &Override, method: &Method, client: IpAddr) -> bool {
    let within = |nets: &[ipnet::IpNet]| nets.iter().any(|net| net.contains(&client));
    // GET implies HEAD, as for routes.
    let named = |own: &Method| own == method || (*own == Method::GET && *method == Method::HEAD);
    (other.methods.is_empty() || other.methods.iter().any(named))
        && (other.clients.is_empty() || within(&other.clients))
        && !within(&other.not_clients)
}

/// Whether the token's audience is one of them.
fn is_meant(audiences: &[Box<str>], claimant: &Claimant<'_>) -> bool {
    let Some(mut named) = claimant.claims.texts(claimant.audience_claim) else {
        return false;
    };
    named.any(|name| audiences.iter().any(|ours| **ours == *name))
}

fn permits_scopes(asked: &Requirements, has: impl Fn(&str) -> bool) -> Result<(), AccessError<'_>> {
    if !asked.scopes.iter().all(|scope| has(scope)) {
        return Err(AccessError::InsufficientScope(&asked.scopes));
    }
    if !asked.any_scope.is_empty() && !asked.any_scope.iter().any(|scope| has(scope)) {
        return Err(AccessError::InsufficientScope(&asked.any_scope));
    }
    Ok(())
}

fn permits_claims<'r>(asked: &'r Requirements, claims: Object<'_>) -> Result<(), AccessError<'r>> {
    let holds = |rule: &Rule| holds(rule, claims);
    match asked.claims.iter().find(|rule| !holds(rule)) {
        Some(rule) => Err(AccessError::ClaimMismatch(rule.culprit(&holds))),
        None => Ok(()),
    }
}

/// Whether the claims fulfil a rule.
fn holds(rule: &Rule, claims: Object<'_>) -> bool {
    match &rule.condition {
        Condition::Claim(path, tests) => {
            let claim = path.find(claims).filter(|claim| *claim != Value::Null);
            tests.iter().all(|test| passes(test, claim.as_ref()))
        }
        Condition::All(rules) => rules.iter().all(|rule| holds(rule, claims)),
        Condition::Any(rules) => rules.iter().any(|rule| holds(rule, claims)),
        Condition::Not(rules) => !rules.iter().all(|rule| holds(rule, claims)),
    }
}

/// An absent claim fulfils nothing but `exists = false`. A string is not an array of one, and no text to search in.
fn passes(test: &Test, claim: Option<&Value<'_>>) -> bool {
    let Some(claim) = claim else {
        return *test == Test::Exists(false);
    };
    let holds_one = |wanted: &serde_json::Value| {
        let mut elements = claim.as_array().into_iter().flat_map(|it| it.iter());
        elements.any(|element| equal(&element, wanted))
    };
    match test {
        Test::Equals(wanted) => equal(claim, wanted),
        Test::OneOf(wanted) => wanted.iter().any(|wanted| equal(claim, wanted)),
        Test::Contains(wanted) => holds_one(wanted),
        Test::ContainsAll(wanted) => wanted.iter().all(holds_one),
        Test::Prefix(wanted) => claim.as_str().is_some_and(|it| it.starts_with(&**wanted)),
        Test::Matches(pattern) => claim.as_str().is_some_and(|it| pattern.matches(it)),
        Test::Exists(there) => *there,
    }
}

/// The rule and those inside it. `wanted`: whether it has to hold for the request to pass.
fn examine_rule(rule: &Rule, claims: Object<'_>, wanted: bool, all: &mut Vec<Requirement>) {
    let name = format!("claims.{}", rule.name);
    let its_holds = holds(rule, claims);
    match &rule.condition {
        Condition::Claim(path, tests) => {
            let tests: Vec<String> = tests.iter().map(text_of).collect();
            all.push(Requirement {
                name,
                wanted: tests.join(" and "),
                actual: path.find(claims).map(|value| value.to_json()),
                holds: its_holds,
                decides: wanted,
            });
        }
        Condition::All(rules) => {
            for rule in rules {
                examine_rule(rule, claims, wanted, all);
            }
        }
        Condition::Any(rules) | Condition::Not(rules) => {
            let is_any = matches!(rule.condition, Condition::Any(_));
            all.push(Requirement {
                name,
                wanted: if is_any {
                    "one of these"
                } else {
                    "not all of these"
                }
                .to_owned(),
                actual: Some(count(rules, claims)),
                holds: its_holds,
                decides: wanted,
            });
            // Which of them holds is told; that one does not is no fault of the token.
            for rule in rules {
                examine_rule(rule, claims, false, all);
            }
        }
    }
}

fn count(rules: &[Rule], claims: Object<'_>) -> String {
    let holding = rules.iter().filter(|rule| holds(rule, claims)).count();
    format!("{holding} of {} hold", rules.len())
}

fn text_of(test: &Test) -> String {
    let list = |values: &[serde_json::Value]| {
        let texts: Vec<String> = values.iter().map(ToString::to_string).collect();
        texts.join(", ")
    };
    match test {
        Test::Equals(wanted) => format!("equals {wanted}"),
        Test::OneOf(wanted) => format!("one of {}", list(wanted)),
        Test::Contains(wanted) => format!("contains {wanted}"),
        Test::ContainsAll(wanted) => format!("contains all of {}", list(wanted)),
        Test::Prefix(wanted) => format!("begins with {wanted:?}"),
        Test::Matches(pattern) => format!("matches {pattern}"),
        Test::Exists(true) => "exists".to_owned(),
        Test::Exists(false) => "is absent".to_owned(),
    }
}

/// JSON equality: numbers by value, objects without order.
fn equal(claim: &Value<'_>, wanted: &serde_json::Value) -> bool {
    use serde_json::Value as Wanted;
    match (claim, wanted) {
        (Value::Null, Wanted::Null) => true,
        (Value::Bool(own), Wanted::Bool(wanted)) => own == wanted,
        (Value::Number(own), Wanted::Number(wanted)) => same_number(own, wanted),
        (Value::String(own), Wanted::String(wanted)) => own == wanted,
        (Value::Array(own), Wanted::Array(wanted)) => {
            own.len() == wanted.len()
                && own
                    .iter()
                    .zip(wanted)
                    .all(|(own, other)| equal(&own, other))
        }
        (Value::Object(own), Wanted::Object(wanted)) => {
            // Names are unique on both sides.
            own.iter().count() == wanted.len()
                && own
                    .iter()
                    .all(|(name, value)| wanted.get(name).is_some_and(|other| equal(&value, other)))
        }
        (
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Object(_),
            _,
        ) => false,
    }
}

fn same_number(own: &Number, wanted: &Number) -> bool {
    match (integer(own), integer(wanted)) {
        (Some(own), Some(wanted)) => own == wanted,
        (None, None) => own.as_f64() == wanted.as_f64(),
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// The number's value if it is an integer, `1.0` and `1e3` too.
fn integer(number: &Number) -> Option<i128> {
    if number.is_i64() {
        return number.as_i64().map(i128::from);
    }
    if number.is_u64() {
        return number.as_u64().map(i128::from);
    }
    let value = number.as_f64()?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "an integer of less than 2^126 fits in an i128 exactly"
    )]
    (value.fract() == 0.0 && value.abs() < 2_f64.powi(126)).then_some(value as i128)
}

#[cfg(test)]
mod tests;
