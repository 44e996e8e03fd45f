//! `claims` of a route: a table of rules, in which `all`, `any` and `not` hold further ones.

use super::claims::claim_path;
use super::context::Context;
use super::raw::{Entry, Node, Table, Value};
use super::reader::Reader;
use super::source::Origin;
use super::{Condition, Pattern, Rule, Test};

/// How deep `all`, `any` and `not` may stand in each other.
const MOST_DEPTH: usize = 8;

/// Rules of one table, those inside others too.
const MOST_RULES: usize = 256;

/// The rules of `claims`.
pub(super) fn rules(reader: &mut Reader<'_>) -> Vec<Rule> {
    let entries = reader.entries("claims");
    let mut nest = Nest {
        context: reader.context,
        left: MOST_RULES,
    };
    nest.rules(entries, "", 0)
}

/// Rules in rules, as many as there may be.
struct Nest<'c, 's> {
    context: &'c Context<'s>,
    left: usize,
}

impl Nest<'_, '_> {
    fn rules(&mut self, entries: &[Entry], prefix: &str, depth: usize) -> Vec<Rule> {
        let rules = entries.iter().filter_map(|entry| {
            let name = format!("{prefix}{}", entry.name);
            if self.left == 0 {
                return None;
            }
            self.left -= 1;
            if self.left == 0 {
                let message = format!("more than {MOST_RULES} rules");
                self.context.error(&entry.origin, message);
                return None;
            }
            let condition = match entry.name.as_str() {
                "all" | "any" | "not" if depth == MOST_DEPTH => {
                    let message = format!("rules stand more than {MOST_DEPTH} deep in each other");
                    self.context.error(&entry.origin, message);
                    return None;
                }
                "all" => Condition::All(self.list(entry, &name, depth + 1)?),
                "any" => Condition::Any(self.list(entry, &name, depth + 1)?),
                "not" => {
                    let table = self.table(&entry.node, entry)?;
                    Condition::Not(self.rules(&table.entries, &format!("{name}."), depth + 1))
                }
                _ => claim(self.context, entry)?,
            };
            Some(Rule {
                name: name.into(),
                condition,
            })
        });
        rules.collect()
    }

    /// The tables of `all` and `any`, each of which holds as a whole.
    fn list(&mut self, entry: &Entry, name: &str, depth: usize) -> Option<Vec<Rule>> {
        let nodes = entry.node.list().filter(|nodes| !nodes.is_empty());
        let Some(nodes) = nodes else {
            let message = format!("`{}` takes a list of tables of rules", entry.name);
            self.context
                .error_hint(&entry.node.origin, message, quoted_hint(&entry.name));
            return None;
        };
        let mut rules = Vec::new();
        for (number, node) in nodes.iter().enumerate() {
            let name = format!("{name}[{number}]");
            let table = self.table(node, entry)?;
            let mut inner = self.rules(&table.entries, &format!("{name}."), depth);
            // One rule in a table is that rule; several are all of them.
            rules.push(match inner.pop() {
                Some(only) if inner.is_empty() => only,
                last => {
                    inner.extend(last);
                    Rule {
                        name: name.into(),
                        condition: Condition::All(inner),
                    }
                }
            });
        }
        Some(rules)
    }

    fn table<'n>(&self, node: &'n Node, entry: &Entry) -> Option<&'n Table> {
        match &node.value {
            Value::Table(table) if !table.entries.is_empty() => Some(table),
            Value::Table(_) => {
                let message = format!("an empty table in `{}` asks for nothing", entry.name);
                self.context.error(&node.origin, message);
                None
            }
            Value::Text(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::Datetime
            | Value::Array(_) => {
                let message = format!(
                    "`{}` takes tables of rules, not {}",
                    entry.name,
                    node.kind()
                );
                self.context
                    .error_hint(&node.origin, message, quoted_hint(&entry.name));
                None
            }
        }
    }
}

fn quoted_hint(name: &str) -> String {
    format!(
        "write {name} = [{{ role = {{ equals = .. }} }}, ..]; a claim of that name is '\"{name}\"'"
    )
}

/// A rule on one claim.
fn claim(context: &Context<'_>, entry: &Entry) -> Option<Condition> {
    let claim = claim_path(context, &entry.name, &entry.origin);
    let Value::Table(table) = &entry.node.value else {
        let message = format!("a claim rule is a table, not {}", entry.node.kind());
        context.error_hint(
            &entry.node.origin,
            message,
            format!(
                "write {} = {{ equals = .. }} or {{ contains = .. }}",
                entry.name
            ),
        );
        return None;
    };
    let origin = entry.node.origin.clone();
    let mut reader = Reader::new(context, "routes.claims", Some(table), origin);
    let tests = tests(&mut reader);
    // TOML reads `realm_access.roles` as a table in a table: that is told, and not that a key is unknown.
    let first = table.entries.first().map(|entry| &entry.node.value);
    if tests.is_empty() && matches!(first, None | Some(Value::Table(_))) {
        refuse_empty(context, entry, table);
        return None;
    }
    reader.finish();
    // What is wrong with one was said, or that there is none but what is not known.
    let tests: Vec<Test> = tests.into_iter().collect::<Option<_>>()?;
    if tests.is_empty() {
        return None;
    }
    Some(Condition::Claim(claim?, tests))
}

