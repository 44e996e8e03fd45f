//! The issuer of the tests: its keys, and the tokens it mints.

use std::sync::OnceLock;

use portcullis::jwt::{Algorithm, SigningKey};
use serde_json::{Value, json};

/// The second at which every gateway of the tests stands, in 2025.
pub(crate) const NOW: i64 = 1_750_000_000;

/// `iss` of the tokens.
pub(crate) const ISSUER: &str = "https://issuer.test";

/// `aud` of the tokens.
pub(crate) const AUDIENCE: &str = "api";

/// Keys of the issuer, and one that it does not know.
pub(crate) struct Keys {
    pub(crate) eddsa: SigningKey,
    pub(crate) es256: SigningKey,
    pub(crate) rs256: SigningKey,
    pub(crate) stranger: SigningKey,
}

/// Made once: RSA keys take their time.
pub(crate) fn keys() -> &'static Keys {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    KEYS.get_or_init(|| {
        let make = |algorithm| SigningKey::generate(algorithm).expect("a key");
        Keys {
            eddsa: make(Algorithm::EdDsa),
            es256: make(Algorithm::Es256),
            rs256: make(Algorithm::Rs256),
            stranger: make(Algorithm::EdDsa),
        }
    })
}

/// The JWK Set of the issuer.
pub(crate) fn jwk_set() -> String {
    let keys = keys();
    let public = [&keys.eddsa, &keys.es256, &keys.rs256].map(SigningKey::public_jwk);
    json!({ "keys": public }).to_string()
}

/// The claims of a good token.
pub(crate) fn claims() -> Value {
    json!({
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "alice",
        "iat": NOW - 60,
        "exp": NOW + 600,
        "scope": "read write",
        "realm_access": { "roles": ["viewer", "editor"] },
    })
}

/// The claims of a good token, changed: `null` takes a claim away.
pub(crate) fn claims_with(changes: Value) -> Value {
    let mut claims = claims();
    let (Value::Object(changes), Some(all)) = (changes, claims.as_object_mut()) else {
        panic!("changes are an object");
    };
    for (name, value) in changes {
        if value.is_null() {
            all.remove(&name);
        } else {
            all.insert(name, value);
        }
    }
    claims
}

/// A token with these claims.
pub(crate) fn mint(claims: &Value) -> String {
    mint_with(&keys().eddsa, "at+jwt", claims)
}

/// A token of that key and type.
pub(crate) fn mint_with(key: &SigningKey, typ: &str, claims: &Value) -> String {
    key.sign(typ, claims).expect("a token")
}

/// A good token.
pub(crate) fn alice() -> String {
    mint(&claims())
}
