use serde_json::json;

use crate::issuer::testing::{World, get};

#[tokio::test]
async fn the_metadata_stands_at_both_places() {
    let world = World::new().await;
    let first = world
        .send(get("/.well-known/oauth-authorization-server/auth"))
        .await;
    let second = world
        .send(get("/auth/.well-known/openid-configuration"))
        .await;
    assert_eq!(first.answer.body(), second.answer.body());
    assert_eq!(first.status(), 200);
    assert_eq!(first.field("content-type"), Some("application/json"));
    assert_eq!(first.field("cache-control"), Some("public, max-age=300"));
    let body = first.json();
    let issuer = "https://localhost:8443/auth";
    for (member, path) in [
        ("issuer", ""),
        ("token_endpoint", "/token"),
        ("jwks_uri", "/jwks.json"),
        ("revocation_endpoint", "/revoke"),
        ("introspection_endpoint", "/introspect"),
    ] {
        assert_eq!(body[member], format!("{issuer}{path}"), "{member}");
    }
    assert_eq!(
        body["grant_types_supported"],
        json!(["refresh_token", "client_credentials", "password"])
    );
    assert_eq!(body["response_types_supported"], json!([]));
    // Nothing of OpenID: there are no ID tokens.
    for member in [
        "id_token_signing_alg_values_supported",
        "subject_types_supported",
        "authorization_endpoint",
    ] {
        assert!(body.get(member).is_none(), "{member}");
    }
}

#[tokio::test]
async fn the_keys_are_published_without_their_private_halves() {
    let world = World::new().await;
    let told = world.send(get("/auth/jwks.json")).await;
    assert_eq!(told.status(), 200);
    assert_eq!(told.field("cache-control"), Some("public, max-age=300"));
    let key = &told.json()["keys"][0];
    assert_eq!(
        (&key["kty"], &key["crv"]),
        (&"OKP".into(), &"Ed25519".into())
    );
    assert!(key.get("d").is_none());
}
