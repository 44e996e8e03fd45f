//! `run`: start, signals, reloads, end.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread;

use super::developing::get_tls;
use super::process::{Running, Sandbox, get, repository, slow_upstream, upstream, wait_until};

/// A gateway in plaintext with a public route, and what a test adds.
fn config(upstream: SocketAddr, more: &str) -> String {
    format!(
        "[server]\nlisten = [\"127.0.0.1:0\"]\nworkers = 2\n\
         [server.limits]\ndrain_timeout = \"10m\"\n\
         [admin]\nlisten = \"127.0.0.1:0\"\n\
         [[routes]]\nname = \"open\"\npath = \"/open\"\nupstream = \"http://{upstream}\"\nauth = \"none\"\n{more}"
    )
}

fn another_route(upstream: SocketAddr) -> String {
    format!(
        "[[routes]]\nname = \"more\"\npath = \"/more\"\nupstream = \"http://{upstream}\"\nauth = \"none\"\n"
    )
}

#[test]
fn hup_reloads_and_term_ends_with_0() {
    let sandbox = Sandbox::new();
    let mut gateway = sandbox.serve(&config(upstream(), ""));
    assert_eq!(get(gateway.address(), "/open", "").0, 200);
    // Nothing has changed on disk: only the signal can be the cause of a second generation.
    gateway.signal("HUP");
    gateway.wait_for("\"generation\":2");
    assert_eq!(get(gateway.address(), "/open", "").0, 200);
    gateway.signal("TERM");
    assert_eq!(gateway.end().code(), Some(0));
    gateway.wait_for("\"path\":\"/open\"");
}

#[test]
fn hup_during_the_start_does_not_end_it() {
    let sandbox = Sandbox::new();
    let fifo = sandbox.path("gateway.toml");
    let made = Command::new("mkfifo").arg(&fifo).status();
    assert!(made.expect("mkfifo").success());
    let mut gateway = Running::start(sandbox.command(&["run", "-c", "gateway.toml"]));
    // Opens once the other end is open: the gateway is reading its configuration.
    let mut config = OpenOptions::new().write(true).open(&fifo).expect("open");
    gateway.signal("HUP");
    config.write_all(b"wrong").expect("written");
    drop(config);
    assert_eq!(gateway.end().code(), Some(78), "{}", gateway.said());
}

#[test]
fn a_changed_configuration_is_picked_up_and_a_wrong_one_is_shown_and_not_taken() {
    let sandbox = Sandbox::new();
    let upstream = upstream();
    let gateway = sandbox.serve(&config(upstream, ""));
    let address = gateway.address();
    assert_eq!(get(address, "/more", "").0, 404);
    sandbox.replace("gateway.toml", &config(upstream, &another_route(upstream)));
    wait_until(|| (get(address, "/more", "").0 == 200).then_some(())).expect("picked up");

    sandbox.replace("gateway.toml", "[server]\nlisten = 1\n");
    gateway.wait_for("reload failed");
    assert_eq!(get(address, "/more", "").0, 200, "the old one is in force");
    let status = get(gateway.admin(), "/status", "").1;
    assert!(status.contains("gateway.toml:2:"), "{status}");
    let metrics = get(gateway.admin(), "/metrics", "").1;
    let failed = "portcullis_config_last_reload_successful 0\n";
    assert!(metrics.contains(failed), "{metrics}");
}

#[test]
fn the_reload_command_says_what_changed_and_what_needs_a_restart() {
    let sandbox = Sandbox::new();
    let upstream = upstream();
    let gateway = sandbox.serve(&config(upstream, ""));
    let admin = gateway.admin_url();
    let moved = config(upstream, &another_route(upstream)).replace("127.0.0.1:0\"]", "[::1]:0\"]");
    sandbox.replace("gateway.toml", &moved);
    let dry = sandbox.ok(&["reload", "--dry-run", "--admin", &admin]);
    // The watcher may have been faster than the command.
    assert!(dry.contains("needs a restart: [server] listen"), "{dry}");
    let said = sandbox.ok(&["reload", "--admin", &admin]);
    assert!(said.contains("needs a restart: [server] listen"), "{said}");
    assert_eq!(get(gateway.address(), "/more", "").0, 200);

    sandbox.replace("gateway.toml", "[server]\nlisten = 1\n");
    let ended = sandbox.run(&["reload", "--admin", &admin]);
    assert_eq!(ended.code, Some(78), "{}", ended.err);
    assert!(ended.err.contains("gateway.toml:2:"), "{}", ended.err);
    let status = sandbox.ok(&["status", "--admin", &admin]);
    assert!(status.contains("gateway.toml:2:"), "{status}");
    assert_eq!(get(gateway.address(), "/more", "").0, 200);
}

/// A gateway with a request that its upstream does not answer until something is sent to the channel.
fn with_a_request_in_flight(
    sandbox: &Sandbox,
) -> (Running, mpsc::Sender<()>, thread::JoinHandle<u16>) {
    let (release, held) = mpsc::channel();
    let (arrived, seen) = mpsc::channel();
    let held = Arc::new(Mutex::new(held));
    let upstream = slow_upstream(move |_| {
        let _ = arrived.send(());
        let _ = held.lock().expect("not poisoned").recv();
    });
    let gateway = sandbox.serve(&config(upstream, ""));
    let address = gateway.address();
    let request = thread::spawn(move || get(address, "/open", "").0);
    seen.recv().expect("the request is at the upstream");
    (gateway, release, request)
}

