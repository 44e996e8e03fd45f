use super::*;

const HASH: &str = "{SHA}L55TUjtiq8FBorTWAZ0jy6g129A=";

fn bad(text: &str, format: Format) -> Vec<String> {
    let lines = parse(text.as_bytes(), format).expect_err("wrong");
    lines.iter().map(ToString::to_string).collect()
}

#[test]
fn htpasswd_has_names_hashes_and_comments() {
    let text = format!(
        "\u{feff}# the office\n\nalice:{HASH}\r\n  bob:{HASH}:a comment \n#carol:{HASH}\nDörte Ä:{HASH}"
    );
    let users = parse(text.as_bytes(), Format::Htpasswd).unwrap();
    let names: Vec<&str> = users.iter().map(|user| user.name().as_str()).collect();
    assert_eq!(names, ["alice", "bob", "Dörte Ä"]);
    for user in &users {
        assert_eq!(user.password().unwrap().as_str(), HASH);
    }
}

#[test]
fn json_has_all_that_a_user_has() {
    let text = format!(
        "{{\"name\":\"alice\",\"hash\":\"{HASH}\",\"roles\":[\"admin\"],\"scopes\":[\"read\"],\
         \"claims\":{{\"level\":3}},\"disabled\":true}}\n\n\
         {{\"name\":\"bob\"}}\n\
         {{\"name\":\"carol\",\"hash\":null,\"roles\":null,\"scopes\":[],\"claims\":null,\"disabled\":false}}\n"
    );
    let users = parse(text.as_bytes(), Format::Json).unwrap();
    let [alice, bob, carol] = &users[..] else {
        panic!("three users");
    };
    assert_eq!(alice.password().unwrap().as_str(), HASH);
    assert_eq!(alice.grants().roles(), ["admin".into()]);
    assert_eq!(alice.grants().scopes(), ["read".into()]);
    assert_eq!(alice.grants().claims()["level"], 3);
    assert!(alice.is_disabled());
    for user in [bob, carol] {
        assert!(user.password().is_none() && !user.is_disabled());
        assert_eq!(*user.grants(), Grants::default());
    }
}

#[test]
fn every_bad_line_of_htpasswd_is_named() {
    let text = format!(
        "alice:{HASH}\nno colon\nbob:hunter2\n:{HASH}\nALICE:{HASH}\ncarol:$1$ab$x\ncarol:$2b$31$\ndave:\n"
    );
    assert_eq!(
        bad(&text, Format::Htpasswd),
        [
            "line 2: not name:hash",
            "line 3: not a hash of a kind that is known: argon2id, argon2i, argon2d, bcrypt, $apr1$ or {SHA}",
            "line 4: the name is empty",
            "line 5: ALICE stands in line 1 too",
            "line 6: not a hash of a kind that is known: argon2id, argon2i, argon2d, bcrypt, $apr1$ or {SHA}",
            "line 7: malformed bcrypt hash",
            "line 8: not a hash of a kind that is known: argon2id, argon2i, argon2d, bcrypt, $apr1$ or {SHA}",
        ]
    );
    let lines = parse(b"alice:\xff", Format::Htpasswd).unwrap_err();
    assert_eq!(lines[0].to_string(), "line 1: not UTF-8");
}

#[test]
fn every_bad_line_of_json_is_named_without_its_secrets() {
    for (line, said) in [
        ("alice:hunter2", "no JSON object (column 1)"),
        ("[\"hunter2\"]", "no JSON object (column 0)"),
        ("{\"name\":\"a\",}", "no JSON object (column 13)"),
        ("{\"hash\":\"hunter2\"}", "no \"name\" that is a text"),
        ("{\"name\":7}", "no \"name\" that is a text"),
        (
            "{\"name\":\"a\\u0000\"}",
            "the name holds a control or an invisible character",
        ),
        (
            "{\"name\":\"a\",\"password\":\"hunter2\"}",
            "\"password\" is not known: name, hash, roles, scopes, claims, disabled",
        ),
        (
            "{\"name\":\"a\",\"hash\":[\"hunter2\"]}",
            "\"hash\" is no text",
        ),
        (
            "{\"name\":\"a\",\"roles\":\"hunter2\"}",
            "\"roles\" is no array of texts",
        ),
        (
            "{\"name\":\"a\",\"scopes\":[7]}",
            "\"scopes\" is no array of texts",
        ),
        ("{\"name\":\"a\",\"claims\":[]}", "\"claims\" is no object"),
        (
            "{\"name\":\"a\",\"disabled\":\"no\"}",
            "\"disabled\" is neither true nor false",
        ),
        (
            "{\"name\":\"a\",\"claims\":{\"sub\":\"b\"}}",
            "`sub` is a claim that the gateway sets, or that has a meaning of its own",
        ),
    ] {
        assert_eq!(bad(line, Format::Json), [format!("line 1: {said}")]);
    }
}
