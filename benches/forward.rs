//! What a request costs on its whole way over loopback: client, gateway, upstream, one request after the other on kept
//! connections. `direct` is the same without the gateway. `cargo bench --bench forward`; these are times of the whole
//! round, CPU per request is measured by benches/compare/run.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;

use criterion::{Criterion, criterion_group, criterion_main};
use portcullis::app::{Gateway, Options};
use portcullis::clock::Clock;
use portcullis::config::Environment;
use portcullis::jwt::{Algorithm, SigningKey};
use portcullis::reload::Source;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// The upstream's answer: small, as those of most APIs are.
const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n{\"ok\":\"true\"}";
/// How every answer ends, also behind the gateway.
const LAST: &[u8] = b"{\"ok\":\"true\"}";

fn forward(criterion: &mut Criterion) {
    let upstream = start_upstream();
    let directory = tempfile::tempdir().expect("a temporary directory");
    let key = SigningKey::generate(Algorithm::EdDsa).expect("a key");
    let gateway = start_gateway(upstream, &key, directory.path());
    let address = gateway.addresses()[0];
    let field = format!("Authorization: Bearer {}\r\n", token(&key));
    let mut group = criterion.benchmark_group("forward");
    for (name, address, path, field) in [
        ("direct", upstream, "/open", ""),
        ("open", address, "/open", ""),
        ("eddsa", address, "/orders", field.as_str()),
    ] {
        let request = format!("GET {path}/1 HTTP/1.1\r\nHost: api.example.com\r\n{field}\r\n");
        let mut client = Client::connect(address);
        group.bench_function(name, |bencher| {
            bencher.iter(|| client.round(request.as_bytes()));
        });
    }
    group.finish();
    assert!(gateway.stop(), "nothing is left open");
}

/// A client that keeps its connection.
struct Client {
    stream: TcpStream,
    room: Vec<u8>,
}

impl Client {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("a connection");
        stream.set_nodelay(true).expect("an option");
        Self {
            stream,
            room: vec![0; 4096],
        }
    }

    /// One request and its whole answer.
    fn round(&mut self, request: &[u8]) {
        self.stream.write_all(request).expect("sent");
        let mut filled = 0;
        while !self.room[..filled].ends_with(LAST) {
            let count = self.stream.read(&mut self.room[filled..]).expect("read");
            assert!(count > 0, "the connection was closed");
            filled += count;
        }
        assert!(self.room.starts_with(b"HTTP/1.1 200 "), "refused");
    }
}

fn start_gateway(upstream: SocketAddr, key: &SigningKey, directory: &Path) -> Gateway {
    let jwks = json!({ "keys": [key.public_jwk().expect("a public key")] });
    std::fs::write(directory.join("jwks.json"), jwks.to_string()).expect("a file");
    let text = format!(
        r#"
[server]
listen = ["127.0.0.1:0"]
workers = 1
[admin]
listen = "off"
[log]
access = false
[claim_headers]
"X-Auth-Subject" = "sub"
"X-Auth-Scope" = "scope"
[[issuers]]
name = "bench"
issuer = "https://issuer.test"
audiences = ["api"]
algorithms = ["EdDSA"]
keys = {{ jwks_file = "jwks.json" }}
[[routes]]
name = "open"
path = "/open"
upstream = "http://{upstream}"
auth = "none"
[[routes]]
name = "orders"
path = "/orders"
upstream = "http://{upstream}"
scopes = ["orders:read"]
"#
    );
    let state = directory.display().to_string();
    let environment = Environment([("STATE_DIRECTORY".to_owned(), state)].into());
    Gateway::start(Options {
        source: Source::Text(text, directory.to_owned(), environment),
        clock: Clock::System,
        access_log: None,
    })
    .unwrap_or_else(|error| panic!("{error}"))
}

fn token(key: &SigningKey) -> String {
    let now = Clock::System.now().seconds();
    let claims = json!({
        "iss": "https://issuer.test", "aud": "api", "sub": "alice", "scope": "orders:read orders:write",
        "iat": now, "exp": now + 86_400,
    });
    key.sign("at+jwt", &claims).expect("a signature")
}

/// Answers each head with [`ANSWER`], for as long as the process runs.
fn start_upstream() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("an option");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer_all(stream));
            }
        });
    });
    address
}

async fn answer_all(mut stream: tokio::net::TcpStream) {
    let _ = stream.set_nodelay(true);
    let mut room = [0; 4096];
    let mut filled = 0;
    while let Ok(count) = stream.read(&mut room[filled..]).await {
        filled += count;
        if count == 0 {
            return;
        }
        if room[..filled].ends_with(b"\r\n\r\n") {
            filled = 0;
            if stream.write_all(ANSWER).await.is_err() {
                return;
            }
        }
    }
}

criterion_group!(benches, forward);
criterion_main!(benches);