#[test]
fn term_lets_a_running_request_finish() {
    let sandbox = Sandbox::new();
    let (mut gateway, release, request) = with_a_request_in_flight(&sandbox);
    gateway.signal("TERM");
    wait_until(|| (get(gateway.admin(), "/readyz", "").0 == 503).then_some(())).expect("not ready");
    assert_eq!(get(gateway.admin(), "/livez", "").0, 200);
    let health = ["healthcheck", "--admin", &gateway.admin_url()];
    assert_eq!(sandbox.run(&health).code, Some(1));
    assert!(gateway.is_running());
    release.send(()).expect("the upstream waits");
    assert_eq!(request.join().expect("an answer"), 200);
    assert_eq!(gateway.end().code(), Some(0));
}

#[test]
fn a_second_signal_ends_at_once() {
    let sandbox = Sandbox::new();
    for (first, second) in [("TERM", "TERM"), ("INT", "TERM")] {
        let (mut gateway, _release, request) = with_a_request_in_flight(&sandbox);
        gateway.signal(first);
        gateway.wait_for("a second signal ends at once");
        gateway.signal(second);
        gateway.end();
        assert_eq!(request.join().expect("cut"), 0);
    }
}

#[test]
fn a_request_goes_on_with_the_configuration_that_it_began_with() {
    let sandbox = Sandbox::new();
    let (gateway, release, request) = with_a_request_in_flight(&sandbox);
    let without = config(upstream(), "").replace("/open", "/elsewhere");
    sandbox.replace("gateway.toml", &without);
    sandbox.ok(&["reload", "--admin", &gateway.admin_url()]);
    assert_eq!(get(gateway.address(), "/open", "").0, 404);
    release.send(()).expect("the upstream waits");
    assert_eq!(request.join().expect("an answer"), 200);
}

#[test]
fn the_log_names_keys_that_are_not_used_and_settings_that_need_a_restart() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["keys", "generate", "--kid", "k1"]);
    let set = std::fs::read_to_string(sandbox.path("k1.jwks.json")).expect("a set");
    let bad = "\"keys\": [{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"bad\",\"x\":\"AA\"},";
    sandbox.write("keys.json", &set.replacen("\"keys\": [", bad, 1));
    let upstream = upstream();
    let issuer = format!(
        "[[routes]]\nname = \"api\"\npath = \"/api\"\nupstream = \"http://{upstream}\"\n\
         [[issuers]]\nname = \"corp\"\nissuer = \"https://corp.example/\"\naudiences = [\"api\"]\n\
         algorithms = [\"EdDSA\"]\nkeys = {{ jwks_file = \"keys.json\" }}\n"
    );
    let text = config(upstream, &issuer);
    let gateway = sandbox.serve(&text);
    let said = gateway.wait_for("a key is not used");
    let line = said.lines().find(|line| line.contains("a key is not used"));
    let line = line.expect("just found");
    for part in ["\"kid\":\"bad\"", "\"issuer\":\"corp\"", "keys.json"] {
        assert!(line.contains(part), "{line}");
    }
    sandbox.replace("gateway.toml", &text.replace("workers = 2", "workers = 3"));
    gateway.signal("HUP");
    gateway.wait_for("\"settings\":\"[server] workers\"");
}

#[test]
fn a_taken_port_is_69_and_named() {
    let sandbox = Sandbox::new();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let config = config(([127, 0, 0, 1], 9).into(), "");
    for changed in [
        config.replace(
            "[\"127.0.0.1:0\"]",
            &format!("[\"127.0.0.1:0\", \"{address}\"]"),
        ),
        config.replace(
            "listen = \"127.0.0.1:0\"",
            &format!("listen = \"{address}\""),
        ),
    ] {
        sandbox.write("gateway.toml", &changed);
        let ended = sandbox.run(&["run"]);
        assert_eq!(ended.code, Some(69), "{}", ended.err);
        assert!(ended.err.contains(&address), "{}", ended.err);
        assert!(
            ended.err.contains("[server] or of [admin]"),
            "{}",
            ended.err
        );
    }
}

#[test]
fn the_shipped_configuration_runs_as_it_is_and_takes_tokens_that_are_minted_beside_it() {
    let sandbox = Sandbox::new();
    let shipped = repository().join("gateway.toml");
    let shipped = shipped.to_str().expect("UTF-8");
    let mut command = sandbox.command(&["run", "-c", shipped]);
    let upstream = upstream();
    command
        .env("PORTCULLIS__SERVER__LISTEN", "[\"127.0.0.1:0\"]")
        .env("PORTCULLIS__SERVER__TLS__SELF_SIGNED", "[\"localhost\"]")
        .env("PORTCULLIS__ADMIN__LISTEN", "127.0.0.1:0")
        .env(
            "PORTCULLIS__UPSTREAMS__APP__URLS",
            format!("[\"http://{upstream}\"]"),
        );
    let gateway = Running::start(command);
    gateway.wait_for("\"message\":\"serving\"");
    let token = sandbox.ok(&["token", "mint", "--sub", "alice", "-c", shipped]);
    let token = format!("Authorization: Bearer {}\r\n", token.trim());
    let made = sandbox.path("state/tls/self-signed.pem");
    let ask = |target, fields| get_tls(gateway.address(), &made, target, fields).0;
    assert_eq!(ask("/", ""), 401);
    assert_eq!(ask("/", &token), 200);
    assert_eq!(ask("/public", ""), 200);
}
