//! Look-ups by host, path and method that cost the same with one route and with ten thousand.

use std::collections::HashMap;

use foldhash::quality::RandomState;
use http::Method;
use smallvec::SmallVec;

use crate::config::{HostPattern, Preflight};
use crate::headers::{Target, laxest_reading};

use super::NoRoute;

/// What a route is found by.
#[derive(Clone, Copy, Debug)]
pub struct RouteKey<'k> {
    /// Hosts; any if empty.
    pub hosts: &'k [HostPattern],
    /// Path prefix, percent-decoded; no slash at its end but in `/`.
    pub path: &'k str,
    /// Methods; any if empty.
    pub methods: &'k [Method],
    /// What happens to a CORS preflight.
    pub preflight: Preflight,
}

/// Finds the number of a route, counted in the order in which the keys were given.
#[derive(Debug, Default)]
pub struct RouteIndex {
    exact: Map,
    wildcard: Map,
    hosts: Vec<Paths>,
    any: Paths,
}

// Clients choose what is looked up, never what is kept; the keys are random all the same.
type Map = HashMap<Box<str>, usize, RandomState>;

impl RouteIndex {
    /// Indexes routes; where two serve the same host, path and method, the first one does.
    pub fn new<'k>(keys: impl IntoIterator<Item = RouteKey<'k>>) -> Self {
        let mut index = Self::default();
        for (route, key) in keys.into_iter().enumerate() {
            if key.hosts.is_empty() {
                index.any.add(key, route);
            }
            for host in key.hosts {
                let (map, name) = match host {
                    HostPattern::Exact(name) => (&mut index.exact, name),
                    HostPattern::Wildcard(name) => (&mut index.wildcard, name),
                };
                let paths = *map.entry(name.clone()).or_insert_with(|| {
                    index.hosts.push(Paths::default());
                    index.hosts.len() - 1
                });
                index.hosts[paths].add(key, route);
            }
        }
        index.any.finish();
        index.hosts.iter_mut().for_each(Paths::finish);
        index
    }

    /// The route of a request.
    ///
    /// # Errors
    /// As [`NoRoute`] says.
    pub fn find(&self, target: &Target<'_>, method: &Method) -> Result<usize, NoRoute> {
        let prefix = self.prefix(target)?;
        let found = prefix.route(method).map(|entry| entry.route);
        // Methods have a case (RFC 9110 §9.1), and some servers fold it: `post` must not go where `POST` may not. A
        // route that names `post` means it.
        let same = !is_lower(method)
            || prefix.naming(method).is_some()
            || prefix.route(&upper(method)).map(|entry| entry.route) == found;
        found
            .filter(|_| same)
            .ok_or_else(|| NoRoute::MethodNotAllowed(prefix.allow.clone()))
    }

    /// The route that lets a CORS preflight pass which asks for `requested`; `None` if it is a request like any other.
    ///
    /// A route that names OPTIONS itself decides; without one, that of the requested method.
    #[must_use]
    pub fn find_preflight(&self, target: &Target<'_>, requested: &Method) -> Option<usize> {
        let prefix = self.prefix(target).ok()?;
        let entry = prefix
            .naming(&Method::OPTIONS)
            .or_else(|| prefix.route(requested))?;
        (entry.preflight == Preflight::Forward).then_some(entry.route)
    }

    /// Host, then path. Each takes the best fit and never falls back to the next.
    fn prefix(&self, target: &Target<'_>) -> Result<&Prefix, NoRoute> {
        let paths = target
            .host
            .as_deref()
            .and_then(|host| self.host(host))
            .unwrap_or(&self.any);
        paths.find(target)
    }

    fn host(&self, host: &str) -> Option<&Paths> {
        let longest_wildcard = || {
            if self.wildcard.is_empty() {
                return None;
            }
            host.match_indices('.')
                .find_map(|(dot, _)| self.wildcard.get(&host[dot + 1..]))
        };
        let paths = self.exact.get(host).or_else(longest_wildcard)?;
        self.hosts.get(*paths)
    }
}

/// Whether a method has a letter in lower case, which no registered one has.
fn is_lower(method: &Method) -> bool {
    method
        .as_str()
        .bytes()
        .any(|byte| byte.is_ascii_lowercase())
}

fn upper(method: &Method) -> Method {
    // A token in upper case is a token.
    Method::from_bytes(method.as_str().to_ascii_uppercase().as_bytes()).unwrap_or_default()
}

/// The path prefixes of one host.
#[derive(Debug, Default)]
struct Paths {
    prefixes: Vec<Prefix>,
    /// By the prefixes as they are written.
    literal: Trie,
    /// By the laxest readings of the prefixes.
    lax: Trie,
    /// Whether some prefix is not its own laxest reading.
    lax_differs: bool,
}

impl Paths {
    fn add(&mut self, key: RouteKey<'_>, route: usize) {
        let leaf = self.literal.leaf(key.path);
        let number = *leaf.get_or_insert_with(|| {
            self.prefixes.push(Prefix {
                path: key.path.into(),
                ..Prefix::default()
            });
            self.prefixes.len() - 1
        });
        self.prefixes[number].entries.push(Entry {
            methods: key.methods.into(),
            preflight: key.preflight,
            route,
        });
    }

    /// Where laxest readings lead: to the prefix that is written so, else to the only one that reads so.
    fn finish(&mut self) {
        for prefix in &mut self.prefixes {
            prefix.finish();
        }
        let readings: Vec<Box<str>> = self.prefixes.iter().map(Prefix::laxest).collect();
        let written_so = |number: &usize| *readings[*number] == *self.prefixes[*number].path;
        let numbers = 0..readings.len();
        let (own, other): (Vec<usize>, Vec<usize>) = numbers.partition(written_so);
        self.lax_differs = !other.is_empty();
        for &number in &other {
            let leaf = self.lax.leaf(&readings[number]);
            *leaf = Some(leaf.map_or(number, |_| SEVERAL));
        }
        for number in own {
            *self.lax.leaf(&readings[number]) = Some(number);
        }
    }

