//! What a route asks of claims.

use std::fmt;

use http::Method;
use ipnet::IpNet;

use crate::json::ClaimPath;

/// What a route asks of a token that is good.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Requirements {
    /// All of these scopes.
    pub scopes: Vec<Box<str>>,
    /// One of these, unless empty.
    pub any_scope: Vec<Box<str>>,
    /// The token must be meant for one of these, unless empty; besides what its issuer asks for.
    pub audiences: Vec<Box<str>>,
    /// All of these rules.
    pub claims: Vec<Rule>,
}

/// Other requirements for some of a route's requests. The first that fits is in force.
#[derive(Clone, Debug, PartialEq)]
pub struct Override {
    /// Methods; any if empty.
    pub methods: Vec<Method>,
    /// Where the client is; anywhere if empty.
    pub clients: Vec<IpNet>,
    /// Where it is not.
    pub not_clients: Vec<IpNet>,
    /// Everything that is asked then: the route's own where the override does not say otherwise.
    pub requirements: Requirements,
}

/// A rule on claims.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// As it stands in gateway.toml: `claims.tenant`, `claims.any[1].role`.
    pub name: Box<str>,
    /// What must hold.
    pub condition: Condition,
}

/// What must hold.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// All of the tests, of one claim.
    Claim(ClaimPath, Vec<Test>),
    /// All of the rules.
    All(Vec<Rule>),
    /// One of the rules.
    Any(Vec<Rule>),
    /// Not all of the rules.
    Not(Vec<Rule>),
}

/// What must hold of a claim. One that is absent, or `null`, fulfils none but `Exists(false)`.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// The claim is this value.
    Equals(serde_json::Value),
    /// The claim is one of these values.
    OneOf(Vec<serde_json::Value>),
    /// The claim is an array that holds this value.
    Contains(serde_json::Value),
    /// The claim is an array that holds all of these values.
    ContainsAll(Vec<serde_json::Value>),
    /// The claim is a string that begins so.
    Prefix(Box<str>),
    /// The claim is a string that the pattern matches from its first character to its last.
    Matches(Pattern),
    /// Whether the claim is there.
    Exists(bool),
}

/// A regular expression for whole claims. It takes time linear in the claim, whatever it is.
#[derive(Clone)]
pub struct Pattern {
    text: Box<str>,
    compiled: regex::Regex,
}

impl Pattern {
    /// Bytes of a pattern, at most.
    pub const MOST_BYTES: usize = 1024;
    /// Bytes of a claim that is looked at, at most: a longer one does not match.
    pub const MOST_CLAIM_BYTES: usize = 4096;
    /// Bytes of memory that a compiled pattern may take.
    const MOST_MEMORY: usize = 256 * 1024;

    /// Compiles a pattern.
    ///
    /// # Errors
    /// What is wrong with it, in one line.
    pub fn new(text: &str) -> Result<Self, String> {
        if text.len() > Self::MOST_BYTES {
            return Err(format!("it is longer than {} bytes", Self::MOST_BYTES));
        }
        // By itself first: what closes a group that it did not open would end ours.
        let compile = |text: &str| {
            let mut builder = regex::RegexBuilder::new(text);
            builder
                .size_limit(Self::MOST_MEMORY)
                .dfa_size_limit(Self::MOST_MEMORY);
            builder.build()
        };
        let compiled = compile(text).and_then(|_| compile(&format!(r"\A(?:{text})\z")));
        match compiled {
            Ok(compiled) => Ok(Self {
                text: text.into(),
                compiled,
            }),
            Err(regex::Error::CompiledTooBig(_)) => Err("it is too large when compiled".to_owned()),
            Err(error) => {
                let said = error.to_string();
                let last = said.lines().last().unwrap_or_default();
                Err(last.trim_start_matches("error: ").to_owned())
            }
        }
    }

    /// Whether all of `claim` fits.
    #[must_use]
    pub fn matches(&self, claim: &str) -> bool {
        claim.len() <= Self::MOST_CLAIM_BYTES && self.compiled.is_match(claim)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({:?})", self.text)
    }
}

impl fmt::Display for Pattern {
    /// As it stands in gateway.toml.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Rule {
    /// The rule itself, or the first inside it that fails, as far as one alone is to blame. It fails.
    #[must_use]
    pub fn culprit(&self, holds: &impl Fn(&Self) -> bool) -> &Self {
        match &self.condition {
            Condition::All(rules) => {
                let first = rules.iter().find(|rule| !holds(rule));
                first.map_or(self, |rule| rule.culprit(holds))
            }
            Condition::Claim(..) | Condition::Any(_) | Condition::Not(_) => self,
        }
    }
}
