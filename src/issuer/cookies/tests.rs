use http::HeaderValue;

use crate::issuer::testing::{ORIGIN, World, get, post};

/// A browser sends all cookies of a host, of which those of others may hold anything (RFC 6265 §5.3).
#[tokio::test]
async fn cookies_of_others_hide_none_of_ours() {
    let world = World::new().await;
    let pair = world.sign_in().await;
    let access = format!("__Host-portcullis={}", pair.access);
    let refresh = format!("__Secure-portcullis-refresh={}", pair.refresh);
    for other in ["a=\u{e9}", "a=\u{4f60}", "a", "=", "a=b=c", ""] {
        let line = format!("{other}; {access}");
        let told = world
            .send(get("/auth/sessions").with("cookie", &line))
            .await;
        assert_eq!(told.status(), 200, "{other:?}");
    }
    let line = format!("a=\u{e9}; {refresh}");
    let asked = post("/auth/token", "grant_type=refresh_token")
        .with("cookie", &line)
        .with("origin", ORIGIN);
    assert_eq!(world.send(asked).await.status(), 200);
}

/// F18: what is malformed is no token, and two of one name are none that can be believed, however they are spelled.
#[tokio::test]
async fn one_cookie_of_the_name_counts() {
    let world = World::new().await;
    let pair = world.sign_in().await;
    let token = &pair.access;
    for (line, status) in [
        (format!("__Host-portcullis={token}"), 200),
        (
            format!("__Host-portcullis={token}; __Host-portcullis={token}"),
            400,
        ),
        (
            format!("__Host-portcullis={token}; __Host-portcullis ="),
            400,
        ),
        (
            format!("__Host-portcullis={token}; __Host-portcullis=\u{e9}"),
            400,
        ),
        (format!("__Host-portcullis={token}, a=b"), 401),
        ("__Host-portcullis=\u{e9}".to_owned(), 401),
        ("__Host-portcullis=%%%".to_owned(), 401),
        ("__Host-portcullis=".to_owned(), 401),
        ("__Host-portcullis".to_owned(), 401),
        (format!("portcullis={token}"), 401),
        (format!("__host-portcullis={token}"), 401),
        (format!("__Secure-portcullis-refresh={token}"), 401),
    ] {
        let asked = get("/auth/sessions").with("cookie", &line);
        assert_eq!(world.send(asked).await.status(), status, "{line}");
    }
    let mut two = get("/auth/sessions").with("cookie", &format!("__Host-portcullis={token}"));
    let other = HeaderValue::from_static("__Host-portcullis=x");
    two.headers.append("cookie", other);
    assert_eq!(world.send(two).await.status(), 400);
}
