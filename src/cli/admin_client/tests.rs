use std::io::{Read, Write};
use std::net::TcpListener;

use clap::Parser;

use super::*;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    options: AdminOptions,
}

fn options(arguments: &[&str]) -> AdminOptions {
    Line::try_parse_from(["ask"].iter().chain(arguments))
        .unwrap()
        .options
}

/// Answers one connection with `answer`, and returns what it was sent.
fn server(answer: &'static str) -> (String, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let authority = listener.local_addr().unwrap().to_string();
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut seen = Vec::new();
        let mut buffer = [0; 4096];
        while !seen.windows(4).any(|end| end == b"\r\n\r\n") {
            let read = stream.read(&mut buffer).unwrap();
            seen.extend_from_slice(&buffer[..read]);
        }
        stream.write_all(answer.as_bytes()).unwrap();
        String::from_utf8(seen).unwrap()
    });
    (authority, thread)
}

#[test]
fn the_admin_url_is_an_authority_over_plain_http() {
    for (url, authority) in [
        ("http://127.0.0.1:8081", "127.0.0.1:8081"),
        ("http://127.0.0.1:8081/", "127.0.0.1:8081"),
        ("gateway:8081", "gateway:8081"),
        ("[::1]:8081", "[::1]:8081"),
    ] {
        assert_eq!(authority_of(url).unwrap(), authority);
    }
    for url in [
        "https://a:1",
        "http://a",
        "http://a:1/status",
        "http://u@a:1",
        "",
    ] {
        assert!(authority_of(url).is_err(), "{url}");
    }
}

#[test]
fn a_listener_on_any_address_is_reached_by_loopback() {
    for (listen, connect) in [
        ("0.0.0.0:8081", "127.0.0.1:8081"),
        ("[::]:8081", "[::1]:8081"),
        ("10.0.0.1:8081", "10.0.0.1:8081"),
    ] {
        assert_eq!(reachable(listen.parse().unwrap()), connect.parse().unwrap());
    }
}

#[test]
fn address_and_token_come_from_the_configuration() {
    let admin = Admin {
        listen: Some("0.0.0.0:9".parse().unwrap()),
        access: AdminAccess::Token(Secret::new(b"token".to_vec())),
    };
    let client = options(&[])
        .client_for(Some(&admin), DEFAULT_ADDRESS)
        .unwrap();
    assert_eq!(client.authority, "127.0.0.1:9");
    assert_eq!(client.token.unwrap().expose(), b"token");
    let nothing = options(&[]).client_for(None, DEFAULT_ADDRESS).unwrap();
    assert_eq!(nothing.authority, "127.0.0.1:8081");
    let off = Admin {
        listen: None,
        access: AdminAccess::Loopback,
    };
    let failure = options(&[])
        .client_for(Some(&off), DEFAULT_ADDRESS)
        .unwrap_err();
    assert!(failure.to_string().contains("off"), "{failure}");
}

#[test]
fn a_broken_configuration_still_says_where_the_gateway_is() {
    let address = Some("127.0.0.1:9".parse().unwrap());
    for (text, found) in [
        ("[admin]\nlisten = \"127.0.0.1:9\"\n[[routes", address),
        (
            "[admin]\nlisten = \"127.0.0.1:9\"\nunknown = 1\n[server]\nlisten = 7",
            address,
        ),
        ("[admin]\nlisten = \"${ADMIN}\"", None),
        ("[admin\n", None),
        ("", None),
    ] {
        assert_eq!(listen_of_broken(text), found, "{text}");
    }
}

#[test]
fn a_post_is_json_with_the_token_and_the_host() {
    let (authority, thread) =
        server("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}");
    let client = AdminClient {
        authority: authority.clone(),
        token: Some(Secret::new(b"t0ken".to_vec())),
        timeout: Duration::from_secs(10),
    };
    let answer = client
        .ask(Method::POST, "/reload", Some(&serde_json::json!({})))
        .unwrap();
    assert_eq!((answer.status, &*answer.body), (StatusCode::OK, &b"{}"[..]));
    let seen = thread.join().unwrap().to_ascii_lowercase();
    assert!(seen.starts_with("post /reload http/1.1\r\n"), "{seen}");
    for line in [
        format!("host: {authority}"),
        "authorization: bearer t0ken".to_owned(),
        "content-type: application/json".to_owned(),
    ] {
        assert!(seen.contains(&format!("\r\n{line}\r\n")), "{seen}");
    }
}

#[test]
fn a_refusal_says_what_to_do() {
    let (authority, thread) =
        server("HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    let client = options(&["--admin", &authority]).client().unwrap();
    let failure = client.ask(Method::GET, "/status", None).unwrap_err();
    assert!(
        failure.to_string().contains("--admin-token-file"),
        "{failure}"
    );
    thread.join().unwrap();
}

#[test]
fn what_is_no_gateway_is_named() {
    let (authority, thread) = server("SSH-2.0-something\r\n");
    let client = options(&["--admin", &authority]).client().unwrap();
    let failure = client.ask(Method::GET, "/status", None).unwrap_err();
    assert!(failure.to_string().contains(&authority), "{failure}");
    thread.join().unwrap();

    // A port that was free a moment ago, and that nobody listens on.
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let client = options(&["--admin", &free.to_string()]).client().unwrap();
    let failure = client.ask(Method::GET, "/status", None).unwrap_err();
    assert!(failure.to_string().contains("is it running"), "{failure}");
}
