//! `user`: what is typed, what it prints, what it ends with, and that no password is anywhere in the clear.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Stdio};

use serde_json::Value;

use super::process::{Ended, Sandbox};

mod terminal;

const PASSWORD: &str = "correct horse battery";

/// htpasswd 2.4.71: the password `correct horse`.
const BCRYPT: &str = "$2y$04$Q4XhsEvLeZbTkyluyDHHvuoZghdGqOx6FRC3yGWxzax.KPromRwSi";
const SHA: &str = "{SHA}L55TUjtiq8FBorTWAZ0jy6g129A=";

/// A directory with a configuration. The store is a file of the state directory.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("gateway.toml", &config(""));
    sandbox
}

fn config(store: &str) -> String {
    format!(
        "{store}[[issuers]]\nname = \"corp\"\nissuer = \"https://corp.example/\"\naudiences = [\"api\"]\n\
         algorithms = [\"EdDSA\"]\nkeys = {{ generate = \"EdDSA\" }}\n\
         [[routes]]\nname = \"all\"\npath = \"/\"\nupstream = \"http://127.0.0.1:9\"\n"
    )
}

/// Runs `user ..` with `input` on standard input.
fn user_with(sandbox: &Sandbox, arguments: &[&str], input: &str) -> Ended {
    let arguments = [&["user"], arguments].concat();
    let mut child = sandbox
        .command(&arguments)
        .env("USER", "ada.lovelace")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut stdin = child.stdin.take().expect("piped");
    // One that ends before it reads has closed it.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    Ended {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).expect("UTF-8"),
        err: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

fn user(sandbox: &Sandbox, arguments: &[&str]) -> String {
    let ended = user_with(sandbox, arguments, "");
    assert_eq!(ended.code, Some(0), "{arguments:?}: {}", ended.err);
    ended.out
}

fn add(sandbox: &Sandbox, name: &str, more: &[&str]) {
    let arguments = [&["add", name, "--password-stdin"], more].concat();
    let ended = user_with(sandbox, &arguments, &format!("{PASSWORD}\n"));
    assert_eq!(ended.code, Some(0), "{name}: {}", ended.err);
    assert_eq!(ended.out, format!("user {name} added\n"));
}

fn users(sandbox: &Sandbox) -> Vec<Value> {
    let list: Value = serde_json::from_str(&user(sandbox, &["list", "--json"])).expect("JSON");
    list["users"].as_array().expect("an array").clone()
}

fn names(sandbox: &Sandbox) -> Vec<String> {
    let users = users(sandbox);
    let names = users
        .iter()
        .map(|user| user["name"].as_str().expect("a name"));
    names.map(str::to_owned).collect()
}

/// Everything that the state directory holds.
fn stored(sandbox: &Sandbox) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(sandbox.path("state")).expect("a directory") {
        let path = entry.expect("an entry").path();
        File::open(path)
            .and_then(|mut file| file.read_to_end(&mut all))
            .expect("read");
    }
    all
}

fn contains(all: &[u8], text: &str) -> bool {
    all.windows(text.len()).any(|part| part == text.as_bytes())
}

#[test]
fn a_user_has_what_was_typed_and_is_listed_by_name() {
    let sandbox = sandbox();
    let claims = ["--claim", "level=3", "--claim", "team=\"red\""];
    let roles = ["--role", "admin", "--role", "staff", "--scope", "read"];
    add(&sandbox, "Bob", &[&roles[..], &claims].concat());
    let without = user(&sandbox, &["add", "alice", "--no-password"]);
    assert_eq!(without, "user alice added, without a password\n");
    assert_eq!(
        user(&sandbox, &["disable", "BOB"]),
        "user BOB is disabled\n"
    );

    let all = users(&sandbox);
    assert_eq!(names(&sandbox), ["alice", "Bob"]);
    let (alice, bob) = (&all[0], &all[1]);
    assert_eq!(bob["roles"], serde_json::json!(["admin", "staff"]));
    assert_eq!(bob["scopes"], serde_json::json!(["read"]));
    assert_eq!(
        bob["claims"],
        serde_json::json!({ "level": 3, "team": "red" })
    );
    assert_eq!(
        (&bob["password"], &bob["disabled"]),
        (&"argon2id".into(), &true.into())
    );
    assert_eq!(bob["password_outdated"], false);
    assert_eq!(
        (&alice["password"], &alice["disabled"]),
        (&Value::Null, &false.into())
    );
    assert_ne!(alice["id"], bob["id"]);

    let text = user(&sandbox, &["list"]);
    let lines: Vec<Vec<&str>> = text
        .lines()
        .map(|l| l.split_whitespace().collect())
        .collect();
    assert_eq!(
        lines[0],
        ["NAME", "STATE", "PASSWORD", "ROLES", "SCOPES", "CREATED"]
    );
    assert_eq!(lines[1][..5], ["alice", "enabled", "none", "-", "-"]);
    assert_eq!(
        lines[2][..5],
        ["Bob", "disabled", "argon2id", "admin,staff", "read"]
    );
    // The columns stand below each other.
    let starts = |word: &str| text.lines().filter_map(|line| line.find(word)).max();
    assert_eq!(starts("STATE"), starts("enabled"), "{text}");
}

