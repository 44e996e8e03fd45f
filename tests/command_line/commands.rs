//! The commands as they are typed: exit codes, what they print, and that the lines which `dev` prints work.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

/// The command, in a directory without a configuration and with a state directory of its own.
fn portcullis(directory: &TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command
        .args(arguments)
        .current_dir(directory.path())
        .env("STATE_DIRECTORY", directory.path().join("state"))
        .env_remove("PORTCULLIS_CONFIG")
        .stdin(Stdio::null());
    command
}

fn run(directory: &TempDir, arguments: &[&str]) -> Output {
    portcullis(directory, arguments)
        .output()
        .expect("the binary was built")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("what it prints is UTF-8")
}

/// A gateway that ends with the test.
struct Dev {
    child: Child,
    /// What it printed up to the last line of its welcome.
    welcome: Vec<String>,
}

impl Dev {
    fn start(directory: &TempDir, arguments: &[&str]) -> Self {
        let all = [
            &[
                "dev",
                "--no-tls",
                "--listen",
                "127.0.0.1:0",
                "--admin",
                "127.0.0.1:0",
            ],
            arguments,
        ]
        .concat();
        let mut child = portcullis(directory, &all)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary was built");
        let out = child.stdout.take().expect("it is piped");
        let mut welcome = Vec::new();
        for line in BufReader::new(out).lines() {
            welcome.push(line.expect("what it prints is UTF-8"));
            if welcome
                .last()
                .is_some_and(|line| line.starts_with("Ctrl-C"))
            {
                break;
            }
        }
        Self { child, welcome }
    }

    /// The value of a row of the welcome.
    fn row(&self, label: &str) -> &str {
        let row = |line: &'_ String| line.trim().starts_with(label);
        let line = self.welcome.iter().find(|line| row(line));
        line.expect("the row is there")
            .split_whitespace()
            .nth(1)
            .expect("it has a value")
    }