    /// The longest prefix of the path, if the laxest reading has the same one.
    ///
    /// Reading a segment more laxly never changes another segment, and no accepted path has dot segments: every reading
    /// between the strict and the laxest one begins with what the prefix becomes by it, so where both ends meet in one
    /// prefix, all between them do. Where the strict reading has no route nothing is forwarded, whatever the other says.
    fn find(&self, target: &Target<'_>) -> Result<&Prefix, NoRoute> {
        let decoded = &*target.decoded;
        if !decoded.starts_with('/') {
            // `OPTIONS *` asks the server itself, not a resource that a route could have.
            return Err(NoRoute::NotFound);
        }
        let literal = self.literal.walk(decoded).ok_or(NoRoute::NotFound)?;
        // The trie of the laxest readings leads elsewhere only if there is something to fold.
        let upper = || decoded.bytes().any(|byte| byte.is_ascii_uppercase());
        if (self.lax_differs || target.laxest.is_some() || upper())
            && self
                .lax
                .walk_folded(target.laxest.as_deref().unwrap_or(decoded))
                != Some(literal)
        {
            return Err(NoRoute::Ambiguous);
        }
        self.prefixes.get(literal).ok_or(NoRoute::NotFound)
    }
}

/// The routes of one host and path prefix.
#[derive(Debug, Default)]
struct Prefix {
    path: Box<str>,
    entries: Vec<Entry>,
    /// What they serve all together.
    allow: Vec<Method>,
}

#[derive(Debug)]
struct Entry {
    methods: Box<[Method]>,
    preflight: Preflight,
    route: usize,
}

impl Prefix {
    fn finish(&mut self) {
        for method in self.entries.iter().flat_map(|entry| &entry.methods) {
            let implied = (*method == Method::GET).then_some(Method::HEAD);
            for method in std::iter::once(method.clone()).chain(implied) {
                if !self.allow.contains(&method) {
                    self.allow.push(method);
                }
            }
        }
    }

    /// What the laxest upstream would make of the prefix, which is decoded once already.
    fn laxest(&self) -> Box<str> {
        laxest_reading(self.path.replace('%', "%25").as_bytes())
    }

    fn naming(&self, method: &Method) -> Option<&Entry> {
        self.entries
            .iter()
            .find(|entry| entry.methods.contains(method))
    }

    /// The route that names the method; GET implies HEAD; then the one of all methods.
    fn route(&self, method: &Method) -> Option<&Entry> {
        let implied = || {
            (*method == Method::HEAD)
                .then(|| self.naming(&Method::GET))
                .flatten()
        };
        let any = || self.entries.iter().find(|entry| entry.methods.is_empty());
        self.naming(method).or_else(implied).or_else(any)
    }
}

/// Path prefixes by segment. A walk looks up one segment after another and ends where no route has more, so that a path
/// of many segments costs no more than the deepest route.
#[derive(Debug)]
struct Trie {
    nodes: Vec<Node>,
}

#[derive(Debug, Default)]
struct Node {
    children: Map,
    leaf: Option<usize>,
}

impl Default for Trie {
    fn default() -> Self {
        Self {
            nodes: vec![Node::default()],
        }
    }
}

impl Trie {
    /// The place for the number of a prefix.
    fn leaf(&mut self, path: &str) -> &mut Option<usize> {
        let mut at = 0;
        for segment in segments(path) {
            let next = self.nodes.len();
            at = *self.nodes[at]
                .children
                .entry(segment.into())
                .or_insert(next);
            if at == next {
                self.nodes.push(Node::default());
            }
        }
        &mut self.nodes[at].leaf
    }

    /// The number of the longest prefix of `path` at a segment border.
    fn walk(&self, path: &str) -> Option<usize> {
        self.walk_by(path, |children, segment| children.get(segment).copied())
    }

    /// The same without case, in a trie of lower-case segments.
    fn walk_folded(&self, path: &str) -> Option<usize> {
        self.walk_by(path, |children, segment| {
            if !segment.bytes().any(|byte| byte.is_ascii_uppercase()) {
                return children.get(segment).copied();
            }
            let mut folded: SmallVec<[u8; 64]> = SmallVec::from_slice(segment.as_bytes());
            folded.make_ascii_lowercase();
            let folded = std::str::from_utf8(&folded).ok()?;
            children.get(folded).copied()
        })
    }

    fn walk_by(&self, path: &str, child: impl Fn(&Map, &str) -> Option<usize>) -> Option<usize> {
        let mut node = self.nodes.first()?;
        let mut found = node.leaf;
        for segment in segments(path) {
            if node.children.is_empty() {
                break;
            }
            let Some(next) = child(&node.children, segment) else {
                break;
            };
            node = self.nodes.get(next)?;
            found = node.leaf.or(found);
        }
        found
    }
}

/// The segments behind the first slash; `/` has none.
fn segments(path: &str) -> impl Iterator<Item = &str> {
    let path = path.strip_prefix('/').unwrap_or(path);
    (!path.is_empty())
        .then(|| path.split('/'))
        .into_iter()
        .flatten()
}

/// Several prefixes have one laxest reading, and none is written so: a path that reads so leads to none of them.
const SEVERAL: usize = usize::MAX;

#[cfg(test)]
mod tests;
