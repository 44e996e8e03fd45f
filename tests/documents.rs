//! gateway.toml, the documentation and the code name the same keys, defaults, warnings and reasons.

use std::collections::BTreeSet;
use std::path::Path;

use portcullis::config::{self, Environment, Key, WARNING_CODES};
use portcullis::gate::Reason;
use portcullis::store::Action;

/// How each table is headed in the documentation. A table without heading cannot be documented.
const HEADINGS: &[(&str, &str)] = &[
    ("", "## The file"),
    ("server", "## [server]"),
    ("server.tls", "### tls"),
    ("server.limits", "## [server.limits]"),
    ("admin", "## [admin]"),
    ("log", "## [log]"),
    ("store", "## [store]"),
    ("local_issuer", "## [local_issuer]"),
    ("local_issuer.signing", "### signing"),
    ("issuers", "## [[issuers]]"),
    ("issuers.keys", "### keys"),
    ("issuers.keys.pem_files", "### pem_files"),
    ("issuers.refresh", "### refresh"),
    ("issuers.logout", "### logout"),
    ("upstreams", "## [[upstreams]]"),
    ("routes", "## [[routes]]"),
    ("routes.claims", "### claims"),
    ("routes.overrides", "### overrides"),
    ("routes.overrides.when", "### when"),
    ("routes.token_from", "### token_from"),
    ("claim_headers", "## [claim_headers]"),
];

/// Tables that gateway.toml writes as the value of a key, or in the example beside it.
const INLINE: &[&str] = &[
    "server.tls",
    "issuers.keys",
    "issuers.keys.pem_files",
    "issuers.refresh",
    "issuers.logout",
    "local_issuer.signing",
    "routes.claims",
    "routes.overrides",
    "routes.overrides.when",
    "routes.token_from",
    "claim_headers",
];

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn parse(text: &str) -> config::Config {
    let environment =
        Environment([("ADMIN_TOKEN".to_owned(), "0123456789abcdef".to_owned())].into());
    config::parse(
        text,
        Path::new("gateway.toml"),
        Path::new("/etc"),
        &environment,
    )
    .unwrap_or_else(|errors| panic!("{errors}"))
}

/// The key of a line that is set, or commented out (`#` and no space).
fn key_of(line: &str) -> Option<(&str, &str)> {
    let line = line.strip_prefix('#').unwrap_or(line);
    let (key, value) = line.split_once(" = ")?;
    let is_key = key
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
    is_key.then_some((key, value))
}

/// The heads of a table, and of a list of tables; gateway.toml may have them commented out.
fn heads(table: &str) -> [String; 3] {
    [
        format!("\n[{table}]\n"),
        format!("\n[[{table}]]\n"),
        format!("\n#[{table}]\n"),
    ]
}

/// The part of gateway.toml that describes `table`; of a list of tables, the first.
fn section<'t>(text: &'t str, table: &str) -> &'t str {
    if table.is_empty() {
        return text;
    }
    let start = heads(table)
        .iter()
        .find_map(|head| text.find(head))
        .unwrap_or_else(|| panic!("gateway.toml has no {table}"));
    let rest = &text[start + 1..];
    let end = rest.find("\n[").into_iter().chain(rest.find("\n#["));
    end.min().map_or(rest, |end| &rest[..end])
}

