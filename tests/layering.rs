//! Holds the layers of `src/lib.rs`: a module imports only from lower ones, `mod.rs` has its doc and re-exports only, and
//! a file has one idea.
//!
//! The checker reads tokens, not text, so comments, strings and line breaks do not matter; [`the checker finds`] shows
//! that it fails where it should.
//!
//! [`the checker finds`]: the_checker_finds_what_is_planted

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The table of `src/lib.rs`.
const LAYERS: [(u8, &[&str]); 11] = [
    (0, &["clock", "secret", "json", "metrics"]),
    (1, &["jwt", "headers", "net", "passwords"]),
    (2, &["config"]),
    (3, &["routing", "keys", "upstream", "store"]),
    (4, &["snapshot", "revocation", "token_cache"]),
    (5, &["gate", "issuer", "revocation_feed"]),
    (6, &["proxy", "reload"]),
    (7, &["explain"]),
    (8, &["server", "admin", "telemetry"]),
    (9, &["app"]),
    (10, &["cli"]),
];

/// The binary stands above everything.
const TOP: (u8, &str) = (11, "main");

/// Lines of a file, tests included.
const MOST_LINES: usize = 500;

fn layer_of(module: &str) -> Option<u8> {
    if module == TOP.1 {
        return Some(TOP.0);
    }
    LAYERS
        .iter()
        .find(|(_, modules)| modules.contains(&module))
        .map(|(layer, _)| *layer)
}

#[test]
fn every_module_imports_only_from_lower_layers() {
    let mut problems = String::new();
    for (path, text) in sources() {
        for problem in imports_upwards(&path, &text) {
            let _ = writeln!(problems, "{problem}");
        }
    }
    assert!(problems.is_empty(), "\n{problems}");
}

#[test]
fn mod_rs_holds_its_doc_and_re_exports_only() {
    let mut problems = String::new();
    for (path, text) in sources() {
        if path.ends_with("mod.rs") {
            for item in other_items(&text) {
                let _ = writeln!(problems, "{}: {item}", path.display());
            }
        }
    }
    assert!(problems.is_empty(), "\n{problems}");
}

#[test]
fn no_file_is_longer_than_it_can_be_read() {
    let long: Vec<String> = sources()
        .into_iter()
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > MOST_LINES)
        .map(|(path, lines)| format!("{}: {lines} lines", path.display()))
        .collect();
    assert!(long.is_empty(), "{long:#?}");
}

#[test]
fn tests_of_their_own_stand_in_the_folder_of_what_they_test() {
    let mut problems = String::new();
    for (path, text) in sources() {
        let elsewhere = path.to_string_lossy().ends_with("_tests.rs");
        if elsewhere
            || text
                .lines()
                .any(|line| line.trim_start().starts_with("#[path"))
        {
            let _ = writeln!(problems, "{}: name/tests.rs is the place", path.display());
        }
    }
    assert!(problems.is_empty(), "\n{problems}");
}

#[test]
fn the_table_is_the_one_of_the_crate_documentation() {
    let lib = std::fs::read_to_string(root().join("lib.rs")).unwrap();
    let mut documented: BTreeMap<u8, Vec<String>> = BTreeMap::new();
    for line in lib.lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, layer, modules, ..] = cells.as_slice() else {
            continue;
        };
        if let Ok(layer) = layer.parse() {
            let names = modules.split_whitespace();
            let names = names.map(|name| name.trim_matches(['[', ']', '`']).to_owned());
            documented.insert(layer, names.collect());
        }
    }
    let held = LAYERS
        .iter()
        .map(|(layer, modules)| (*layer, modules.iter().map(|m| (*m).to_owned()).collect()))
        .collect();
    assert_eq!(documented, held);
}

#[test]
fn every_module_has_a_layer() {
    let lib = std::fs::read_to_string(root().join("lib.rs")).unwrap();
    let tokens = tokens(&lib);
    let declared: Vec<&str> = tokens
        .windows(2)
        .filter(|pair| pair[0] == "mod")
        .map(|pair| pair[1].as_str())
        .collect();
    assert!(declared.len() > 10, "{declared:?}");
    for module in declared {
        assert!(layer_of(module).is_some(), "{module} has no layer");
    }
}

#[test]
fn every_invariant_of_the_architecture_names_a_test_that_exists() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(manifest.join("docs/architecture.md")).unwrap();
    let mut code = String::new();
    for directory in [root(), manifest.join("tests")] {
        for (_, text) in rust_files(&directory) {
            code.push_str(&text);
        }
    }
    let invariants: Vec<&str> = text.split("**Invariant:**").skip(1).collect();
    assert!(invariants.len() > 10, "{}", invariants.len());
    for invariant in invariants {
        let invariant = invariant.split("\n\n").next().unwrap();
        let (_, holders) = invariant
            .split_once("Held by ")
            .unwrap_or_else(|| panic!("nobody holds: {invariant}"));
        // Between backticks is every second piece.
        for name in holders.split('`').skip(1).step_by(2) {
            assert!(code.contains(&format!("fn {name}(")), "{name} is no test");
        }
    }
}

