//! `session list` and `session end`, and what else ends sessions from the command line: with their tokens, at once.

use std::time::Duration;

use portcullis::config::StoreUrl;
use portcullis::store::{Actor, Means, NewSession, Store, StoredRevocation, UserName};
use serde_json::Value;
use tokio::runtime::Runtime;
use uuid::Uuid;

use super::process::Sandbox;

const ISSUER: &str = "https://localhost:8443/auth";

/// The longest that an access token may live, with the leeway: a day and a minute, give or take a few seconds on the way.
const KEPT: std::ops::RangeInclusive<i64> = 86_400..=86_400 + 70;

/// A directory with a configuration, and with users: alice and bob.
fn sandbox(local_issuer: bool) -> Sandbox {
    let sandbox = Sandbox::new();
    let issuer = if local_issuer {
        format!("[local_issuer]\nissuer = \"{ISSUER}\"\naudience = \"demo\"\n")
    } else {
        "[[issuers]]\nname = \"corp\"\nissuer = \"https://corp.example/\"\naudiences = [\"api\"]\n\
         algorithms = [\"EdDSA\"]\nkeys = { generate = \"EdDSA\" }\n"
            .to_owned()
    };
    let route = "[[routes]]\nname = \"all\"\npath = \"/\"\nupstream = \"http://127.0.0.1:9\"\n";
    sandbox.write("gateway.toml", &format!("{issuer}{route}"));
    for name in ["alice", "bob"] {
        sandbox.ok(&["user", "add", name, "--no-password"]);
    }
    sandbox
}

/// The store, opened beside the commands.
fn with_store<T>(sandbox: &Sandbox, work: impl AsyncFnOnce(&Store) -> T) -> T {
    let url = StoreUrl::Sqlite(sandbox.path("state").join("portcullis.db"));
    let runtime = Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let store = Store::open(&url).await.expect("a store");
        let done = work(&store).await;
        store.close().await;
        done
    })
}

/// What a sign-in does.
fn sign_in(sandbox: &Sandbox, name: &str, client: &str, device: &str) -> Uuid {
    let by = Actor {
        means: Means::User,
        who: name.to_owned(),
    };
    with_store(sandbox, async |store| {
        let name = UserName::parse(name).expect("a name");
        let user = store.user(&name).await.expect("read").expect("a user");
        let new = NewSession {
            id: Uuid::now_v7(),
            user: user.id,
            password_changed: user.password_changed,
            client: client.into(),
            scopes: vec!["orders:read".into()],
            device: device.into(),
            address: [192, 0, 2, 7].into(),
            sealed_secret: vec![1],
            digest: [7; 32],
            idle: Duration::from_hours(1),
            cap: Duration::from_hours(2),
        };
        let started = store.start_session(&new, &by).await.expect("written");
        started.expect("the user may sign in").id
    })
}

fn revocations(sandbox: &Sandbox) -> Vec<StoredRevocation> {
    with_store(sandbox, async |store| {
        store.revocations_after(0, 100).await.expect("read")
    })
}

/// The values of a kind that are revoked.
fn revoked(sandbox: &Sandbox, kind: &str) -> Vec<String> {
    let all = revocations(sandbox);
    let now = jiff::Timestamp::now().as_second();
    let of_kind = all.iter().filter(|entry| &*entry.kind == kind);
    let mut values: Vec<String> = of_kind
        .map(|entry| {
            assert_eq!(&*entry.issuer, ISSUER);
            let kept = entry.until.expect("not for ever") - now;
            assert!(KEPT.contains(&kept), "{kept}");
            entry.value.to_string()
        })
        .collect();
    values.sort();
    values
}

fn listed(sandbox: &Sandbox, options: &[&str]) -> Vec<Value> {
    let arguments = [&["session", "list", "--json"], options].concat();
    let list: Value = serde_json::from_str(&sandbox.ok(&arguments)).expect("JSON");
    list["sessions"].as_array().expect("an array").clone()
}

fn ids(sandbox: &Sandbox, options: &[&str]) -> Vec<String> {
    let sessions = listed(sandbox, options);
    let ids = sessions.iter().map(|session| session["id"].as_str());
    ids.map(|id| id.expect("an id").to_owned()).collect()
}