#[test]
fn a_password_is_set_taken_away_and_a_user_switched() {
    let sandbox = sandbox();
    user(&sandbox, &["add", "alice", "--no-password"]);
    let kind = || users(&sandbox)[0]["password"].clone();
    assert_eq!(kind(), Value::Null);
    let set = user_with(&sandbox, &["passwd", "Alice", "--password-stdin"], PASSWORD);
    assert_eq!(
        (set.code, &*set.out),
        (Some(0), "password of alice set\n"),
        "{}",
        set.err
    );
    assert_eq!(kind(), "argon2id");
    assert_eq!(
        user(&sandbox, &["passwd", "alice", "--no-password"]),
        "password of alice taken away\n"
    );
    assert_eq!(kind(), Value::Null);
    for (command, said) in [
        ("enable", "user alice is enabled already\n"),
        ("disable", "user alice is disabled\n"),
        ("disable", "user alice is disabled already\n"),
        ("enable", "user alice is enabled\n"),
    ] {
        assert_eq!(user(&sandbox, &[command, "alice"]), said);
    }
}

/// What is typed, what comes on standard input, the exit code, and a part of what is said.
const MISTAKES: &[(&[&str], &str, i32, &str)] = &[
    (
        &["add", "alice", "--no-password"],
        "",
        1,
        "there is a user `alice` already",
    ),
    (
        &["add", "ALICE ", "--no-password"],
        "",
        1,
        "there is a user `alice` already",
    ),
    (
        &["passwd", "bob", "--no-password"],
        "",
        1,
        "there is no user `bob`",
    ),
    (&["disable", "bob"], "", 1, "there is no user `bob`"),
    (&["enable", "bob"], "", 1, "there is no user `bob`"),
    (&["add", "", "--no-password"], "", 2, "is empty"),
    (&["add", "a\u{202e}b", "--no-password"], "", 2, "invisible"),
    (&["add", "bob"], "", 2, "--password-stdin, or --no-password"),
    (
        &["passwd", "alice"],
        "",
        2,
        "--password-stdin, or --no-password",
    ),
    (
        &["add", "bob", "--password-stdin", "--no-password"],
        "",
        2,
        "cannot be used with",
    ),
    (
        &["add", "bob", "--password", "hunter2"],
        "",
        2,
        "unexpected argument",
    ),
    (
        &["add", "bob", "--password-stdin"],
        "",
        1,
        "no password was given",
    ),
    (
        &["add", "bob", "--password-stdin"],
        "\nsecond",
        1,
        "cannot be empty",
    ),
    (
        &["add", "bob", "--no-password", "--claim", "level"],
        "",
        2,
        "NAME=JSON",
    ),
    (
        &["add", "bob", "--no-password", "--claim", "level=high"],
        "",
        2,
        "needs its quotes",
    ),
    (
        &["add", "bob", "--no-password", "--claim", "sub=\"eve\""],
        "",
        2,
        "`sub`",
    ),
    (
        &[
            "add",
            "bob",
            "--no-password",
            "--claim",
            "a=1",
            "--claim",
            "a=2",
        ],
        "",
        2,
        "given twice",
    ),
    (
        &["add", "bob", "--no-password", "--scope", "a b"],
        "",
        2,
        "`a b`",
    ),
    (
        &["add", "bob", "--no-password", "--role", ""],
        "",
        2,
        "no role",
    ),
    (&["import", "absent"], "", 1, "cannot read absent"),
    (
        &["import", "-", "--format", "csv"],
        "",
        2,
        "possible values",
    ),
    (&["list", "-c", "absent.toml"], "", 78, "absent.toml"),
    (&[], "", 2, "Usage"),
];