#[test]
fn the_checker_finds_what_is_planted() {
    let found = |file: &str, text: &str| imports_upwards(Path::new(file), text);
    // (file, text, how many problems)
    let rows = [
        ("gate/decide.rs", "use crate::proxy::serve;", 1),
        (
            "gate/decide.rs",
            "use crate::{\n    jwt::{verify, Claims},\n    admin,\n};",
            1,
        ),
        ("jwt/verify.rs", "use crate::headers::bearer_token;", 1),
        (
            "jwt/verify.rs",
            "fn f() -> crate::config::Config { todo!() }",
            1,
        ),
        ("jwt/verify.rs", "use super::super::config::Config;", 1),
        ("clock.rs", "use super::jwt;", 1),
        ("clock.rs", "mod tests { use super::super::jwt; }", 1),
        ("keys/load.rs", "use portcullis::upstream::Upstream;", 1),
        ("config/model.rs", "use crate::*;", 1),
        ("config/model.rs", "use crate as all;", 1),
        ("config/model.rs", "pub use crate::nowhere::X;", 1),
        ("nowhere/new.rs", "use crate::clock::Clock;", 1),
        // And what is allowed.
        (
            "gate/decide.rs",
            "use crate::{jwt, headers::Target}; use crate::gate::Reason;",
            0,
        ),
        (
            "gate/decide.rs",
            "use super::Reason; mod tests { use super::*; use super::super::Reason; }",
            0,
        ),
        ("clock.rs", "mod tests { use super::*; }", 0),
        (
            "jwt/verify.rs",
            "// use crate::proxy;\n/* crate::proxy */ const A: &str = \"crate::proxy::x\";",
            0,
        ),
        (
            "jwt/verify.rs",
            "/// [`crate::gate::decide`]\nfn f<'a>(c: char) -> bool { c == '\"' || c == 'a' }",
            0,
        ),
        (
            "jwt/verify.rs",
            "const A: &str = r#\"use crate::proxy; \" \"#;",
            0,
        ),
        (
            "cli/run.rs",
            "pub(in crate::cli) fn f() { crate::app::x() }",
            0,
        ),
        ("main.rs", "fn main() { portcullis::cli::main() }", 0),
    ];
    for (file, text, problems) in rows {
        assert_eq!(found(file, text).len(), problems, "{file}: {text}");
    }
}

#[test]
fn the_checker_knows_what_mod_rs_may_hold() {
    for good in [
        "//! Doc.\nmod a;\npub mod b;\npub use a::{A, B};\npub(crate) use b::C;",
        "#[cfg(test)]\nmod tests;\nuse a::A;",
    ] {
        assert_eq!(other_items(good), Vec::<String>::new(), "{good}");
    }
    for bad in [
        "mod a; fn f() {}",
        "mod a { use b::C; }",
        "pub struct A; mod a;",
        "const A: u8 = 1;",
    ] {
        assert!(!other_items(bad).is_empty(), "{bad}");
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every source file, by its path below `src`.
fn sources() -> Vec<(PathBuf, String)> {
    let sources = rust_files(&root());
    assert!(sources.len() > 50, "only {} files in src", sources.len());
    sources
}

fn rust_files(root: &Path) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).expect("the directory is there") {
            let path = entry.expect("it can be listed").path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).expect("sources are UTF-8");
                let below = path.strip_prefix(root).expect("it was found there");
                files.push((below.to_owned(), text));
            }
        }
    }
    files.sort();
    files
}

/// What a file of `src` imports from its own layer or a higher one.
fn imports_upwards(path: &Path, text: &str) -> Vec<String> {
    let modules = module_path(path);
    let Some(own) = modules.first() else {
        // lib.rs only declares.
        return Vec::new();
    };
    let Some(layer) = layer_of(own) else {
        return vec![format!("{}: {own} has no layer", path.display())];
    };
    let mut problems = Vec::new();
    for imported in top_modules(&modules, &tokens(text)) {
        let allowed = imported == *own || layer_of(&imported).is_some_and(|other| other < layer);
        if !allowed {
            problems.push(format!(
                "{}: {own} (layer {layer}) imports {imported} ({})",
                path.display(),
                layer_of(&imported).map_or("no layer".to_owned(), |other| format!("layer {other}")),
            ));
        }
    }
    problems
}

/// `gate/decide.rs` is `[gate, decide]`, `gate/mod.rs` is `[gate]`, `lib.rs` is `[]`.
fn module_path(path: &Path) -> Vec<String> {
    let mut modules: Vec<String> = path
        .with_extension("")
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .collect();
    if matches!(modules.last().map(String::as_str), Some("mod" | "lib")) {
        modules.pop();
    }
    modules
}

