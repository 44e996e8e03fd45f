//! `keys rotate`: signing keys of the local issuer, in the store and sealed.

use std::os::unix::fs::PermissionsExt;

use super::process::{Sandbox, wait_until};

const ROUTE: &str = "[[routes]]\nname = \"all\"\npath = \"/\"\nupstream = \"http://127.0.0.1:9\"\n";

fn config(more: &str) -> String {
    format!(
        "[local_issuer]\nissuer = \"https://localhost:8443/auth\"\naudience = \"demo\"\n{more}{ROUTE}"
    )
}

fn sandbox(more: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("gateway.toml", &config(more));
    sandbox
}

/// The second word of a line: `key KID (EdDSA) ..`.
fn kid(line: Option<&str>) -> String {
    let word = line.and_then(|line| line.split(' ').nth(1));
    word.expect("a kid").to_owned()
}

#[test]
fn the_first_key_signs_at_once_and_the_next_in_an_hour_or_a_minute() {
    let sandbox = sandbox("");
    let first = sandbox.run(&["keys", "rotate"]);
    assert_eq!(first.code, Some(0), "{}", first.err);
    assert!(first.err.contains("store.key"), "{}", first.err);
    assert!(
        first.out.ends_with("(EdDSA) is made: it signs\n"),
        "{}",
        first.out
    );
    let old = kid(first.out.lines().next());

    let second = sandbox.run(&["keys", "rotate"]);
    assert_eq!((second.code, &*second.err), (Some(0), ""));
    assert!(
        second
            .out
            .contains("is made: it is published, and signs in 1 hour")
    );
    let new = kid(second.out.lines().next());
    assert_ne!(new, old);
    assert_eq!(kid(second.out.lines().nth(1)), old);
    assert!(!second.out.contains("revoke"), "{}", second.out);

    // The one that waits signs sooner, and no third one is made.
    let hurried = sandbox.ok(&["keys", "rotate", "--now", "-c", "gateway.toml"]);
    assert_eq!(kid(hurried.lines().next()), new);
    assert!(hurried.contains("is there already"), "{hurried}");
    let revoke = format!("portcullis revoke --issuer local --kid {old}\n");
    assert!(hurried.contains(&revoke), "{hurried}");
    let lost = sandbox.ok(&["keys", "rotate", "--lost"]);
    assert!(lost.contains("leaves the JWK Set then"), "{lost}");
    // Who did it is in the trail.
    let trail = sandbox.ok(&["audit"]);
    assert!(
        trail.contains("key.added") && trail.contains(&old),
        "{trail}"
    );
}

#[test]
fn another_encryption_key_is_named_and_changes_nothing() {
    let sandbox = sandbox("");
    sandbox.ok(&["keys", "rotate"]);
    let key = "encryption_key = \"0123456789abcdef0123456789abcdef\"\n";
    sandbox.write("gateway.toml", &config(key));
    let ended = sandbox.run(&["keys", "rotate", "--now"]);
    assert_eq!(ended.code, Some(78), "{}", ended.err);
    assert!(
        ended.err.contains("local_issuer.encryption_key"),
        "{}",
        ended.err
    );
    // With the first one back all is as it was.
    sandbox.write("gateway.toml", &config(""));
    let again = sandbox.ok(&["keys", "rotate"]);
    assert!(again.contains("signs in 1 hour"), "{again}");

    // As docs/keys.md has it for one that is gone for good.
    let store = sandbox.path("state").join("portcullis.db");
    let docs = include_str!("../../docs/keys.md");
    let forget = docs
        .lines()
        .find(|line| line.starts_with("DELETE FROM sessions"));
    forget_in(&store, forget.expect("a line of SQL"));
    sandbox.write("gateway.toml", &config(key));
    let first = sandbox.ok(&["keys", "rotate"]);
    assert!(first.ends_with("is made: it signs\n"), "{first}");
}

