//! What is said of a token's claims: each that was looked at, with what it had to be and how far it is from the clock.

use crate::clock::{UnixTime, distance};
use crate::config::format_duration;
use crate::json::Value;
use crate::jwt::{AudienceMatch, ClaimsSet, IssuerPolicy, JoseHeader, TokenError, examine};

use super::Finding;

/// Characters of a claim that are shown.
const MOST_CHARACTERS: usize = 200;

/// `exp` and `nbf`.
pub(super) fn times(claims: &ClaimsSet, policy: &IssuerPolicy, now: UnixTime) -> Vec<Finding> {
    let leeway = format_duration(policy.leeway);
    let mut findings = Vec::new();
    if let Some(expires) = claims.expires() {
        let right = now < expires.plus(policy.leeway);
        findings.push(
            Finding::judged("exp", moment(expires, now), right)
                .expected(format!("later than now, with a leeway of {leeway}")),
        );
    }
    if let Some(begins) = claims.not_before() {
        let right = begins <= now.plus(policy.leeway);
        findings.push(
            Finding::judged("nbf", moment(begins, now), right)
                .expected(format!("not later than now, with a leeway of {leeway}")),
        );
    }
    findings
}

/// Everything that is looked at once the signature is known to be good.
pub(super) fn claims(
    header: &JoseHeader,
    claims: &ClaimsSet,
    policy: &IssuerPolicy,
    now: UnixTime,
) -> Vec<Finding> {
    let checks = examine(header, claims, policy, now);
    let kind = match &checks.token_type {
        Err(TokenError::WrongType(claim)) if *claim != "typ" => {
            Finding::judged(claim, "is there, so this is another kind of token", false)
        }
        result => Finding::judged(
            "typ",
            header.typ.as_deref().unwrap_or("absent, counts as JWT"),
            result.is_ok(),
        ),
    };
    let mut findings = vec![
        kind.expected(format!("one of {}", policy.token_types.join(", "))),
        audience(claims, policy, checks.audience.is_ok()),
    ];
    if claims.expires().is_none() {
        findings.push(Finding::judged("exp", "absent", false).expected("a date"));
    }
    for name in &policy.require {
        let value = claims.get(name);
        let there = !matches!(value, None | Some(Value::Null));
        findings.push(Finding::judged(name, shown(value), there).expected("is required"));
    }
    if let Some(issued) = claims.issued_at() {
        let finding = Finding::judged("iat", moment(issued, now), checks.issued_at.is_ok());
        findings.push(finding.expected("not in the future"));
    } else if policy.max_lifetime.is_some() {
        let finding = Finding::judged("iat", "absent", false);
        findings.push(finding.expected("is required, since lifetimes are limited"));
    }
    if let (Some(longest), Some(expires), Some(issued)) =
        (policy.max_lifetime, claims.expires(), claims.issued_at())
    {
        let found = format!("{} s", expires.since(issued));
        let finding = Finding::judged("lifetime", found, checks.lifetime.is_ok());
        findings.push(finding.expected(format!("at most {}", format_duration(longest))));
    }
    if claims.get("cnf").is_some() {
        let finding = Finding::judged("cnf", "binds it to a sender", checks.sender.is_ok());
        findings.push(finding.expected("absent, unless accept_cnf = true"));
    }
    findings
}

fn audience(claims: &ClaimsSet, policy: &IssuerPolicy, right: bool) -> Finding {
    let name = &policy.audience_claim;
    let ours = policy.audiences.join(", ");
    let expected = match policy.audience_match {
        AudienceMatch::Any if policy.audiences.len() == 1 => ours,
        AudienceMatch::Any => format!("one of {ours}"),
        AudienceMatch::All => format!("all of {ours}"),
    };
    Finding::judged(name, shown(claims.get(name)), right).expected(expected)
}

/// A claim as JSON, cut short.
pub(super) fn shown(value: Option<Value<'_>>) -> String {
    value.map_or_else(|| "absent".to_owned(), |value| cut(&value.to_json()))
}

/// At most so many characters that a claim cannot push the rest away.
pub(super) fn cut(text: &str) -> String {
    match text.char_indices().nth(MOST_CHARACTERS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn moment(moment: UnixTime, now: UnixTime) -> String {
    format!("{moment}, {}", distance(moment, now))
}