/// The top modules that a file names in paths from the crate's root, by `crate::`, `portcullis::` or enough `super::`.
fn top_modules(modules: &[String], tokens: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    let mut braces = 0;
    // The depths of braces at which inline modules stand.
    let mut inline: Vec<usize> = Vec::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        match token.as_str() {
            "{" => braces += 1,
            "}" => {
                braces -= 1;
                if inline.last() == Some(&braces) {
                    inline.pop();
                }
            }
            "mod" if tokens.get(at + 2).is_some_and(|next| next == "{") => inline.push(braces),
            "crate" | "portcullis" if at == 0 || tokens[at - 1] != "::" => {
                found.extend(first_names(&tokens[at + 1..]));
            }
            "super" if at == 0 || tokens[at - 1] != "::" => {
                let ups = 1 + tokens[at + 1..]
                    .chunks(2)
                    .take_while(|pair| *pair == ["::", "super"])
                    .count();
                if ups >= modules.len() + inline.len() {
                    found.extend(first_names(&tokens[at + 2 * ups - 1..]));
                }
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// The names that follow a root: one, those of a group, or `*` where everything is meant.
fn first_names(rest: &[String]) -> Vec<String> {
    let word = |at: usize| rest.get(at).map_or("", String::as_str);
    match (word(0), word(1)) {
        ("::", "{") => {
            let mut names = Vec::new();
            let mut depth = 0;
            for (at, token) in rest.iter().enumerate().skip(1) {
                match token.as_str() {
                    "{" => depth += 1,
                    "}" => depth -= 1,
                    _ => {}
                }
                if depth == 0 {
                    break;
                }
                if depth == 1
                    && matches!(word(at - 1), "{" | ",")
                    && !matches!(word(at), "{" | "}" | ",")
                {
                    names.push(token.clone());
                }
            }
            names
        }
        ("::", name) => vec![name.to_owned()],
        // `use crate as all`; elsewhere the bare word is a visibility.
        ("as", _) => vec!["*".to_owned()],
        _ => Vec::new(),
    }
}

/// What a `mod.rs` holds besides modules and re-exports.
fn other_items(text: &str) -> Vec<String> {
    let tokens = tokens(text);
    let mut others = Vec::new();
    for item in tokens.split(|token| token == ";") {
        let item = without_attributes(item);
        let mut words = item.iter().map(String::as_str).skip_while(|word| {
            matches!(
                *word,
                "pub" | "(" | ")" | "crate" | "super" | "in" | "::" | "cli"
            )
        });
        let (first, third) = (words.next(), words.nth(1));
        let fine = match first {
            None | Some("use") => true,
            Some("mod") => third != Some("{"),
            Some(_) => false,
        };
        if !fine {
            others.push(item.join(" "));
        }
    }
    others
}

fn without_attributes(mut item: &[String]) -> &[String] {
    while item.first().is_some_and(|token| token == "#") {
        let end = item.iter().position(|token| token == "]");
        item = end.map_or(&[], |end| &item[end + 1..]);
    }
    item
}

/// Words, `::` and single signs, without comments, strings and characters.
fn tokens(text: &str) -> Vec<String> {
    let text: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let next = text.get(at + 1).copied();
        match text[at] {
            '/' if next == Some('/') => at = find(&text, at, "\n"),
            '/' if next == Some('*') => at = find(&text, at, "*/"),
            '"' => at = after_string(&text, at),
            'r' if let Some(hashes) = raw_string_hashes(&text, at) => {
                let end = format!("\"{}", "#".repeat(hashes));
                at = find(&text, at + hashes + 2, &end);
            }
            '\'' => at = after_quote(&text, at),
            ':' if next == Some(':') => {
                tokens.push("::".to_owned());
                at += 2;
            }
            sign if is_word(sign) => {
                let word: String = text[at..]
                    .iter()
                    .copied()
                    .take_while(|c| is_word(*c))
                    .collect();
                at += word.chars().count();
                tokens.push(word);
            }
            sign => {
                if !sign.is_whitespace() {
                    tokens.push(sign.to_string());
                }
                at += 1;
            }
        }
    }
    tokens
}

fn is_word(sign: char) -> bool {
    sign.is_alphanumeric() || sign == '_'
}

/// Behind the next `end`, or the end of the text.
fn find(text: &[char], from: usize, end: &str) -> usize {
    let end: Vec<char> = end.chars().collect();
    (from..text.len())
        .find(|at| text[*at..].starts_with(&end))
        .map_or(text.len(), |at| at + end.len())
}

fn after_string(text: &[char], from: usize) -> usize {
    let mut at = from + 1;
    while at < text.len() && text[at] != '"' {
        at += if text[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// The number of `#` of a raw string that begins here; the `r` must not end a word.
fn raw_string_hashes(text: &[char], at: usize) -> Option<usize> {
    if at > 0 && is_word(text[at - 1]) && text[at - 1] != 'b' {
        return None;
    }
    let hashes = text[at + 1..]
        .iter()
        .take_while(|sign| **sign == '#')
        .count();
    (text.get(at + 1 + hashes) == Some(&'"')).then_some(hashes)
}

/// Behind a character, or behind the quote of a lifetime.
fn after_quote(text: &[char], at: usize) -> usize {
    match (text.get(at + 1), text.get(at + 2)) {
        (Some('\\'), _) => find(text, at + 3, "'"),
        (Some(_), Some('\'')) => at + 3,
        _ => at + 1,
    }
}
