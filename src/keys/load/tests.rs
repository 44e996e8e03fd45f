use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::UnixTime;
use crate::config::{KeyRefresh, Place};
use crate::jwt::{self, AudienceMatch, IssuerPolicy, KeyError, SigningKey};

use super::*;

mod sources;

/// Loads where nothing was fetched.
fn load(issuer: &Issuer, state_directory: &Path) -> Result<LoadedKeys, KeysError> {
    super::load(issuer, state_directory, &RemoteKeySets::none())
}

fn skipped(index: usize, kid: Option<&str>) -> SkippedKey {
    SkippedKey {
        source: None,
        index,
        kid: kid.map(Into::into),
        error: KeyError::NotUsable("use"),
    }
}

#[test]
fn a_set_without_a_usable_key_says_why() {
    for (keys, text) in [
        (vec![], "no key at all"),
        (
            vec![skipped(0, Some("a")), skipped(3, None)],
            "no usable key: key 0 (kid \"a\"): not usable here: use; key 3: not usable here: use",
        ),
    ] {
        assert_eq!(no_usable_key(&keys), text);
    }
    let many: Vec<_> = (0..100).map(|index| skipped(index, None)).collect();
    assert!(no_usable_key(&many).ends_with("; and 95 more"));
}

#[test]
fn of_many_keys_that_are_left_out_those_that_are_wrong_are_told_first() {
    let wrong = |index| SkippedKey {
        error: KeyError::Invalid("broken"),
        ..skipped(index, None)
    };
    let all: Vec<_> = (0..90).map(|index| skipped(index, None)).collect();
    let all = [all, vec![wrong(90), wrong(91)]].concat();
    let (told, more) = told(&all);
    let places: Vec<usize> = told.iter().map(|key| key.index).collect();
    assert_eq!(places[..4], [90, 91, 0, 1]);
    assert_eq!((places.len(), more), (TOLD, 72));
}

#[test]
fn an_unreadable_file_is_named() {
    let directory = tempfile::tempdir().unwrap();
    for file in [directory.path().join("absent.pem"), directory.path().into()] {
        let error = read(&file).unwrap_err();
        assert_eq!(error.file, file);
        let text = error.to_string();
        assert!(text.starts_with(&file.display().to_string()), "{text}");
        assert!(text.contains("cannot read the file"), "{text}");
    }
}

#[test]
fn an_endless_file_is_read_in_part() {
    assert_eq!(read(Path::new("/dev/zero")).unwrap().len(), 1_048_577);
}

const NOW: i64 = 1_700_000_000;

fn issuer(algorithms: &[Algorithm], keys: impl Into<Keys>) -> Issuer {
    Issuer {
        name: "corp".into(),
        place: Place::default(),
        policy: IssuerPolicy {
            issuer: "https://issuer.example".into(),
            audiences: vec!["api".into()],
            audience_match: AudienceMatch::Any,
            audience_claim: "aud".into(),
            algorithms: algorithms.iter().copied().collect(),
            leeway: Duration::ZERO,
            require: vec![],
            token_types: vec!["jwt".into()],
            max_lifetime: None,
            accept_cnf: false,
        },
        keys: keys.into(),
        refresh: KeyRefresh::default(),
        logout: None,
    }
}

/// A JWK Set file of these keys.
fn jwks(directory: &Path, keys: &[serde_json::Value]) -> PathBuf {
    let file = directory.join("jwks.json");
    let document = serde_json::json!({ "keys": keys });
    fs::write(&file, document.to_string()).unwrap();
    file
}

fn kids(loaded: &LoadedKeys) -> Vec<Option<&str>> {
    loaded.keys.iter().map(VerifyingKey::kid).collect()
}

/// Whether a token that `key` signs is verified with the keys of `issuer`.
fn admits(issuer: &Issuer, loaded: LoadedKeys, key: &SigningKey) -> bool {
    let claims = serde_json::json!({
        "iss": "https://issuer.example",
        "aud": "api",
        "exp": NOW + 60,
    });
    let token = key.sign("JWT", &claims).unwrap();
    let issuers = [Arc::new(jwt::Issuer {
        name: Arc::clone(&issuer.name),
        policy: Arc::new(issuer.policy.clone()),
        keys: loaded.keys,
    })];
    let now = UnixTime::from_seconds(NOW);
    jwt::verify(token.as_bytes(), &issuers, |_| true, now).is_ok()
}

#[test]
fn one_bad_key_of_a_set_is_skipped_and_the_rest_serve() {
    let directory = tempfile::tempdir().unwrap();
    let good = SigningKey::generate(Algorithm::EdDsa).unwrap();
    let bad = serde_json::json!({ "kty": "OKP", "crv": "Ed25519", "kid": "bad", "x": "AAAA" });
    let unlisted = SigningKey::generate(Algorithm::Es256).unwrap();
    let keys = [
        bad,
        good.public_jwk().unwrap(),
        unlisted.public_jwk().unwrap(),
    ];
    let file = jwks(directory.path(), &keys);
    let issuer = issuer(&[Algorithm::EdDsa], KeySource::JwksFile(file));
    let loaded = load(&issuer, directory.path()).unwrap();
    assert_eq!(kids(&loaded), [Some(good.kid())]);
    let skipped: Vec<_> = loaded.skipped.iter().map(|key| key.index).collect();
    assert_eq!(skipped, [0, 2]);
    assert_eq!(loaded.skipped[0].kid.as_deref(), Some("bad"));
    assert!(admits(&issuer, loaded, &good));
}