#[test]
fn sessions_are_listed_with_user_device_and_times() {
    let sandbox = sandbox(true);
    assert!(listed(&sandbox, &[]).is_empty());
    let first = sign_in(&sandbox, "alice", "portcullis", "curl\u{1b}[2J\u{202e}/8");
    let second = sign_in(&sandbox, "bob", "app", "");
    assert_eq!(ids(&sandbox, &[]), [first.to_string(), second.to_string()]);
    assert_eq!(ids(&sandbox, &["--user", "ALICE"]), [first.to_string()]);
    let session = &listed(&sandbox, &["--user", "bob"])[0];
    for (name, value) in [("user", "bob"), ("client", "app"), ("address", "192.0.2.7")] {
        assert_eq!(session[name], value);
    }
    assert_eq!(session["scopes"], serde_json::json!(["orders:read"]));
    assert_eq!(
        (&session["ended"], &session["refreshes"]),
        (&Value::Null, &0.into())
    );
    for name in ["created", "last_seen", "expires", "ends"] {
        let moment = session[name].as_str().expect("a moment");
        assert!(moment.parse::<jiff::Timestamp>().is_ok(), "{moment}");
    }
    let text = sandbox.ok(&["session", "list"]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(
        lines[0].starts_with("ID ") && lines[1].contains(" alice ") && lines[1].contains(" live "),
        "{text}"
    );
    assert!(
        !text.contains(['\u{1b}', '\u{202e}']),
        "a device may say anything: {text}"
    );
}

#[test]
fn a_session_ends_with_its_tokens_and_no_other_does() {
    let sandbox = sandbox(true);
    let [first, second, third] =
        ["alice", "alice", "bob"].map(|name| sign_in(&sandbox, name, "portcullis", "curl"));
    let end = |arguments: &[&str]| sandbox.ok(&[&["session", "end"], arguments].concat());
    assert_eq!(end(&[&first.to_string()]), "1 session ended\n");
    assert_eq!(revoked(&sandbox, "sid"), [first.to_string()]);
    assert_eq!(end(&[&first.to_string()]), "0 sessions ended\n");
    assert_eq!(ids(&sandbox, &[]), [second.to_string(), third.to_string()]);
    let all = listed(&sandbox, &["--all"]);
    assert_eq!((all.len(), &all[0]["end_reason"]), (3, &"operator".into()));
    assert!(
        sandbox
            .ok(&["session", "list", "--all"])
            .contains(" operator ")
    );

    assert_eq!(end(&["--user", "Alice"]), "1 session ended\n");
    assert_eq!(ids(&sandbox, &[]), [third.to_string()]);
    sign_in(&sandbox, "alice", "portcullis", "curl");
    let mistyped = sandbox.run(&["session", "end", "alice"]);
    assert_eq!(mistyped.code, Some(2));
    assert!(
        mistyped.err.contains("--user takes a name"),
        "{}",
        mistyped.err
    );
    assert_eq!(end(&["--all"]), "2 sessions ended\n");
    assert!(ids(&sandbox, &[]).is_empty());
    assert_eq!(revoked(&sandbox, "sid").len(), 4);
    assert!(sandbox.ok(&["audit"]).contains("session.ended"));
}

/// What is typed, and whether it ends the sessions of alice.
const CHANGES: &[(&[&str], bool)] = &[
    (&["user", "enable", "alice"], false),
    (&["user", "disable", "bob"], false),
    (&["user", "import", "users", "--existing", "skip"], false),
    (&["client", "disable", "other"], false),
    (&["client", "rotate-secret", "app"], false),
    (&["user", "disable", "alice"], true),
    (&["user", "passwd", "alice", "--no-password"], true),
    (&["user", "import", "users", "--existing", "replace"], true),
    (&["client", "disable", "app"], true),
];

#[test]
fn who_may_not_sign_in_any_more_has_no_session_and_no_token() {
    for (arguments, ends) in CHANGES {
        let sandbox = sandbox(true);
        sandbox.write(
            "users",
            "alice:$2y$04$Q4XhsEvLeZbTkyluyDHHvuoZghdGqOx6FRC3yGWxzax.KPromRwSi\n",
        );
        for client in ["app", "other"] {
            sandbox.run(&["client", "add", client]);
        }
        let session = sign_in(&sandbox, "alice", "app", "curl").to_string();
        sandbox.ok(arguments);
        assert_eq!(listed(&sandbox, &[]).is_empty(), *ends, "{arguments:?}");
        assert_eq!(
            revoked(&sandbox, "sid") == [session],
            *ends,
            "{arguments:?}"
        );
    }
}

#[test]
fn tokens_that_a_client_has_without_a_session_end_too() {
    let sandbox = sandbox(true);
    sandbox.run(&["client", "add", "billing"]);
    sandbox.ok(&["client", "disable", "billing"]);
    assert_eq!(revoked(&sandbox, "client"), ["billing"]);
}

#[test]
fn without_a_local_issuer_there_is_nothing_to_end_and_nothing_is_revoked() {
    let sandbox = sandbox(false);
    let ended = sandbox.run(&["session", "end", "--all"]);
    assert_eq!(ended.code, Some(78), "{}", ended.err);
    assert!(ended.err.contains("[local_issuer]"), "{}", ended.err);
    sandbox.ok(&["user", "disable", "alice"]);
    assert!(revocations(&sandbox).is_empty());
}

#[test]
fn each_mistake_has_its_code_and_says_what_to_do() {
    let sandbox = sandbox(true);
    let id = Uuid::now_v7().to_string();
    for (arguments, code, said) in [
        (&["end", &id][..], 1, "there is no session"),
        (&["end", "--user", "carol"], 1, "there is no user `carol`"),
        (&["list", "--user", "carol"], 1, "there is no user `carol`"),
        (&["end"], 2, "required"),
        (&["end", "7"], 2, "invalid value"),
        (&["end", &id, "--all"], 2, "cannot be used with"),
        (&["list", "-c", "absent.toml"], 78, "absent.toml"),
    ] {
        let ended = sandbox.run(&[&["session"], arguments].concat());
        assert_eq!(ended.code, Some(code), "{arguments:?}: {}", ended.err);
        assert!(ended.err.contains(said), "{arguments:?}: {}", ended.err);
    }
}
