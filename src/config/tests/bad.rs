//! Errors as a whole: shape, order, suggestions, and what they must not show.

use proptest::prelude::*;

use crate::config::testing::{SMALL, assert_error, bad, parse_with, small_with};

#[test]
fn an_unknown_key_has_place_caret_and_suggestion() {
    let shown = bad("[server]\nworkres = 4\n");
    let expected = "gateway.toml:2:1: error: unknown key `workres` in [server]\n\
                    2 | workres = 4\n\
                    \u{20} | ^^^^^^^\n\
                    help: did you mean `workers`?";
    assert_eq!(shown, expected);
}

#[test]
fn all_errors_come_at_once_and_in_order() {
    let text = "
[server]
workres = 4
listen = \"nowhere\"
[server.limits]
idle_timeout = 75
[[issuers]]
name = \"a\"
[[routes]]
name = \"r\"
path = \"orders\"
upstream = \"order\"
colour = \"red\"
[[upstreams]]
name = \"orders\"
urls = [\"http://orders\"]
";
    let shown = bad(text);
    let places: Vec<&str> = shown
        .lines()
        .filter(|line| line.contains(": error: "))
        .map(|line| line.split(": error: ").next().unwrap())
        .collect();
    let expected = [
        "gateway.toml:3:1",
        "gateway.toml:4:10",
        "gateway.toml:6:16",
        "gateway.toml:7:1", // issuer, audiences, algorithms, keys
        "gateway.toml:7:1",
        "gateway.toml:7:1",
        "gateway.toml:7:1",
        "gateway.toml:11:8",
        "gateway.toml:12:12",
        "gateway.toml:13:1",
    ];
    assert_eq!(places, expected, "{shown}");
}

#[test]
fn syntax_errors_have_the_same_shape() {
    let shown = bad("[server]\nlisten = \nworkers = 1\nworkers = 2\n");
    assert!(shown.starts_with("gateway.toml:2:"), "{shown}");
    assert!(
        shown.contains("gateway.toml:4:1: error: duplicate key"),
        "{shown}"
    );
    assert!(shown.contains("4 | workers = 2\n  | ^^^^^^^"), "{shown}");
}

#[test]
fn unknown_keys() {
    for (text, message, help) in [
        (
            "scopes = []",
            "`scopes` in the file",
            "`scopes` belongs in [[routes]]",
        ),
        (
            "[server]\nidle_timeout = \"1s\"",
            "in [server]",
            "belongs in [server.limits] or [[upstreams]]",
        ),
        (
            "[server.limits]\nlsten = 1",
            "`lsten`",
            "did you mean `listen` in [server] or [admin]?",
        ),
        ("[limits]\n", "`limits`", "`limits` belongs in [server]"),
        (
            "[log]\ncolour = 1",
            "`colour` in [log]",
            "known: `format`, `access`",
        ),
        (
            "[server]\ntls = { self_signd = [\"a\"], self_signed = [\"a\"] }",
            "`self_signd`",
            "`self_signed`?",
        ),
        (
            "[claim_headers]\nX-A = { claim = \"a\", arry = \"csv\" }",
            "`arry`",
            "did you mean `array`?",
        ),
    ] {
        assert_error(text, message, help);
    }
    // Keys of features that are not there.
    for key in ["enforce = \"on\"", "refresh = {}", "token_cache = \"1MiB\""] {
        let shown = bad(&format!("{SMALL}{key}\n"));
        assert!(shown.contains("unknown key"), "{shown}");
    }
}

#[test]
fn secrets_stay_out_of_errors_wherever_they_stand() {
    let keys = "keys = { secret = \"hunter2-hunter2\", kid = 1 }";
    for text in [
        small_with("keys = { jwks_file = \"keys.json\" }", keys),
        "[admin]\ntoken = \"hunter2\"".to_owned(),
        "[admin]\ntokn = \"hunter2\"".to_owned(),
        "[admin]\ntoken = \"hunter2".to_owned(),
        "[admin]\ntoken = \"hunter2${UNSET}\"".to_owned(),
        "[admin]\ntoken: \"hunter2\"".to_owned(),
        "[admin]\ntoken = [\"hunter2\"]".to_owned(),
        "[[issuers]]\nkeys = \"hunter2\"".to_owned(),
        "[[issuers]]\nkeys = { hmac = \"hunter2\" }".to_owned(),
        "[[upstreams]]\nname = \"a\"\nurls = [\"http://u:hunter2@h\"]".to_owned(),
    ] {
        let shown = bad(&text);
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    let filled = parse_with(
        "[server]\nlisten = \"${A}\"\nrealm = \"${A}\\n\"\n[server.limits]\nidle_timeout = \"${A}\"\n\
         [[routes]]\npath = \"${A}\"\n[[routes]]\npath = \"/${A}/*\"",
        &[("A", "hunter2")],
    );
    let shown = filled.unwrap_err().to_string();
    assert!(
        !shown.contains("hunter2") && shown.contains("`${A}` is not an address"),
        "{shown}"
    );
}

proptest! {
    #[test]
    fn no_text_panics(at in 0..SMALL.len(), cut in 0_usize..20, put in "\\PC{0,8}|[\\[\\]{}=.\"'#\n$]{0,8}") {
        // All of it is ASCII, so every index is a character's border.
        let rest = SMALL.get(at + cut..).unwrap_or_default();
        let _ = parse_with(&format!("{}{put}{rest}", &SMALL[..at]), &[]).map_err(|errors| errors.to_string());
    }

    #[test]
    fn no_variable_panics(name in "[A-Z_]{0,20}", value in "\\PC{0,16}") {
        let variable = format!("PORTCULLIS__{name}");
        let _ = parse_with(SMALL, &[(&variable, &value)]).map_err(|errors| errors.to_string());
    }
}
