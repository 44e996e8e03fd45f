//! docs/metrics.md and the code name the same metrics.

use portcullis::metrics::{ConnectionError, FAMILIES, KeyFetch, Metrics, Refresh, SignIn};

const DOCUMENT: &str = include_str!("../docs/metrics.md");

/// The cells of the rows of a table whose first cell is code, without backticks.
fn rows(columns: usize) -> Vec<Vec<String>> {
    DOCUMENT
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| {
            let cells = line.trim_matches('|').split('|');
            cells.map(|cell| cell.replace('`', "").trim().to_owned())
        })
        .map(Iterator::collect)
        .filter(|row: &Vec<String>| row.len() == columns)
        .collect()
}

#[test]
fn the_document_lists_every_family_as_it_is() {
    let listed: Vec<Vec<String>> = FAMILIES
        .iter()
        .map(|family| {
            vec![
                family.name.to_owned(),
                family.kind.name().to_owned(),
                family.labels.join(" "),
                family.help.to_owned(),
            ]
        })
        .collect();
    assert_eq!(rows(4), listed);
}

#[test]
fn the_document_explains_every_label() {
    let explained: Vec<String> = rows(2).into_iter().map(|row| row[0].clone()).collect();
    for family in FAMILIES {
        for label in family.labels {
            assert!(explained.iter().any(|name| name == label), "{label}");
        }
    }
    for name in &explained {
        assert!(
            FAMILIES
                .iter()
                .any(|family| family.labels.contains(&name.as_str())),
            "no family has the label {name}"
        );
    }
}

#[test]
fn the_document_names_every_cause() {
    for cause in ConnectionError::ALL {
        assert!(DOCUMENT.contains(&format!("`{}`", cause.name())));
    }
}

#[test]
fn the_document_names_every_outcome() {
    let of_keys = KeyFetch::ALL.map(KeyFetch::name);
    let of_sign_ins = SignIn::ALL.map(SignIn::name);
    let of_refreshes = Refresh::ALL.map(Refresh::name);
    for outcome in of_keys.into_iter().chain(of_sign_ins).chain(of_refreshes) {
        assert!(DOCUMENT.contains(&format!("`{outcome}`")), "{outcome}");
    }
}

#[test]
fn a_scrape_shows_no_family_that_is_not_listed() {
    let text = Metrics::new(1, &[]).encode();
    for line in text.lines().filter_map(|line| line.strip_prefix("# HELP ")) {
        let (name, help) = line.split_once(' ').expect("a name and a text");
        assert!(
            FAMILIES
                .iter()
                .any(|family| family.name.starts_with(name) && family.help == help),
            "{name}"
        );
    }
}
