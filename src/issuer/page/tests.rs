//! What the page shows, and where its forms lead.

use http::header::{CONTENT_SECURITY_POLICY, LOCATION, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Method};

use crate::issuer::Asked as Request;
use crate::snapshot::Endpoint;

use super::*;

const SESSION: Uuid = Uuid::from_u128(7);

fn text(response: &Response<Bytes>) -> String {
    String::from_utf8(response.body().to_vec()).expect("UTF-8")
}

fn field<'r>(response: &'r Response<Bytes>, name: &str) -> &'r str {
    let value = response.headers().get(name).expect(name);
    value.to_str().expect("visible ASCII")
}

fn page(query: &str, visitor: Visitor<'_>) -> Response<Bytes> {
    shown(&View {
        host: "login.example",
        path: "/auth",
        asked: &Asked::of(Some(query)),
        visitor,
    })
}

fn session(device: &str) -> SessionLine<'_> {
    SessionLine {
        id: SESSION,
        device,
        address: [192, 0, 2, 7].into(),
        started: Timestamp::UNIX_EPOCH,
        last_seen: Timestamp::UNIX_EPOCH,
        current: false,
    }
}

#[test]
fn every_page_is_kept_from_caches_frames_and_scripts() {
    let sessions = [session("curl/8")];
    let user = Visitor::User {
        name: "alice",
        sessions: &sessions,
    };
    for response in [
        page("", Visitor::Unknown),
        page("", Visitor::Renewable),
        page("", user),
        failed(StatusCode::FORBIDDEN),
    ] {
        let policy = field(&response, "content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'; style-src 'sha256-"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe"), "{policy}");
        for part in [
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.contains(part), "{policy}");
        }
        assert_eq!(field(&response, "cache-control"), "no-store");
        assert_eq!(field(&response, "x-frame-options"), "DENY");
        assert_eq!(field(&response, "x-content-type-options"), "nosniff");
        assert_eq!(field(&response, "referrer-policy"), "same-origin");
        assert_eq!(field(&response, "content-type"), "text/html; charset=utf-8");
        let html = text(&response);
        assert!(html.starts_with("<!doctype html>\n<html lang=\"en\">"));
        for foreign in [
            "<script",
            "javascript:",
            "http:",
            "https:",
            " style=",
            " onclick=",
        ] {
            assert!(!html.contains(foreign), "{foreign}");
        }
    }
}

#[test]
fn the_forms_are_labelled_and_password_managers_know_them() {
    let html = text(&page("", Visitor::Unknown));
    for part in [
        "<form method=\"post\" action=\"/auth/login\"",
        "<label for=\"username\">",
        "autocomplete=\"username\"",
        "<label for=\"password\">",
        "autocomplete=\"current-password\"",
        "name=\"cookies\" value=\"true\"",
    ] {
        assert!(html.contains(part), "{part}");
    }
    assert!(!html.contains("/auth/token"));
    let html = text(&page("", Visitor::Renewable));
    assert!(html.contains("action=\"/auth/token\""), "{html}");
    let html = text(&page("notice=over", Visitor::Renewable));
    assert!(!html.contains("/auth/token"), "it was tried: {html}");
    let sessions = [
        SessionLine {
            current: true,
            ..session("")
        },
        session("Firefox"),
    ];
    let html = text(&page(
        "",
        Visitor::User {
            name: "alice",
            sessions: &sessions,
        },
    ));
    for part in [
        "Signed in as alice",
        "Unknown device",
        "<strong>This one</strong>",
        "action=\"/auth/sessions/00000000-0000-0000-0000-000000000007\"",
        "action=\"/auth/sessions/end-others\"",
        "action=\"/auth/logout\"",
        "action=\"/auth/password\"",
        "autocomplete=\"new-password\"",
        "<time datetime=\"1970-01-01T00:00:00Z\">1970-01-01 00:00 UTC</time>",
    ] {
        assert!(html.contains(part), "{part}");
    }
    // Only the other one can be ended here: this one is signed out.
    assert_eq!(html.matches(">End</button>").count(), 1);
    let html = text(&page(
        "",
        Visitor::User {
            name: "alice",
            sessions: &sessions[..1],
        },
    ));
    assert!(!html.contains("end-others"));
}

