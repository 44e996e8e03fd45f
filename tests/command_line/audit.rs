//! `audit`: who did what, when.

use serde_json::Value;

use super::process::Sandbox;

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write(
        "gateway.toml",
        "[[issuers]]\nname = \"corp\"\nissuer = \"https://corp.example/\"\naudiences = [\"api\"]\n\
         algorithms = [\"EdDSA\"]\nkeys = { generate = \"EdDSA\" }\n\
         [[routes]]\nname = \"all\"\npath = \"/\"\nupstream = \"http://127.0.0.1:9\"\n",
    );
    for line in [
        "user add alice --no-password",
        "user add bob --no-password",
        "user disable bob",
    ] {
        let arguments: Vec<&str> = line.split(' ').collect();
        let status = sandbox
            .command(&arguments)
            .env("USER", "ada\u{1b}[2J")
            .output();
        assert!(status.expect("it starts").status.success(), "{line}");
    }
    sandbox
}

fn actions(sandbox: &Sandbox, options: &[&str]) -> Vec<String> {
    let arguments = [&["audit", "--json"], options].concat();
    let list: Value = serde_json::from_str(&sandbox.ok(&arguments)).expect("JSON");
    let events = list["events"].as_array().expect("an array").iter();
    events
        .map(|event| {
            assert_eq!(event["means"], "cli");
            assert!(event["at"].as_str().is_some_and(|at| at.ends_with('Z')));
            let (action, name) = (event["action"].as_str(), event["user_name"].as_str());
            format!("{} {}", action.expect("one"), name.expect("one"))
        })
        .collect()
}

#[test]
fn the_latest_come_first_and_can_be_chosen() {
    let sandbox = sandbox();
    let all = ["user.disabled bob", "user.added bob", "user.added alice"];
    assert_eq!(actions(&sandbox, &[]), all);
    assert_eq!(actions(&sandbox, &["--limit", "1"]), all[..1]);
    assert_eq!(actions(&sandbox, &["--user", "BOB"]), all[..2]);
    let nobody = sandbox.run(&["audit", "--user", "carol"]);
    assert_eq!(nobody.code, Some(1));
    assert!(
        nobody.err.contains("there is no user `carol`"),
        "{}",
        nobody.err
    );
}

#[test]
fn a_table_has_a_line_for_each_and_nothing_moves_the_cursor() {
    let text = sandbox().ok(&["audit"]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 4, "{text}");
    assert!(lines[0].starts_with("TIME "), "{text}");
    assert!(
        lines[1].contains("cli ada") && lines[1].contains("user.disabled"),
        "{text}"
    );
    assert!(!text.contains('\u{1b}'), "{text}");
}

#[test]
fn a_number_of_events_is_bounded() {
    let sandbox = Sandbox::new();
    for limit in ["0", "-1", "100001", "many"] {
        let ended = sandbox.run(&["audit", &format!("--limit={limit}")]);
        assert_eq!(ended.code, Some(2), "{limit}: {}", ended.err);
    }
}
