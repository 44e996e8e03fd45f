//! Who guesses is slowed down, and whom they guess at is not locked out.

use std::thread;

use super::builder;
use crate::harness::local::{Local, PASSWORD, form};
use crate::harness::{Reply, Upstream};

/// An address that alice has signed in from.
const HOME: &str = "203.0.113.7";

fn start(upstream: &Upstream) -> Local {
    let builder = builder(upstream).server("trusted_proxies = [\"127.0.0.0/8\"]");
    let local = Local::start(builder);
    local.user("alice");
    assert_eq!(attempt(&local, HOME, "alice", PASSWORD).status, 200);
    local
}

fn attempt(local: &Local, from: &str, name: &str, password: &str) -> Reply {
    let values = [("username", name), ("password", password)];
    let request = form("/auth/login", &values).field("X-Forwarded-For", from);
    local.gateway.send(&request)
}

/// The answers to wrong passwords from these addresses under these names, ten at a time.
fn guesses(local: &Local, guesses: &[(String, &str)]) -> Vec<Reply> {
    let mut replies = Vec::new();
    for some in guesses.chunks(10) {
        let some = thread::scope(|scope| {
            let mut threads = Vec::new();
            for (from, name) in some {
                threads.push(scope.spawn(move || attempt(local, from, name, "wrong")));
            }
            let replies = threads.into_iter().map(thread::ScopedJoinHandle::join);
            replies.map(|it| it.expect("an answer")).collect::<Vec<_>>()
        });
        replies.extend(some);
    }
    replies
}

/// Whether it is told to wait. Other answers are those of a wrong password.
fn is_slowed_down(reply: &Reply) -> bool {
    if reply.status != 429 {
        assert!(matches!(reply.status, 200 | 401), "{reply:?}");
        return false;
    }
    let wait = reply.field("retry-after").and_then(|it| it.parse().ok());
    let wait: u64 = wait.expect("seconds");
    assert!((1..=300).contains(&wait), "{reply:?}");
    true
}

#[test]
fn one_address_may_not_guess_at_one_account_for_long() {
    let upstream = Upstream::start();
    let local = start(&upstream);
    // However the name is written, and whatever the address says of others.
    let names = ["alice", "ALICE", "\u{ff41}\u{ff4c}\u{ff49}\u{ff43}\u{ff45}"];
    let attempts: Vec<(String, &str)> = (0..20)
        .map(|number| (format!("10.0.0.{number}, 198.51.100.1"), names[number % 3]))
        .collect();
    let replies = guesses(&local, &attempts);
    assert!(
        replies.iter().any(|reply| reply.status == 401),
        "{replies:?}"
    );
    assert!(replies.iter().any(is_slowed_down), "{replies:?}");
    assert_eq!(attempt(&local, HOME, "alice", PASSWORD).status, 200);
}

#[test]
fn one_network_is_one_address() {
    let upstream = Upstream::start();
    let local = start(&upstream);
    let network = |number: usize| format!("2001:db8:1:2::{number:x}");
    let attempts: Vec<(String, &str)> = (1..=20).map(|number| (network(number), "alice")).collect();
    let replies = guesses(&local, &attempts);
    assert!(replies.iter().any(is_slowed_down), "{replies:?}");
    let other = attempt(&local, "2001:db8:1:3::1", "alice", PASSWORD);
    assert_eq!(other.status, 200, "{other:?}");
}

#[test]
fn who_is_guessed_at_from_everywhere_still_signs_in_from_where_they_did() {
    let upstream = Upstream::start();
    let local = start(&upstream);
    let address = |number: usize| format!("192.0.2.{number}");
    let attempts: Vec<(String, &str)> = (1..=70).map(|number| (address(number), "alice")).collect();
    let replies = guesses(&local, &attempts);
    assert!(replies.iter().any(is_slowed_down), "{replies:?}");
    // Each new address has its turn within a minute, and for few it is now.
    let mut strangers = (1..=8).map(|host| format!("198.51.100.{host}"));
    assert!(strangers.any(|from| is_slowed_down(&attempt(&local, &from, "alice", PASSWORD))));
    assert_eq!(attempt(&local, HOME, "alice", PASSWORD).status, 200);
}