/// A part whose head is commented out, with that and its keys set.
fn uncommented(part: &str) -> String {
    let lines = part.lines().map(|line| match line.strip_prefix('#') {
        Some(set) if set.starts_with('[') || key_of(line).is_some() => set,
        Some(_) | None => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_shipped_gateway_toml_runs_and_is_for_trying_out_only() {
    let config = parse(&read("gateway.toml"));
    let codes: BTreeSet<&str> = config::warnings(&config)
        .iter()
        .map(|warning| warning.code)
        // That depends on the machine.
        .filter(|code| *code != "file-limit-too-low")
        .collect();
    assert_eq!(
        codes,
        BTreeSet::from(["generated-key", "self-signed-certificate"])
    );
}

#[test]
fn gateway_toml_names_every_key_with_its_default() {
    let text = read("gateway.toml");
    for Key {
        table,
        name,
        default,
    } in config::reference()
    {
        let top = table.split('.').next().unwrap_or_default();
        if table.is_empty() {
            let found = heads(name);
            assert!(found.iter().any(|head| text.contains(head)), "[{name}]");
            continue;
        }
        let elsewhere = match (*table, *name) {
            ("server", "limits") => Some("\n[server.limits]\n"),
            // The shipped issuer has nothing to refresh, and it would be an error.
            ("issuers", "refresh") => Some("\n#   refresh = { interval = "),
            // Nor is there a provider who would say anything.
            ("issuers", "logout") => Some("\n#   [issuers.logout]\n"),
            _ => None,
        };
        if let Some(elsewhere) = elsewhere {
            assert!(text.contains(elsewhere), "{table}.{name}");
            continue;
        }
        if INLINE.contains(table) {
            // They stand inside a value, or in the example beside it; defaults stand there as they are.
            let value = match default {
                Some(default) if matches!(top, "issuers" | "local_issuer") => default,
                Some(_) | None => "",
            };
            let written = [format!("{name} = {value}"), format!("\"{name}\"")];
            let part = section(&text, top);
            assert!(
                written.iter().any(|key| part.contains(key)),
                "{table}.{name}"
            );
            continue;
        }
        let lines: Vec<&str> = section(&text, table)
            .lines()
            .filter(|line| key_of(line).is_some_and(|(key, _)| key == *name))
            .collect();
        let [line] = lines[..] else {
            panic!("{table}.{name} stands {} times", lines.len());
        };
        let (_, value) = key_of(line).expect("filtered above");
        match default {
            Some(default) if line.starts_with('#') => assert_eq!(value, default, "{table}.{name}"),
            // What is set differs from the default, or it would be commented out.
            Some(default) => assert_ne!(value, default, "{table}.{name}"),
            None => {}
        }
    }
}

#[test]
fn the_issuer_that_gateway_toml_tells_of_can_be_set() {
    let text = read("gateway.toml");
    let (_, rest) = text
        .split_once("\n#   [[issuers]]\n")
        .expect("an issuer whose keys are fetched");
    let example: Vec<&str> = rest
        .lines()
        .map_while(|line| line.strip_prefix("#   "))
        .collect();
    let config = parse(&format!("[[issuers]]\n{}", example.join("\n")));
    assert_eq!(config.issuers[0].keys.remote().count(), 1);
    assert_ne!(config.issuers[0].refresh, config::KeyRefresh::default());
    assert!(config.issuers[0].logout.is_some());
    // The tables of keys, each in place of the shipped one.
    let (_, sources) = text
        .split_once("# Where its keys come from, one of:\n")
        .expect("the sources");
    let tables: Vec<&str> = sources
        .lines()
        .map_while(|line| line.strip_prefix("#   "))
        .filter_map(|line| Some(line.split_once("   ")?.0))
        .collect();
    assert_eq!(tables.len(), 7, "{tables:#?}");
    for table in tables.iter().filter(|table| !table.contains("secret")) {
        parse(&text.replace(
            "keys = { generate = \"EdDSA\" }",
            &format!("keys = {table}"),
        ));
    }
}

#[test]
fn the_examples_of_the_readme_and_of_keys_md_can_be_set() {
    let readme = read("README.md");
    let mut blocks = readme.split("```toml\n").skip(1).map(|block| {
        let (block, _) = block.split_once("\n```").expect("an end");
        block
    });
    let local = parse(blocks.next().expect("a configuration that signs users in"));
    assert!(local.local_issuer.is_some());
    // Nothing that a stranger should not copy.
    let warned = config::warnings(&local);
    let codes = warned.iter().map(|warning| warning.code);
    let codes: Vec<&str> = codes.filter(|code| *code != "file-limit-too-low").collect();
    assert_eq!(codes, ["encryption-key-made"]);
    let whole = blocks.next().expect("a configuration");
    assert_eq!(parse(whole).issuers[0].keys.remote().count(), 1);
    let issuer = blocks.next().expect("the lines of an issuer");
    let names: Vec<&str> = issuer
        .lines()
        .filter_map(|line| Some(key_of(line)?.0))
        .collect();
    assert_eq!(names, ["issuer", "audiences", "keys"]);
    let set = |lines: &[&str]| {
        let kept = whole.lines().map(|line| {
            let name = key_of(line).map(|(key, _)| key);
            let other = lines
                .iter()
                .find(|other| name.is_some() && key_of(other).map(|(key, _)| key) == name);
            *other.unwrap_or(&line)
        });
        parse(&kept.collect::<Vec<_>>().join("\n"));
    };
    set(&issuer.lines().collect::<Vec<_>>());
    let text = read("docs/keys.md");
    let shown = text.split('`').filter(|code| code.starts_with("keys = "));
    let blocks = text.lines().filter(|line| line.starts_with("keys = "));
    let examples: Vec<&str> = shown.chain(blocks).collect();
    assert!(examples.len() >= 7, "{examples:#?}");
    for example in examples {
        set(&[example]);
    }
}

#[test]
fn the_example_of_sessions_md_can_be_set() {
    let text = read("docs/sessions.md");
    let (_, block) = text.split_once("```toml\n").expect("a configuration");
    let (block, _) = block.split_once("\n```").expect("an end");
    let route = "[[routes]]\nname = \"all\"\npath = \"/\"\nupstream = \"http://127.0.0.1:9\"\n";
    assert!(parse(&format!("{block}\n{route}")).local_issuer.is_some());
}

#[test]
fn gateway_toml_names_no_other_keys() {
    let text = read("gateway.toml");
    let known: BTreeSet<&str> = config::reference().iter().map(|key| key.name).collect();
    for line in text.lines().filter(|line| line.starts_with('#')) {
        if let Some((key, _)) = key_of(line).filter(|_| !line.starts_with("# ")) {
            assert!(known.contains(key), "{line}");
        }
    }
}

#[test]
fn the_commented_tables_can_be_set_and_say_the_defaults() {
    let text = read("gateway.toml");
    let key = "${file:/run/secrets/portcullis-key}";
    let local = uncommented(section(&text, "local_issuer"));
    assert!(local.contains(key));
    let local = local.replace(key, &"k".repeat(32));
    let route = "[[routes]]\nname = \"a\"\npath = \"/\"\nupstream = \"http://a\"\n";
    let store = uncommented(section(&text, "store"));
    let all = parse(&format!("{local}\n{store}\n{route}"));
    let (all_local, all_store) = (all.local_issuer.unwrap(), all.store.unwrap());
    assert!(all_local.encryption_key.is_some());
    let required =
        "[local_issuer]\nissuer = \"https://localhost:8443/auth\"\naudience = \"demo-api\"\n";
    let least = parse(&format!("{required}{route}"));
    let mut least_local = least.local_issuer.unwrap();
    least_local.place = all_local.place.clone();
    least_local
        .encryption_key
        .clone_from(&all_local.encryption_key);
    assert_eq!(all_local, least_local);
    assert_eq!(all.issuers[0].policy, least.issuers[0].policy);
    let mut least_store = least.store.unwrap();
    least_store.place = all_store.place.clone();
    assert_eq!(all_store, least_store);
}

#[test]
fn every_commented_key_can_be_set() {
    let text = read("gateway.toml");
    // These have heads that are commented out too, and a test of their own.
    let text = text
        .replace(section(&text, "store"), "")
        .replace(section(&text, "local_issuer"), "");
    let uncommented: Vec<String> = text
        .lines()
        .map(|line| match key_of(line) {
            Some(_) if !line.starts_with("# ") => line.trim_start_matches('#').to_owned(),
            _ => line.to_owned(),
        })
        .collect();
    let all = parse(&uncommented.join("\n"));
    let shipped = parse(&read("gateway.toml"));
    // Setting a default changes nothing; the four examples without default do.
    assert_eq!(all.server, shipped.server);
    assert_eq!(all.admin.listen, shipped.admin.listen);
    assert_eq!(all.log, shipped.log);
    assert_eq!(all.issuers[0].policy, shipped.issuers[0].policy);
    assert_eq!(all.strip, shipped.strip);
    assert_ne!(all.admin.access, shipped.admin.access);
    assert!(all.upstreams[0].ca.is_some() && shipped.upstreams[0].ca.is_none());
    assert!(all.routes[0].body_bytes.is_some() && shipped.routes[0].body_bytes.is_none());
}

/// The table rows below a heading of the documentation: key and default.
fn documented(docs: &str, heading: &str) -> Vec<(String, String)> {
    let head = format!("\n{heading}\n");
    let start = docs.find(&head).unwrap_or_else(|| panic!("no `{heading}`"));
    let rest = &docs[start + head.len()..];
    let rest = rest.find("\n#").map_or(rest, |end| &rest[..end]);
    rest.lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter_map(|row| {
            let cells: Vec<&str> = row.split(" | ").collect();
            // A table of two columns tells of something else: the parameters of a URL.
            let [key, _, default, ..] = cells[..] else {
                return None;
            };
            Some((key.trim_end_matches('`').to_owned(), default.to_owned()))
        })
        .collect()
}

#[test]
fn the_documentation_has_the_same_keys_and_defaults() {
    let docs = read("docs/configuration.md");
    let tables: BTreeSet<&str> = config::reference().iter().map(|key| key.table).collect();
    let headed: BTreeSet<&str> = HEADINGS.iter().map(|(table, _)| *table).collect();
    assert_eq!(tables, headed);
    for (table, heading) in HEADINGS {
        let rows = documented(&docs, heading);
        let keys = config::reference().iter().filter(|key| key.table == *table);
        let keys: Vec<&Key> = keys.collect();
        let names: BTreeSet<&str> = keys.iter().map(|key| key.name).collect();
        let documented: BTreeSet<&str> = rows.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, documented, "{heading}");
        assert_eq!(keys.len(), rows.len(), "{heading}");
        for key in keys {
            let (_, default) = rows
                .iter()
                .find(|(name, _)| name == key.name)
                .expect("the sets are equal");
            match &key.default {
                Some(expected) => assert_eq!(default, &format!("`{expected}`"), "{}", key.name),
                None => assert!(
                    matches!(default.as_str(), "required" | "–"),
                    "{heading} {}: {default}",
                    key.name
                ),
            }
        }
    }
}

#[test]
fn the_documentation_lists_every_warning() {
    let docs = read("docs/configuration.md");
    let part = docs
        .split("\n## Warnings\n")
        .nth(1)
        .expect("a part on warnings");
    let listed: Vec<&str> = part
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .collect();
    assert_eq!(listed, WARNING_CODES);
}

/// The code spans of a text.
fn code_spans(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Every reason with its status, as the code has them.
fn reasons() -> BTreeSet<(String, u16)> {
    let reason = |reason: &Reason| (reason.name().to_owned(), reason.status().as_u16());
    Reason::ALL.iter().map(reason).collect()
}

#[test]
fn the_documentation_lists_every_reason_with_its_status() {
    let docs = read("docs/reasons.md");
    let rows = docs.lines().filter(|line| line.starts_with("| `"));
    let mut listed = BTreeSet::new();
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        assert_eq!(cells.len(), 4, "{row}");
        let name = cells[0].trim_matches('`').to_owned();
        let status = cells[1].parse().expect("a status");
        assert!(listed.insert((name, status)), "twice: {row}");
        assert!(!cells[2].is_empty() && !cells[3].is_empty(), "{row}");
    }
    assert_eq!(listed, reasons());
}

#[test]
fn the_documentation_lists_every_action_of_the_audit_trail() {
    let text = read("docs/sessions.md");
    let (_, part) = text.split_once("## The audit trail").unwrap();
    let written: BTreeSet<&str> = part
        .lines()
        .filter(|line| line.starts_with("| `"))
        .flat_map(|line| code_spans(line.split(" | ").next().unwrap_or_default()))
        .collect();
    let known: BTreeSet<&str> = Action::ALL.iter().map(|action| action.as_str()).collect();
    assert_eq!(written, known);
}

#[test]
fn the_readme_lists_every_reason_below_its_status() {
    let readme = read("README.md");
    let (_, part) = readme
        .split_once("\n## Why a request is refused\n")
        .expect("a part on reasons");
    let part = part.split("\n## ").next().unwrap_or_default();
    let mut listed = BTreeSet::new();
    for row in part.lines().filter(|line| line.starts_with("| ")) {
        let (statuses, names) = row[2..].split_once(" | ").expect("two cells");
        let statuses: Vec<u16> = statuses
            .split(", ")
            .filter_map(|status| status.parse().ok())
            .collect();
        for name in code_spans(names) {
            let reason = Reason::ALL.iter().find(|reason| reason.name() == name);
            let reason = reason.unwrap_or_else(|| panic!("no reason {name}"));
            let status = reason.status().as_u16();
            assert!(statuses.contains(&status), "{name} is {status}");
            assert!(listed.insert((name.to_owned(), status)), "{name} twice");
        }
    }
    assert_eq!(listed, reasons());
}

#[test]
fn every_page_is_there_and_every_link_leads_to_a_file() {
    for name in [
        "architecture",
        "life-of-a-request",
        "configuration",
        "keys",
        "users",
        "sessions",
        "reasons",
        "metrics",
        "threat-model",
        "benchmarks",
        "load-testing",
    ] {
        assert!(
            read("README.md").contains(&format!("docs/{name}.md")),
            "{name}"
        );
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pages = std::fs::read_dir(root.join("docs")).expect("docs");
    // Beside the pages lie the plots that one of them shows.
    let mut pages: Vec<_> = pages
        .map(|page| page.expect("a page").path())
        .filter(|page| page.is_file())
        .collect();
    pages.extend(["README.md", "CHANGELOG.md", "certs/README.md"].map(|name| root.join(name)));
    for page in pages {
        let text = std::fs::read_to_string(&page).expect("text");
        for link in text.split("](").skip(1) {
            let target = link.split([')', '#']).next().unwrap_or_default();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            let file = page.parent().expect("a directory").join(target);
            assert!(file.exists(), "{}: {target}", page.display());
        }
    }
}

#[test]
fn the_example_of_rules_md_can_be_set() {
    let page = read("docs/rules.md");
    let (_, rest) = page.split_once("```toml\n").expect("an example");
    let (example, _) = rest.split_once("\n```").expect("its end");
    let issuer = "[[issuers]]\nname = \"corp\"\nissuer = \"https://corp.example/\"\naudiences = [\"a\"]\n\
                  algorithms = [\"EdDSA\"]\nkeys = { jwks_file = \"keys.json\" }\n";
    let config = parse(&format!("{issuer}{example}\n"));
    assert_eq!(config.routes[0].requirements.claims.len(), 5);
    assert_eq!(config.routes[0].overrides.len(), 2);
}