#[test]
fn each_mistake_has_its_code_and_says_what_to_do() {
    let sandbox = sandbox();
    add(&sandbox, "alice", &[]);
    let long = "a".repeat(1025);
    let too_long: [(&[&str], &str, i32, &str); 2] = [
        (&["add", &long, "--no-password"], "", 2, "255 bytes"),
        (
            &["add", "bob", "--password-stdin"],
            &long,
            1,
            "at most 1024 bytes",
        ),
    ];
    for (arguments, input, code, said) in MISTAKES.iter().chain(&too_long) {
        let ended = user_with(&sandbox, arguments, input);
        assert_eq!(ended.code, Some(*code), "{arguments:?}: {}", ended.err);
        assert!(ended.err.contains(said), "{arguments:?}: {}", ended.err);
        assert_eq!(ended.out, "", "{arguments:?}");
    }
    assert_eq!(names(&sandbox), ["alice"], "a mistake changes nothing");
}

#[test]
fn without_a_configuration_nothing_is_made() {
    let sandbox = Sandbox::new();
    let ended = user_with(&sandbox, &["list"], "");
    assert_eq!(ended.code, Some(78), "{}", ended.err);
    assert!(!sandbox.path("state").exists());
}

#[test]
fn a_password_is_nowhere_in_the_clear() {
    let sandbox = sandbox();
    add(&sandbox, "alice", &[]);
    add(&sandbox, "bob", &[]);
    sandbox.write("users", &format!("carol:{BCRYPT}\n"));
    user(&sandbox, &["import", "users"]);
    let all = stored(&sandbox);
    assert!(contains(&all, "alice") && !contains(&all, PASSWORD));
    // Two equal passwords, and two hashes.
    let text = String::from_utf8_lossy(&all);
    let hashes = text.split("$argon2id$v=19$m=19456,t=2,p=1$").skip(1);
    let salts: BTreeSet<&str> = hashes.filter_map(|rest| rest.get(..22)).collect();
    assert_eq!(salts.len(), 2, "{salts:?}");
    assert!(contains(&all, "ada.lovelace"), "who did it is kept");
    for arguments in [&["list"][..], &["list", "--json"]] {
        let out = user(&sandbox, arguments);
        assert!(!out.contains(PASSWORD) && !out.contains('$'), "{out}");
    }
    let mode = |name: &str| {
        let data = std::fs::metadata(sandbox.path("state").join(name)).expect(name);
        data.permissions().mode() & 0o777
    };
    assert_eq!(mode("portcullis.db"), 0o600);
}

#[test]
fn a_file_of_htpasswd_is_imported_whole() {
    let sandbox = sandbox();
    add(&sandbox, "alice", &["--role", "admin"]);
    sandbox.write(
        "users",
        &format!("# office\nbob:{BCRYPT}\nCarol:{SHA}:once in the lab\n"),
    );
    let ended = user_with(&sandbox, &["import", "users"], "");
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert_eq!(ended.out, "2 added, 0 replaced, 0 left as they were\n");
    assert!(
        ended.err.contains("warning: 1 of the hashes"),
        "{}",
        ended.err
    );
    let all = users(&sandbox);
    let kinds: Vec<_> = all.iter().map(|user| user["password"].clone()).collect();
    assert_eq!(kinds, ["argon2id", "bcrypt", "{SHA}"]);
    assert_eq!(all[1]["password_outdated"], true);
    assert!(user(&sandbox, &["list"]).contains("{SHA} (weak)"));

    // Who is there already: nothing, or not that one, or in its place.
    sandbox.write("more", &format!("dave:{BCRYPT}\nALICE:{BCRYPT}\n"));
    let ended = user_with(&sandbox, &["import", "more"], "");
    assert_eq!(ended.code, Some(1), "{}", ended.out);
    assert!(
        ended
            .err
            .contains("there is a user `ALICE` already: nothing is imported\n  --existing skip"),
        "{}",
        ended.err
    );
    assert_eq!(names(&sandbox), ["alice", "bob", "Carol"]);
    assert_eq!(
        user(&sandbox, &["import", "more", "--existing", "skip"]),
        "1 added, 0 replaced, 1 left as they were\n"
    );
    assert_eq!(users(&sandbox)[0]["password"], "argon2id");
    assert_eq!(
        user(&sandbox, &["import", "more", "--existing", "replace"]),
        "0 added, 2 replaced, 0 left as they were\n"
    );
    let alice = &users(&sandbox)[0];
    assert_eq!(
        (&alice["password"], &alice["roles"]),
        (&"bcrypt".into(), &Value::Array(vec![]))
    );
}