fn refuse_empty(context: &Context<'_>, entry: &Entry, table: &Table) {
    let name = &entry.name;
    let message =
        format!("the rule on `{name}` has neither `equals` nor `contains`, nor another test");
    let hint = match table.entries.first() {
        Some(inner) if matches!(inner.node.value, Value::Table(_)) => {
            format!("quote the path: \"{name}.{}\" = {{ .. }}", inner.name)
        }
        _ => format!("write {name} = {{ equals = .. }} or {{ contains = .. }}"),
    };
    context.error_hint(&entry.origin, message, hint);
}

/// The tests of a table, in the order of this list; `None` for one that is wrong, which is said.
fn tests(reader: &mut Reader<'_>) -> Vec<Option<Test>> {
    let context = reader.context;
    let mut tests = Vec::new();
    let mut add = |node: Option<&Node>, test: &dyn Fn(&Node) -> Option<Test>| {
        tests.extend(node.map(test));
    };
    add(reader.node("equals", || None), &|node| {
        Some(Test::Equals(value(context, node)?))
    });
    add(reader.node("one_of", || None), &|node| {
        Some(Test::OneOf(values(context, node)?))
    });
    add(reader.node("contains", || None), &|node| {
        Some(Test::Contains(value(context, node)?))
    });
    add(reader.node("contains_all", || None), &|node| {
        Some(Test::ContainsAll(values(context, node)?))
    });
    add(reader.node("prefix", || None), &|node| {
        text(context, node).map(|text| Test::Prefix(text.into()))
    });
    add(reader.node("matches", || None), &|node| {
        pattern(context, node)
    });
    add(reader.node("exists", || None), &|node| match node.value {
        Value::Boolean(there) => Some(Test::Exists(there)),
        Value::Text(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Datetime
        | Value::Array(_)
        | Value::Table(_) => {
            context.error(
                &node.origin,
                format!("`exists` is true or false, not {}", node.kind()),
            );
            None
        }
    });
    tests
}

fn pattern(context: &Context<'_>, node: &Node) -> Option<Test> {
    let text = text(context, node)?;
    match Pattern::new(text) {
        Ok(pattern) => Some(Test::Matches(pattern)),
        Err(problem) => {
            let message = format!("this is no regular expression: {problem}");
            context.error(&node.origin, message);
            None
        }
    }
}

fn text<'n>(context: &Context<'_>, node: &'n Node) -> Option<&'n str> {
    match &node.value {
        Value::Text(text) if !text.value.is_empty() => Some(&text.value),
        Value::Text(_) => {
            context.error(&node.origin, "every text fits an empty one");
            None
        }
        Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::Datetime
        | Value::Array(_)
        | Value::Table(_) => {
            context.error(
                &node.origin,
                format!("this takes a string, not {}", node.kind()),
            );
            None
        }
    }
}

/// One or more values.
fn values(context: &Context<'_>, node: &Node) -> Option<Vec<serde_json::Value>> {
    match node.list() {
        Some(nodes) if !nodes.is_empty() => nodes.iter().map(|node| value(context, node)).collect(),
        Some(_) | None => {
            let origin: &Origin = &node.origin;
            context.error_hint(
                origin,
                "this takes a list of values",
                "write [\"a\", \"b\"]",
            );
            None
        }
    }
}

fn value(context: &Context<'_>, node: &Node) -> Option<serde_json::Value> {
    let value = json(&node.value);
    if value.is_none() {
        let message = format!("a claim cannot be compared with {}", node.kind());
        context.error(&node.origin, message);
    }
    value
}

/// A claim rule's value as JSON; `None` for what JSON has not.
fn json(value: &Value) -> Option<serde_json::Value> {
    Some(match value {
        Value::Text(text) => text.value.clone().into(),
        Value::Integer(number) => (*number).into(),
        Value::Float(number) => serde_json::Number::from_f64(*number)?.into(),
        Value::Boolean(boolean) => (*boolean).into(),
        Value::Array(nodes) => {
            let items: Option<Vec<_>> = nodes.iter().map(|node| json(&node.value)).collect();
            items?.into()
        }
        Value::Datetime | Value::Table(_) => return None,
    })
}