#[test]
fn nothing_that_comes_from_elsewhere_becomes_markup() {
    let evil = "<b a='1' c=\"2\">&\u{202e}\u{1b}";
    let shown = "&lt;b a=&#39;1&#39; c=&quot;2&quot;&gt;&amp;\u{fffd}\u{fffd}";
    let sessions = [session(evil)];
    let html = text(&page(
        "",
        Visitor::User {
            name: evil,
            sessions: &sessions,
        },
    ));
    assert_eq!(html.matches(shown).count(), 3, "{html}");
    assert!(!html.contains("<b a"));
    let html = text(&page("return_to=%2Fa%27b%3F%26quot%3B", Visitor::Unknown));
    assert!(
        html.contains("action=\"/auth/login?return_to=%2Fa%27b%3F%26quot%3B\""),
        "{html}"
    );
}

#[test]
fn notices_are_read_out_and_come_from_a_closed_list() {
    let html = text(&page("notice=refused", Visitor::Unknown));
    assert!(
        html.contains("role=\"alert\">The name or the password is wrong.<"),
        "{html}"
    );
    let html = text(&page("notice=signed-out", Visitor::Unknown));
    assert!(
        html.contains("role=\"status\">You are signed out.<"),
        "{html}"
    );
    let html = text(&page("notice=You+won", Visitor::Unknown));
    assert!(!html.contains("role=") && !html.contains("won"), "{html}");
}

#[test]
fn where_to_go_is_carried_through_a_failed_attempt_and_nowhere_else() {
    let html = text(&page(
        "notice=refused&return_to=%2Forders%3Fpage%3D2",
        Visitor::Unknown,
    ));
    assert!(
        html.contains("action=\"/auth/login?return_to=%2Forders%3Fpage%3D2\""),
        "{html}"
    );
    let html = text(&page("return_to=%2F%2Fevil.example", Visitor::Unknown));
    assert!(!html.contains("evil"), "{html}");
}

fn request(target: &str, body: &'static str) -> Request {
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query.into())),
        None => (target, None),
    };
    let fields = [
        (
            http::header::CONTENT_TYPE,
            "application/x-www-form-urlencoded; charset=UTF-8",
        ),
        (
            http::header::ACCEPT,
            "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8",
        ),
    ];
    Request {
        endpoint: Endpoint::Issuer,
        method: Method::POST,
        path: path.into(),
        query,
        headers: HeaderMap::from_iter(
            fields.map(|(name, value)| (name, HeaderValue::from_static(value))),
        ),
        client: [127, 0, 0, 1].into(),
        secure: true,
        body: Bytes::from_static(body.as_bytes()),
    }
}

fn sent(target: &str) -> SentForm {
    SentForm::take("/auth", &mut request(target, "")).unwrap_or_else(|| panic!("{target}"))
}

fn endpoint(status: u16) -> Response<Bytes> {
    let answer = Response::builder()
        .status(status)
        .header(SET_COOKIE, "a=1")
        .header(SET_COOKIE, "b=2");
    answer
        .body(Bytes::from_static(b"{\"access_token\":\"secret\"}"))
        .unwrap()
}