#[test]
fn json_lines_are_imported_with_all_that_they_say() {
    let sandbox = sandbox();
    let lines = format!(
        "{{\"name\":\"alice\",\"hash\":\"{BCRYPT}\",\"roles\":[\"admin\"],\"claims\":{{\"level\":3}},\"disabled\":true}}\n\
         {{\"name\":\"bob\"}}\n"
    );
    sandbox.write("users.jsonl", &lines);
    user(&sandbox, &["import", "users.jsonl"]);
    let all = users(&sandbox);
    assert_eq!(all[0]["disabled"], true);
    assert_eq!(all[0]["claims"]["level"], 3);
    assert_eq!(
        (&all[1]["password"], &all[1]["disabled"]),
        (&Value::Null, &false.into())
    );
    let again = ["import", "-", "--format", "json", "--existing", "skip"];
    let ended = user_with(&sandbox, &again, &lines);
    assert_eq!(
        ended.out, "0 added, 0 replaced, 2 left as they were\n",
        "{}",
        ended.err
    );
}

#[test]
fn every_bad_line_is_named_and_nothing_is_imported() {
    let sandbox = sandbox();
    sandbox.write(
        "users",
        &format!("alice:{BCRYPT}\nbob:hunter2\n\nAlice:{SHA}\ncarol\n\u{1b}[2J:{SHA}\n"),
    );
    let ended = user_with(&sandbox, &["import", "users"], "");
    assert_eq!(ended.code, Some(1));
    let lines: Vec<&str> = ended.err.lines().map(str::trim).collect();
    assert_eq!(lines.len(), 5, "{}", ended.err);
    assert!(lines[0].contains("users: nothing is imported"));
    for (line, number) in lines[1..].iter().zip([2, 4, 5, 6]) {
        assert!(line.starts_with(&format!("line {number}: ")), "{line}");
    }
    assert!(!ended.err.contains("hunter2") && !ended.err.contains('\u{1b}'));
    assert!(names(&sandbox).is_empty());
}

#[test]
fn processes_that_add_at_once_do_not_lose_one_another() {
    let sandbox = sandbox();
    let start = |name: String| -> Child {
        sandbox
            .command(&["user", "add", &name, "--no-password"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts")
    };
    // The file is not there yet, so they also make it at once. One name is wanted by all.
    let mut children: Vec<Child> = (0..4)
        .map(|number| start(format!("user{number}")))
        .collect();
    let same: Vec<Child> = (0..3).map(|_| start("same".to_owned())).collect();
    for child in children.drain(..) {
        let output = child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{said}");
    }
    let codes: Vec<Option<i32>> = same
        .into_iter()
        .map(|child| child.wait_with_output().expect("it ends").status.code())
        .collect();
    let added = codes.iter().filter(|code| **code == Some(0)).count();
    let refused = codes.iter().filter(|code| **code == Some(1)).count();
    assert_eq!((added, refused), (1, 2), "{codes:?}");
    assert_eq!(
        names(&sandbox),
        ["same", "user0", "user1", "user2", "user3"]
    );
}

#[test]
fn a_store_that_is_away_is_69() {
    let sandbox = sandbox();
    // A file where a directory should be.
    sandbox.write("state", "");
    for arguments in [
        &["list"][..],
        &["add", "bob", "--no-password"],
        &["disable", "bob"],
    ] {
        let ended = user_with(&sandbox, arguments, "");
        assert_eq!(ended.code, Some(69), "{arguments:?}: {}", ended.err);
        assert!(ended.err.contains("portcullis.db"), "{}", ended.err);
    }
}

#[test]
fn a_server_that_is_away_is_69_and_its_password_not_told() {
    let sandbox = Sandbox::new();
    // Port 1 of loopback: nobody listens there.
    let postgres = config("[store]\nurl = \"postgres://ada:hunter2@127.0.0.1:1/users\"\n");
    sandbox.write("gateway.toml", &postgres);
    for arguments in [&["list"][..], &["add", "bob", "--no-password"]] {
        let ended = user_with(&sandbox, arguments, "");
        assert_eq!(ended.code, Some(69), "{arguments:?}: {}", ended.err);
        assert!(!ended.err.contains("hunter2"), "{}", ended.err);
    }
}
