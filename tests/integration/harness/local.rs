//! A gateway with a local issuer, and what its users and their clients do.

use std::io::Write as _;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use portcullis::clock::Clock;
use serde_json::{Value, json};

use super::process::wait_until;
use super::{GatewayBuilder, Reply, Request, TestGateway};

/// What the local issuer of the tests is called: requests of the tests have this host.
pub(crate) const LOCAL: &str = "https://gw.test/auth";

/// The cookie that holds an access token, and the one for its refresh.
pub(crate) const ACCESS_COOKIE: &str = "__Host-portcullis";
pub(crate) const REFRESH_COOKIE: &str = "__Secure-portcullis-refresh";

/// The password of every user.
pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// `local_issuer`, and what a test adds to it.
pub(crate) fn local_issuer(settings: &str) -> String {
    format!("[local_issuer]\nissuer = \"{LOCAL}\"\naudience = \"api\"\n{settings}\n")
}

/// The present second: the store's clock is the system's, and a gateway with a store stands there.
pub(crate) fn present() -> i64 {
    Clock::System.now().seconds()
}

/// A gateway with a local issuer.
pub(crate) struct Local {
    pub(crate) gateway: TestGateway,
}

/// What a sign-in or a refresh gave.
#[derive(Clone, Debug)]
pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) refresh: String,
    pub(crate) session: String,
}

impl Tokens {
    pub(crate) fn of(reply: &Reply) -> Self {
        assert_eq!(reply.status, 200, "{reply:?}");
        let body = reply.json();
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let access = text("access_token");
        Self {
            session: claim(&access, "sid"),
            refresh: text("refresh_token"),
            access,
        }
    }
}

/// The claims of a token.
pub(crate) fn claims_of(token: &str) -> Value {
    let payload = token.split('.').nth(1).expect("three parts");
    let json = URL_SAFE_NO_PAD.decode(payload).expect("base64url");
    serde_json::from_slice(&json).expect("JSON")
}

/// A claim that is a text.
pub(crate) fn claim(token: &str, name: &str) -> String {
    claims_of(token)[name]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// The key that a token is signed by.
pub(crate) fn kid(token: &str) -> String {
    let header = token.split('.').next().expect("three parts");
    let json = URL_SAFE_NO_PAD.decode(header).expect("base64url");
    let header: Value = serde_json::from_slice(&json).expect("JSON");
    header["kid"].as_str().expect("a kid").to_owned()
}

/// A form for the issuer.
pub(crate) fn form(path: &str, values: &[(&str, &str)]) -> Request {
    let encode = |text: &str| {
        percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
    };
    let pairs = values
        .iter()
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)));
    let body = pairs.collect::<Vec<_>>().join("&");
    Request::post(path, body).field("Content-Type", "application/x-www-form-urlencoded")
}

/// The same as JSON.
pub(crate) fn json_form(path: &str, document: &Value) -> Request {
    Request::post(path, document.to_string()).field("Content-Type", "application/json")
}

/// The refresh that an application of ours asks for.
pub(crate) fn refreshing(refresh_token: &str) -> Request {
    let values = [
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh_token),
        ("client_id", "portcullis"),
    ];
    form("/auth/token", &values)
}

/// How a client says who it is.
pub(crate) fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

impl Local {
    /// Starts a gateway with a local issuer, and waits until it can sign.
    pub(crate) fn start(builder: GatewayBuilder) -> Self {
        Self::start_with(builder, "")
    }

    /// The same, with settings of `[local_issuer]`.
    pub(crate) fn start_with(builder: GatewayBuilder, settings: &str) -> Self {
        let builder = builder.section(&local_issuer(settings)).at(present());
        let local = Self {
            gateway: builder.start(),
        };
        local.wait_until_ready();
        local
    }

    pub(crate) fn wait_until_ready(&self) {
        wait_until("it can sign", || {
            self.gateway.admin("/readyz").status == 200
        });
    }

    /// The command line with this gateway's configuration: whether it did it, what it printed, and what it said.
    pub(crate) fn command(&self, arguments: &[&str], given: &str) -> (bool, String, String) {
        let directory = self.gateway.directory();
        let mut child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .args(arguments)
            .arg("-c")
            .arg(directory.join("gateway.toml"))
            .env("STATE_DIRECTORY", directory.join("state"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary was built");
        let mut stdin = child.stdin.take().expect("piped");
        stdin.write_all(given.as_bytes()).expect("written");
        drop(stdin);
        let output = child.wait_with_output().expect("a child");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        let done = output.status.success();
        (done, text(&output.stdout), text(&output.stderr))
    }

    /// What the command printed that must do it.
    pub(crate) fn run(&self, arguments: &[&str], given: &str) -> String {
        let (done, printed, said) = self.command(arguments, given);
        assert!(done, "{arguments:?}: {printed} {said}");
        printed
    }

    /// Adds a user, whose tokens have the scopes `read` and `write`, and the role `ops`.
    pub(crate) fn user(&self, name: &str) {
        let options = ["--scope", "read", "--scope", "write", "--role", "ops"];
        let arguments = [&["user", "add", name, "--password-stdin"][..], &options].concat();
        self.run(&arguments, &format!("{PASSWORD}\n"));
    }

    /// Adds a client with a secret, and the scope `read`: how it says who it is.
    pub(crate) fn client(&self, id: &str) -> String {
        let secret = self.run(&["client", "add", id, "--scope", "read"], "");
        basic(id, &secret)
    }

    pub(crate) fn sign_in(&self, name: &str) -> Tokens {
        let values = [("username", name), ("password", PASSWORD)];
        Tokens::of(&self.gateway.send(&form("/auth/login", &values)))
    }

    pub(crate) fn refresh(&self, tokens: &Tokens) -> Reply {
        self.gateway.send(&refreshing(&tokens.refresh))
    }

    /// A token of a client.
    pub(crate) fn machine(&self, authorization: &str) -> String {
        let request = form("/auth/token", &[("grant_type", "client_credentials")]);
        let reply = self
            .gateway
            .send(&request.field("Authorization", authorization));
        Tokens::of(&reply).access
    }

    /// Calls the API: the status, and the reason of a refusal.
    pub(crate) fn call(&self, token: &str) -> (u16, String) {
        outcome(&self.gateway.send(&Request::get("/api").token(token)))
    }

    /// Waits until a token is revoked: what another process has changed is there soon, not at once.
    pub(crate) fn until_refused(&self, token: &str) {
        wait_until("it is refused", || self.call(token) == revoked());
    }

    /// What the admin listener answers to a revocation.
    pub(crate) fn revoke(&self, document: &Value) -> Reply {
        self.gateway
            .admin_post_json("/revocations", &document.to_string())
    }
}

/// The status of an answer, and the reason of a refusal.
pub(crate) fn outcome(reply: &Reply) -> (u16, String) {
    (reply.status, reply.reason())
}

/// Admitted.
pub(crate) fn admitted() -> (u16, String) {
    (200, String::new())
}

/// Refused because it was revoked.
pub(crate) fn revoked() -> (u16, String) {
    (401, "revoked".to_owned())
}

/// An answer of the issuer that is an error of RFC 6749.
pub(crate) fn error(reply: &Reply) -> (u16, String) {
    let body: Value = serde_json::from_slice(&reply.body).unwrap_or(json!({}));
    let error = body["error"].as_str().unwrap_or_default();
    (reply.status, error.to_owned())
}
