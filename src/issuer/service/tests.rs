use std::io;
use std::sync::Mutex as StdMutex;

use bytes::Bytes;
use http::Method;
use tokio::sync::oneshot;

use super::*;
use crate::issuer::IssuerHandle;
use crate::issuer::testing::{ALICE, ORIGIN, SECRET, World, asked, get, post};

/// A log in memory.
#[derive(Clone, Default)]
struct Log(Arc<StdMutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

#[tokio::test]
async fn paths_and_methods_that_are_not_there_are_told() {
    let world = World::new().await;
    for (method, path, status, allow) in [
        ("GET", "/auth/login", 405, "POST, OPTIONS"),
        ("PUT", "/auth/token", 405, "POST, OPTIONS"),
        ("POST", "/auth/sessions", 405, "GET, HEAD, OPTIONS"),
        ("POST", "/auth/jwks.json", 405, "GET, HEAD, OPTIONS"),
        ("OPTIONS", "/auth/login", 204, "POST, OPTIONS"),
        ("OPTIONS", "/auth/jwks.json", 204, "GET, HEAD, OPTIONS"),
        ("HEAD", "/auth/jwks.json", 200, ""),
        ("GET", "/auth", 404, ""),
        ("GET", "/auth/nothing", 404, ""),
        ("OPTIONS", "/auth/nothing", 404, ""),
        ("POST", "/auth/login/", 404, ""),
        ("GET", "/auth/sessions/x", 404, ""),
    ] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let told = world.send(asked(&method, path, "", "")).await;
        assert_eq!(told.status(), status, "{method} {path}");
        assert_eq!(
            told.field("allow").unwrap_or_default(),
            allow,
            "{method} {path}"
        );
        assert_eq!(told.field("x-content-type-options"), Some("nosniff"));
    }
}

#[tokio::test]
async fn without_a_store_or_a_key_nobody_signs_in_and_nothing_is_lost() {
    let world = World::new().await;
    let pair = world.sign_in().await;
    let secrets = world.service.secrets.clone().unwrap();
    secrets
        .ring
        .put(None, Bytes::from_static(b"{}"), Instant::now());
    for told in [
        world
            .post("/auth/login", "username=alice&password=correct+horse")
            .await,
        world.refresh(&pair.refresh).await,
    ] {
        assert_eq!(told.error(), (503, "temporarily_unavailable".to_owned()));
        assert_eq!(told.field("retry-after"), Some("5"));
    }
    assert_eq!(world.session(pair.session).await.generation, 1);
    world.store.clone().close().await;
    for told in [
        world
            .post("/auth/login", "username=alice&password=correct+horse")
            .await,
        world.refresh(&pair.refresh).await,
        world.send(get("/auth/sessions").bearer(&pair.access)).await,
    ] {
        assert_eq!(told.status(), 503);
    }
}

#[tokio::test]
async fn an_answer_comes_by_the_way_that_the_request_brought() {
    let world = World::new().await;
    let (handle, requests) = IssuerHandle::channel();
    let serving = tokio::spawn(serve(Arc::clone(&world.service), requests));
    let mut waiting = Vec::new();
    for path in ["/auth/jwks.json", "/auth/nothing"] {
        let (request, answer) = request(get(path));
        assert!(handle.try_send(request).is_ok());
        waiting.push(answer);
    }
    let mut statuses = Vec::new();
    for answer in waiting {
        statuses.push(answer.await.unwrap().status().as_u16());
    }
    assert_eq!(statuses, [200, 404]);
    drop(handle);
    serving.await.unwrap();
}

/// A request with its way back.
fn request(asked: Asked) -> (IssuerRequest, oneshot::Receiver<Answer>) {
    let (reply, answer) = oneshot::channel();
    (IssuerRequest { asked, reply }, answer)
}

#[tokio::test]
async fn a_fault_ends_one_request_and_no_other() {
    let mut world = World::new().await;
    let pair = world.sign_in().await;
    let service = Arc::get_mut(&mut world.service).unwrap();
    service.catch_up = CatchUp::new(|| panic!("a fault (this is a test)"));
    let (handle, requests) = IssuerHandle::channel();
    let serving = tokio::spawn(serve(Arc::clone(&world.service), requests));
    let (broken, lost) = request(post("/auth/logout", "").bearer(&pair.access));
    assert!(handle.try_send(broken).is_ok());
    assert!(lost.await.is_err());
    let (whole, answer) = request(get("/auth/jwks.json"));
    assert!(handle.try_send(whole).is_ok());
    assert_eq!(answer.await.unwrap().status(), 200);
    drop(handle);
    serving.await.unwrap();
}

/// F17: no password, token, cookie or secret is in any line of the log, at any level.
#[tokio::test]
async fn the_log_has_nothing_secret() {
    // Beside a second one: of one alone the thread that comes first to a line is asked whether somebody wants it, and in the
    // threads of other tests nobody does.
    let _beside = tracing::Dispatch::new(tracing_subscriber::registry());
    let log = Log::default();
    let out = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || out.clone())
        .finish();
    let logging = tracing::subscriber::set_default(subscriber);
    let world = World::new().await;
    let pair = world.sign_in().await;
    let next = world.refresh(&pair.refresh).await.pair();
    let cookie = format!("__Host-portcullis={}", next.access);
    let basic = |form: &str| post("/auth/introspect", form).basic("backend", SECRET);
    let body = r#"{"username":"a\n{\"level\":\"info\"}\u001b[31m hunter3","password":"hunter3"}"#;
    for asked in [
        post("/auth/login", "username=hunter3&password=hunter3"),
        asked(&Method::POST, "/auth/login", "application/json", body),
        post("/auth/login", "username=alice&password=hunter3"),
        basic(&format!("token={}", next.access)),
        basic(&format!("token={}", next.refresh)),
        post("/auth/introspect", "token=x").basic("backend", "hunter3"),
        post(
            "/auth/token",
            &format!(
                "grant_type=refresh_token&client_id=app&refresh_token={}",
                next.refresh
            ),
        ),
        get("/auth/sessions").with("cookie", &cookie),
        get("/auth/sessions").bearer(&next.refresh),
        get("/auth/sessions").bearer("hunter3"),
        post("/auth/password", "current=hunter3&new=hunter3")
            .with("cookie", &cookie)
            .with("origin", ORIGIN),
    ] {
        world.send(asked).await;
    }
    world.refresh(&next.refresh).await.pair();
    world.refresh(&pair.refresh).await;
    drop(logging);
    let text = log.text();
    assert!(
        text.contains("signed in") && text.contains("used again"),
        "{text}"
    );
    let signature = next.access.rsplit('.').next().unwrap();
    for secret in [
        ALICE,
        "hunter",
        SECRET,
        signature,
        &pair.refresh[30..],
        &next.refresh[30..],
        "\x1b",
    ] {
        assert!(!text.contains(secret), "{secret}\n{text}");
    }
}