#[test]
fn a_gateway_with_another_encryption_key_does_not_start() {
    let sandbox = Sandbox::new();
    let server = "[server]\nlisten = \"127.0.0.1:0\"\n";
    let with = |more: &str| sandbox.write("gateway.toml", &format!("{server}{}", config(more)));
    with("");
    sandbox.ok(&["keys", "rotate"]);
    let run = || sandbox.run(&["run", "-c", "gateway.toml"]);
    with("encryption_key = \"0123456789abcdef0123456789abcdef\"\n");
    let ended = run();
    assert_eq!(ended.code, Some(78), "{}", ended.err);
    let said = "gateway.toml:6:18: error: the store was sealed with another encryption key";
    assert!(ended.err.contains(said), "{}", ended.err);
    assert!(!ended.err.contains("0123456789abcdef"), "{}", ended.err);

    // The file was lost, so another one is made; it does not stay where the right one belongs.
    with("");
    let file = sandbox.path("state").join("store.key");
    let elsewhere = sandbox.path("lost.key");
    std::fs::rename(&file, &elsewhere).expect("moved");
    for _ in 0..2 {
        let ended = run();
        assert_eq!(ended.code, Some(78), "{}", ended.err);
        let said = "state/store.key: error: the store was sealed with another encryption key";
        assert!(ended.err.contains(said), "{}", ended.err);
        assert!(ended.err.contains("made just now"), "{}", ended.err);
        assert!(!file.exists());
    }
    std::fs::rename(&elsewhere, &file).expect("moved back");
    sandbox.serve(&format!("{server}{}", config("")));
}

/// A gateway that has started without its store, and what comes is sealed with another key.
#[test]
fn a_store_that_comes_back_sealed_with_another_key_is_told() {
    let other = Sandbox::new();
    other.write(
        "gateway.toml",
        &config("encryption_key = \"0123456789abcdef0123456789abcdef\"\n"),
    );
    other.ok(&["keys", "rotate"]);
    let sandbox = Sandbox::new();
    let store = sandbox.path("state").join("portcullis.db");
    std::fs::create_dir_all(&store).expect("made");
    let server = "[server]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n";
    let running = sandbox.serve(&format!("{server}{}", config("")));
    let url = running.admin_url();
    let ready = || sandbox.run(&["healthcheck", "--admin", &url]);
    let away = ready().out;
    for said in ["[!] store: the store cannot be used", "[!] local issuer: "] {
        assert!(away.contains(said), "{away}");
    }
    let came = sandbox.path("came.db");
    std::fs::copy(other.path("state").join("portcullis.db"), &came).expect("copied");
    std::fs::remove_dir(&store).expect("removed");
    std::fs::rename(&came, &store).expect("renamed");

    let told = "the store was sealed with another encryption key";
    let ended = wait_until(|| {
        let ended = ready();
        ended.out.contains(told).then_some(ended)
    });
    let ended = ended.expect("it is told");
    assert_eq!(ended.code, Some(1), "{}", ended.out);
    let line = format!("[-] local issuer: {told}");
    assert!(ended.out.contains(&line), "{}", ended.out);
    let status = sandbox.ok(&["status", "--admin", &url]);
    for said in [
        "local_issuer:\n  algorithm: none\n",
        "  signing_key: none\n",
        &format!("  problem: {told}"),
        "  passwords: 0\n",
        "store:\n  failure: none\n",
    ] {
        assert!(status.contains(said), "{said:?} in {status}");
    }
}

fn forget_in(store: &std::path::Path, sql: &str) {
    use sqlx::{Connection, Executor, SqliteConnection};
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let url = format!("sqlite://{}", store.display());
        let mut connection = SqliteConnection::connect(&url).await.expect("a store");
        for statement in sql.split_inclusive(';') {
            connection
                .execute(sqlx::AssertSqlSafe(statement))
                .await
                .expect("done");
        }
    });
}

#[test]
fn a_key_file_that_everybody_can_read_is_refused() {
    let sandbox = sandbox("");
    sandbox.ok(&["keys", "rotate"]);
    let file = sandbox.path("state").join("store.key");
    let open = PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(&file, open).expect("set");
    let ended = sandbox.run(&["keys", "rotate"]);
    assert_eq!(ended.code, Some(78), "{}", ended.err);
    assert!(
        ended.err.contains("store.key") && ended.err.contains("chmod 600"),
        "{}",
        ended.err
    );
}

#[test]
fn without_a_local_issuer_there_is_no_key_to_rotate() {
    let sandbox = Sandbox::new();
    let issuer = "[[issuers]]\nname = \"corp\"\nissuer = \"https://corp.example/\"\naudiences = [\"api\"]\n\
         algorithms = [\"EdDSA\"]\nkeys = { generate = \"EdDSA\" }\n";
    sandbox.write("gateway.toml", &format!("{issuer}{ROUTE}"));
    let ended = sandbox.run(&["keys", "rotate"]);
    assert_eq!(ended.code, Some(78));
    assert!(ended.err.contains("[local_issuer]"), "{}", ended.err);
    assert!(!sandbox.path("state").exists());
}