    /// The answer to a `curl` line, asked without curl.
    fn answer(line: &str) -> String {
        let (_, url) = line.split_once("http://").expect("a plain URL");
        let url = url.split_whitespace().next().expect("a plain URL");
        let (authority, path) = url.split_once('/').expect("a path");
        let field = line
            .split('\'')
            .nth(1)
            .map_or(String::new(), |field| format!("{field}\r\n"));
        let mut stream = TcpStream::connect(authority).expect("the gateway listens");
        write!(
            stream,
            "GET /{path} HTTP/1.1\r\nhost: {authority}\r\n{field}connection: close\r\n\r\n"
        )
        .expect("the gateway reads");
        let mut answer = String::new();
        stream
            .read_to_string(&mut answer)
            .expect("the gateway answers");
        answer
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn of_the_lines_that_dev_prints_one_is_refused_and_one_is_admitted() {
    let directory = tempfile::tempdir().unwrap();
    let dev = Dev::start(&directory, &["--state", "dev-state"]);
    let lines: Vec<&String> = dev
        .welcome
        .iter()
        .filter(|line| line.starts_with("curl "))
        .collect();
    let [refused, admitted] = lines.as_slice() else {
        panic!("{:#?}", dev.welcome);
    };
    let answer = Dev::answer(refused);
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    assert!(answer.contains("\"reason\":\"missing_token\""), "{answer}");
    let answer = Dev::answer(admitted);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    for field in [
        "\"x-auth-subject\": \"alice\"",
        "\"x-auth-roles\": \"admin\"",
    ] {
        assert!(answer.contains(field), "{answer}");
    }
    assert!(!answer.contains("authorization"), "{answer}");
}

#[test]
fn a_running_gateway_answers_its_commands() {
    let directory = tempfile::tempdir().unwrap();
    let dev = Dev::start(&directory, &["--state", "dev-state"]);
    let admin = dev.row("admin").trim_end_matches("/status");
    let healthy = run(&directory, &["healthcheck", "--admin", admin]);
    assert!(healthy.status.success(), "{}", text(&healthy.stderr));
    let status = run(&directory, &["status", "--json", "--admin", admin]);
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(status["generation"], 1);
    let reload = run(&directory, &["reload", "--dry-run", "--admin", admin]);
    assert!(reload.status.success(), "{}", text(&reload.stderr));

    drop(dev);
    let gone = run(&directory, &["healthcheck", "--admin", admin_of_nobody()]);
    assert_eq!(gone.status.code(), Some(1));
}

/// Port 1 of loopback: nobody listens there.
fn admin_of_nobody() -> &'static str {
    "http://127.0.0.1:1"
}

#[test]
fn a_taken_port_is_69_and_names_the_address() {
    let directory = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = run(
        &directory,
        &["dev", "--listen", &address, "--admin", "127.0.0.1:0"],
    );
    assert_eq!(output.status.code(), Some(69));
    assert!(text(&output.stderr).contains(&address));
}

#[test]
fn a_wrong_configuration_is_78_with_its_place_and_none_at_all_too() {
    let directory = tempfile::tempdir().unwrap();
    for command in ["check", "run"] {
        assert_eq!(run(&directory, &[command]).status.code(), Some(78));
    }
    let file = directory.path().join("gateway.toml");
    std::fs::write(&file, "[server]\nworkres = 4\n").unwrap();
    for command in ["check", "run"] {
        let output = run(&directory, &[command]);
        assert_eq!(output.status.code(), Some(78), "{command}");
        let said = text(&output.stderr);
        assert!(said.contains("gateway.toml:2:1"), "{said}");
        assert!(said.contains("workers"), "{said}");
    }
}

#[test]
fn what_dev_prints_is_valid_and_mints_tokens_that_it_accepts() {
    let directory = tempfile::tempdir().unwrap();
    let config = run(&directory, &["dev", "--print-config"]);
    std::fs::write(directory.path().join("gateway.toml"), &config.stdout).unwrap();
    let check = run(&directory, &["check"]);
    assert!(check.status.success(), "{}", text(&check.stderr));

    let minted = run(
        &directory,
        &["token", "mint", "--sub", "u{n}", "--count", "2"],
    );
    assert!(minted.status.success(), "{}", text(&minted.stderr));
    let tokens = text(&minted.stdout);
    assert_eq!(tokens.lines().count(), 2);
    let token = tokens.lines().next().unwrap();
    let inspected = run(&directory, &["token", "inspect", token]);
    assert_eq!(inspected.status.code(), Some(0));
    assert!(text(&inspected.stdout).contains("accepted for issuer \"dev\""));
    let late = ["token", "inspect", token, "--at", "2100-01-01T00:00:00Z"];
    let expired = run(&directory, &late);
    assert_eq!(expired.status.code(), Some(3));
    assert!(text(&expired.stdout).contains("refused: expired"));
}

#[test]
fn a_key_pair_signs_what_its_key_set_verifies() {
    let directory = tempfile::tempdir().unwrap();
    let made = run(
        &directory,
        &["keys", "generate", "--alg", "ES256", "--kid", "k1"],
    );
    assert!(made.status.success(), "{}", text(&made.stderr));
    std::fs::write(
        directory.path().join("gateway.toml"),
        "[[issuers]]\nname = \"corp\"\nissuer = \"https://corp.example/\"\naudiences = [\"api\"]\n\
         algorithms = [\"ES256\"]\nkeys = { jwks_file = \"k1.jwks.json\" }\n\
         [[routes]]\nname = \"all\"\npath = \"/\"\nupstream = \"http://127.0.0.1:9\"\n",
    )
    .unwrap();
    let mint = [
        "token",
        "mint",
        "--sub",
        "a",
        "--key",
        "k1.private.pem",
        "--kid",
        "k1",
    ];
    let token = text(&run(&directory, &mint).stdout);
    let inspected = run(&directory, &["token", "inspect", token.trim()]);
    assert_eq!(
        inspected.status.code(),
        Some(0),
        "{}",
        text(&inspected.stdout)
    );
    let listed = run(&directory, &["keys", "list", "--offline"]);
    assert!(
        text(&listed.stdout).contains("k1  ES256"),
        "{}",
        text(&listed.stdout)
    );
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let directory = tempfile::tempdir().unwrap();
    for arguments in [&["man"][..], &["completions", "bash"], &["--help"]] {
        let mut child = portcullis(&directory, arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        assert_eq!(child.wait().unwrap().code(), Some(0), "{arguments:?}");
    }
}

#[test]
fn a_wrong_command_line_is_2() {
    let directory = tempfile::tempdir().unwrap();
    for arguments in [&["walk"][..], &["dev", "--listen", "0.0.0.0:0"], &["token"]] {
        assert_eq!(
            run(&directory, arguments).status.code(),
            Some(2),
            "{arguments:?}"
        );
    }
}

#[test]
fn the_configurations_of_the_readme_and_of_compose_are_valid() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let directory = tempfile::tempdir().unwrap();
    let compose = root.join("deploy/compose/gateway.toml");
    let output = run(&directory, &["check", "-c", compose.to_str().unwrap()]);
    assert!(output.status.success(), "{}", text(&output.stderr));

    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let (_, rest) = readme.split_once("```toml\n").unwrap();
    let (production, _) = rest.split_once("```").unwrap();
    assert!(production.lines().count() <= 15);
    std::fs::write(directory.path().join("gateway.toml"), production).unwrap();
    let output = run(&directory, &["check", "--format", "json"]);
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    // The files that it names are not there, and nothing else is wrong.
    for error in found["errors"].as_array().unwrap() {
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("No such file"), "{found:#}");
    }
}

#[test]
fn what_the_image_runs_are_commands_that_there_are() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = std::fs::read_to_string(root.join("Dockerfile")).unwrap();
    let words = |instruction: &str| -> Vec<String> {
        let line = file.lines().find(|line| line.starts_with(instruction));
        let (_, list) = line.unwrap().split_once('[').unwrap();
        serde_json::from_str(&format!("[{list}")).unwrap()
    };
    assert_eq!(words("ENTRYPOINT"), ["/portcullis"]);
    assert_eq!(words("CMD"), ["run"]);
    let directory = tempfile::tempdir().unwrap();
    let health = words("HEALTHCHECK");
    let output = run(
        &directory,
        &[&health[1], &health[2], &health[3]].map(String::as_str),
    );
    // Nobody answers here, or there is no configuration; with a wrong command line it would be 2.
    assert_ne!(output.status.code(), Some(2), "{}", text(&output.stderr));
    assert!(file.contains("EXPOSE 8443") && file.contains("\nUSER 65532"));
}