#[test]
fn a_set_that_cannot_serve_is_an_error_that_names_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let unlisted = SigningKey::generate(Algorithm::Es256).unwrap();
    let symmetric = serde_json::json!({ "kty": "oct", "k": "A".repeat(64) });
    for keys in [
        vec![],
        vec![symmetric],
        vec![unlisted.public_jwk().unwrap()],
    ] {
        let file = jwks(directory.path(), &keys);
        let issuer = issuer(&[Algorithm::EdDsa], KeySource::JwksFile(file.clone()));
        let error = load(&issuer, directory.path()).unwrap_err();
        assert_eq!(error.file, file);
        assert!(error.problem.starts_with("no "), "{error}");
    }
    for text in ["", "{", "null", "{\"keys\":null}", "<html>", "\0\0"] {
        let file = directory.path().join("jwks.json");
        fs::write(&file, text).unwrap();
        let issuer = issuer(&[Algorithm::EdDsa], KeySource::JwksFile(file.clone()));
        let error = load(&issuer, directory.path()).unwrap_err();
        assert_eq!(error.file, file, "{text:?}");
    }
}

#[test]
fn a_pem_file_must_be_right() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name);
    let other = SigningKey::generate(Algorithm::EdDsa).unwrap();
    fs::write(file("private.pem"), other.to_pem().expose()).unwrap();
    fs::write(file("text.pem"), "not a key").unwrap();
    fs::write(file("empty.pem"), "").unwrap();
    for name in ["private.pem", "text.pem", "empty.pem", "absent.pem"] {
        let pem = PemFile {
            path: file(name),
            kid: None,
        };
        let issuer = issuer(&[Algorithm::EdDsa], KeySource::PemFiles(vec![pem]));
        let error = load(&issuer, directory.path()).unwrap_err();
        assert_eq!(error.file, file(name));
        assert!(
            !error.to_string().contains("MC"),
            "no key material: {error}"
        );
    }
}

/// A P-256 key that nobody has the private half of any more.
const P256: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEVs/o5+uQbTjL3chynL4wXgUg2R9
q9UU8I5mEovUf86QZ7kOBIjJwqnzD1omageEHWwHdBO6B+dFabmdT9POxg==
-----END PUBLIC KEY-----
";

#[test]
fn pem_files_that_fit_serve_and_others_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key.pem");
    fs::write(&path, P256).unwrap();
    let pem = |kid: &str| PemFile {
        path: path.clone(),
        kid: Some(kid.into()),
    };
    let keys = KeySource::PemFiles(vec![pem("a"), pem("b")]);
    let loaded = load(&issuer(&[Algorithm::Es256], keys.clone()), directory.path()).unwrap();
    assert_eq!(kids(&loaded), [Some("a"), Some("b")]);
    let error = load(&issuer(&[Algorithm::EdDsa], keys), directory.path()).unwrap_err();
    assert_eq!(error.file, path);
}

#[test]
fn a_secret_serves_what_it_is_long_enough_for() {
    let directory = tempfile::tempdir().unwrap();
    let secret = Secret::new(vec![7; 32]);
    let short = issuer(&[Algorithm::Hs512], Keys::Secret(secret.clone()));
    let error = load(&short, directory.path()).unwrap_err();
    assert_eq!(error.file, Path::new("issuers.corp.keys.secret"));
    assert!(error.problem.contains("32 bytes"), "{error}");
    let issuer = issuer(&[Algorithm::Hs256], Keys::Secret(secret.clone()));
    let loaded = load(&issuer, directory.path()).unwrap();
    let key = SigningKey::from_secret(&secret, Algorithm::Hs256).unwrap();
    assert!(admits(&issuer, loaded, &key));
}

#[test]
fn a_generated_key_stays_and_verifies_what_it_signs() {
    let state = tempfile::tempdir().unwrap();
    for algorithm in [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Hs256] {
        let issuer = issuer(&[algorithm], Keys::Generate(algorithm));
        load(&issuer, state.path()).unwrap();
        let generated = generated_key(state.path(), "corp", algorithm).unwrap();
        assert!(!generated.made);
        let name = format!("corp.{}.pem", algorithm.name());
        assert_eq!(generated.file, state.path().join("keys").join(name));
        let mode = fs::metadata(&generated.file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let loaded = load(&issuer, state.path()).unwrap();
        assert!(admits(&issuer, loaded, &generated.key), "{algorithm:?}");
        // A file that was damaged is not replaced: tokens in use would end.
        fs::write(&generated.file, "damaged").unwrap();
        let error = load(&issuer, state.path()).unwrap_err();
        assert_eq!(error.file, generated.file);
        assert!(!error.to_string().contains("damaged"));
    }
}
