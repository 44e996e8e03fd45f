//! What a route asks of verified claims: scopes and rules.

use serde_json::Number;

use crate::config::{Authentication, Rule, Test};
use crate::json::{Object, Value};
use crate::jwt::ClaimsSet;

/// Who may pass a route.
#[derive(Clone, Debug)]
pub struct Access {
    /// Whether a token is needed.
    pub auth: Authentication,
    /// For each issuer of the configuration, by index: whether its tokens are admitted.
    pub issuers: Box<[bool]>,
    /// All of these scopes.
    pub scopes: Vec<Box<str>>,
    /// One of these, unless empty.
    pub any_scope: Vec<Box<str>>,
    /// All of these rules.
    pub claims: Vec<Rule>,
}

/// Why good claims do not suffice: 403.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AccessError<'r> {
    /// A scope is missing: which the route wants.
    InsufficientScope(&'r [Box<str>]),
    /// The rule that failed.
    ClaimMismatch(&'r Rule),
}

/// One thing that a route asks of claims, and whether they have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// What is asked: `scope orders:read`, or the rule's name.
    pub name: String,
    /// What would be right.
    pub wanted: String,
    /// What the claims have, a claim as JSON; `None`: there is no such claim.
    pub actual: Option<String>,
    /// Whether the claims have it.
    pub holds: bool,
}

impl Access {
    /// Whether tokens of that issuer are admitted.
    #[must_use]
    pub fn admits(&self, issuer: usize) -> bool {
        self.issuers.get(issuer).is_some_and(|admitted| *admitted)
    }

    /// Whether `claims` satisfy scopes and rules.
    ///
    /// # Errors
    /// The first that fails.
    pub fn permits(&self, claims: &ClaimsSet) -> Result<(), AccessError<'_>> {
        self.permits_scopes(|scope| claims.scopes().any(|own| own == scope))?;
        self.permits_claims(claims.all())
    }

    /// Everything that is asked of `claims`, each by itself: all hold exactly if [`Self::permits`] says so.
    #[must_use]
    pub fn examine(&self, claims: &ClaimsSet) -> Vec<Requirement> {
        let own = || claims.scopes().collect::<Vec<_>>().join(" ");
        let has = |scope: &str| claims.scopes().any(|own| own == scope);
        let mut all = Vec::new();
        for scope in &self.scopes {
            all.push(Requirement {
                name: "scopes".to_owned(),
                wanted: scope.to_string(),
                actual: Some(own()),
                holds: has(scope),
            });
        }
        if !self.any_scope.is_empty() {
            all.push(Requirement {
                name: "any_scope".to_owned(),
                wanted: format!("one of {}", self.any_scope.join(" ")),
                actual: Some(own()),
                holds: self.any_scope.iter().any(|scope| has(scope)),
            });
        }
        all.extend(self.claims.iter().map(|rule| Requirement {
            name: format!("claims.{}", rule.name),
            wanted: match &rule.test {
                Test::Equals(wanted) => format!("equals {wanted}"),
                Test::Contains(wanted) => format!("contains {wanted}"),
            },
            actual: rule.claim.find(claims.all()).map(|value| value.to_json()),
            holds: holds(rule, claims.all()),
        }));
        all
    }

    fn permits_scopes(&self, has: impl Fn(&str) -> bool) -> Result<(), AccessError<'_>> {
        if !self.scopes.iter().all(|scope| has(scope)) {
            return Err(AccessError::InsufficientScope(&self.scopes));
        }
        if !self.any_scope.is_empty() && !self.any_scope.iter().any(|scope| has(scope)) {
            return Err(AccessError::InsufficientScope(&self.any_scope));
        }
        Ok(())
    }

    fn permits_claims(&self, claims: Object<'_>) -> Result<(), AccessError<'_>> {
        match self.claims.iter().find(|rule| !holds(rule, claims)) {
            Some(rule) => Err(AccessError::ClaimMismatch(rule)),
            None => Ok(()),
        }
    }
}

/// An absent claim fulfils no rule. A string is not an array of one, and no text to search in.
fn holds(rule: &Rule, claims: Object<'_>) -> bool {
    let Some(claim) = rule.claim.find(claims) else {
        return false;
    };
    match &rule.test {
        Test::Equals(wanted) => equal(&claim, wanted),
        Test::Contains(wanted) => claim
            .as_array()
            .is_some_and(|elements| elements.iter().any(|element| equal(&element, wanted))),
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