#[test]
fn a_form_leads_to_the_next_page_with_its_cookies_and_without_its_answer() {
    let other = format!("/auth/sessions/{SESSION}");
    for (target, status, location) in [
        ("/auth/login", 200, "/auth/"),
        ("/auth/login?return_to=%2Forders", 200, "/orders"),
        ("/auth/login?return_to=%2F%2Fevil.example", 200, "/auth/"),
        (
            "/auth/login?return_to=%2Forders",
            401,
            "/auth/?notice=refused&return_to=%2Forders",
        ),
        ("/auth/login", 400, "/auth/?notice=refused"),
        ("/auth/login", 503, "/auth/?notice=busy"),
        ("/auth/login", 500, "/auth/?notice=failed"),
        ("/auth/token?return_to=%2Forders", 200, "/orders"),
        ("/auth/token", 400, "/auth/?notice=over"),
        ("/auth/logout", 200, "/auth/?notice=signed-out"),
        ("/auth/logout", 204, "/auth/?notice=signed-out"),
        (
            "/auth/sessions/end-others",
            200,
            "/auth/?notice=others-ended",
        ),
        ("/auth/sessions/end-others", 401, "/auth/?notice=over"),
        (&*other, 204, "/auth/?notice=ended"),
        (&*other, 404, "/auth/?notice=ended"),
        ("/auth/password", 200, "/auth/?notice=changed"),
        ("/auth/password", 400, "/auth/?notice=unfit"),
        ("/auth/password", 401, "/auth/?notice=over"),
    ] {
        let response = sent(target).answer(&endpoint(status));
        assert_eq!(response.status(), 303, "{target}");
        assert_eq!(field(&response, "location"), location, "{target} {status}");
        assert_eq!(field(&response, "cache-control"), "no-store");
        let cookies: Vec<_> = response.headers().get_all(SET_COOKIE).iter().collect();
        assert_eq!(cookies, ["a=1", "b=2"]);
        assert!(response.body().is_empty(), "no token in a page");
    }
    let mut wrong = endpoint(400);
    *wrong.body_mut() = Bytes::from_static(b"{\"error\":\"invalid_grant\"}");
    let response = sent("/auth/password").answer(&wrong);
    assert_eq!(field(&response, "location"), "/auth/?notice=wrong-current");
    let mut slow = endpoint(429);
    slow.headers_mut()
        .insert("retry-after", HeaderValue::from_static("30"));
    let response = sent("/auth/login").answer(&slow);
    assert_eq!(
        field(&response, "location"),
        "/auth/?notice=wait&seconds=30"
    );
}

#[test]
fn a_form_of_another_site_gets_no_cookie_and_no_redirect() {
    let response = sent("/auth/login?return_to=%2Forders").answer(&endpoint(403));
    assert_eq!(response.status(), 403);
    assert!(response.headers().get(LOCATION).is_none());
    assert!(response.headers().get(SET_COOKIE).is_none());
    assert!(response.headers().get(CONTENT_SECURITY_POLICY).is_some());
}

#[test]
fn a_form_of_another_site_reaches_no_endpoint() {
    for target in [
        "/auth/login",
        "/auth/token",
        "/auth/logout",
        "/auth/password",
    ] {
        let answer = sent(target).refused(false, b"new=a&again=b").expect(target);
        assert_eq!(answer.status(), 403, "{target}");
    }
}

#[test]
fn a_session_is_ended_as_a_program_ends_it() {
    let mut request = request(&format!("/auth/sessions/{SESSION}"), "x=1");
    assert!(SentForm::take("/auth", &mut request).is_some());
    assert_eq!(request.method, Method::DELETE);
    assert!(request.body.is_empty() && !request.headers.contains_key("content-type"));
}

#[test]
fn two_new_passwords_must_be_one() {
    for (body, refused) in [
        ("current=a&new=b&again=b", false),
        ("current=a&new=b&again=c", true),
        ("current=a&new=b", true),
        ("current=a&new=b&again=b&again=b", true),
        ("current=a&new=%C3%A9&again=%C3%A9", false),
    ] {
        let answer = sent("/auth/password").refused(true, body.as_bytes());
        assert_eq!(answer.is_some(), refused, "{body}");
        assert!(answer.is_none_or(|answer| field(&answer, "location") == "/auth/?notice=differ"));
    }
    assert!(
        sent("/auth/login")
            .refused(true, b"new=a&again=b")
            .is_none()
    );
}

#[test]
fn what_a_program_sends_is_no_form_of_the_page() {
    let with = |name: http::HeaderName, value: &'static str| {
        let mut request = request("/auth/login", "");
        request
            .headers
            .insert(name, HeaderValue::from_static(value));
        request
    };
    let mut get = request("/auth/login", "");
    get.method = Method::GET;
    for mut request in [
        with(http::header::ACCEPT, "*/*"),
        with(http::header::ACCEPT, "application/json"),
        with(http::header::CONTENT_TYPE, "application/json"),
        request("/auth/introspect", ""),
        request("/auth/revoke", ""),
        request("/auth/", ""),
        request("/auth/sessions/all", ""),
        request("/elsewhere/login", ""),
        get,
    ] {
        assert_eq!(
            SentForm::take("/auth", &mut request),
            None,
            "{}",
            request.path
        );
    }
    let mut at_root = request("/login", "");
    assert!(SentForm::take("", &mut at_root).is_some());
}
