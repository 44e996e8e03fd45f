//! `[local_issuer]`: who signs in here.

use crate::jwt::{Algorithm, AudienceMatch, IssuerPolicy};
use crate::secret::Secret;

use super::issuer_url::parse_issuer_url;
use super::issuers::same_issuer;
use super::reader::Reader;
use super::source::without_credentials;
use super::units::format_duration;
use super::{
    Issuer, IssuerUrl, KeyRefresh, KeySource, Keys, LOCAL_ISSUER, LocalIssuer, SecretUse, Signing,
    StoreConfig, StoreUrl, defaults,
};

/// What its keys can be for.
const ALGORITHMS: [(&str, Algorithm); 3] = [
    (defaults::SIGNING, Algorithm::EdDsa),
    ("ES256", Algorithm::Es256),
    ("RS256", Algorithm::Rs256),
];

/// The claims that every token of ours has, besides `exp`, `iss` and `aud` (RFC 9068 §2.2).
const CLAIMS: [&str; 4] = ["sub", "jti", "client_id", "iat"];

/// `[local_issuer]`, and the issuer that its tokens are checked by, which has its place behind `others`.
pub(super) fn local_issuer(
    mut reader: Reader<'_>,
    store: &StoreConfig,
    others: &[Issuer],
    secrets: &mut Vec<SecretUse>,
) -> (LocalIssuer, Issuer) {
    let url = url(&mut reader, others);
    let audience = reader.required_text(
        "audience",
        "write what its tokens have in `aud`: audience = \"orders-api\"",
    );
    let audience = audience.map_or_else(Box::default, |text| text.value.value.as_str().into());
    let local = LocalIssuer {
        place: reader.context.source.place(&reader.origin),
        issuer: others.len(),
        signing: signing(reader.table("signing", "local_issuer.signing")),
        access_token: reader.duration(
            "access_token",
            defaults::LEAST_ACCESS_TOKEN..=defaults::MOST_ACCESS_TOKEN,
            defaults::ACCESS_TOKEN,
        ),
        refresh_token: reader.duration(
            "refresh_token",
            defaults::LEAST_REFRESH_TOKEN..=defaults::MOST_REFRESH_TOKEN,
            defaults::REFRESH_TOKEN,
        ),
        session: reader.duration(
            "session",
            defaults::LEAST_REFRESH_TOKEN..=defaults::MOST_SESSION,
            defaults::SESSION,
        ),
        password_grant: reader.boolean("password_grant", false),
        encryption_key: encryption_key(&mut reader, store, secrets),
        cookies: reader.boolean("cookies", false),
        page: reader.boolean("page", false),
        url,
    };
    check_lifetimes(&reader, &local);
    if local.page && !local.cookies {
        reader.context.error_hint(
            &reader.origin_of("page"),
            "`page` needs cookies: a browser that signs in there has no other place for its tokens",
            "add cookies = true",
        );
    }
    let issuer = Issuer {
        name: LOCAL_ISSUER.into(),
        place: reader.context.source.place(&reader.origin_of("issuer")),
        policy: policy(&local.url, audience),
        keys: Keys::from(KeySource::Store),
        refresh: KeyRefresh::default(),
        logout: None,
    };
    reader.finish();
    (local, issuer)
}

/// Where it is served. A wrong URL is reported, and an empty one returned.
fn url(reader: &mut Reader<'_>, others: &[Issuer]) -> IssuerUrl {
    let nothing = IssuerUrl {
        text: Box::default(),
        secure: true,
        host: Box::default(),
        port: None,
        path: Box::default(),
    };
    let example = "write where it is served, as clients see it: issuer = \"https://host/auth\"";
    let Some(text) = reader.required_text("issuer", example) else {
        return nothing;
    };
    let context = reader.context;
    let url = match parse_issuer_url(&text.value.value) {
        Ok(url) => url,
        Err(error) => {
            let shown = without_credentials(text.value.shown());
            let message = format!("`{shown}` {error}");
            context.error_hint(&text.origin, message, error.hint());
            return nothing;
        }
    };
    if let Some(other) = same_issuer(others, &url.text) {
        let message =
            format!("the local issuer has the `issuer` of `{other}`: a token could mean either");
        context.error(&text.origin, message);
    }
    let logouts = others.iter().filter_map(|other| other.logout.as_ref());
    for logout in logouts.filter(|logout| url.covers(&logout.path)) {
        let message = format!(
            "the path of a provider's logout tokens, `{}`, is one of the local issuer's own",
            logout.path
        );
        let hint = "give the local issuer a path of its own, as in \"https://host/auth\"";
        context.error_hint(&text.origin, message, hint);
    }
    url
}

fn signing(mut reader: Reader<'_>) -> Signing {
    let signing = Signing {
        algorithm: reader.choice("algorithm", &ALGORITHMS),
        rotate: reader.duration(
            "rotate",
            defaults::LEAST_ROTATE..=defaults::MOST_ROTATE,
            defaults::ROTATE,
        ),
    };
    reader.finish();
    signing
}

fn encryption_key(
    reader: &mut Reader<'_>,
    store: &StoreConfig,
    secrets: &mut Vec<SecretUse>,
) -> Option<Secret> {
    const MAKE: &str = "make one with `openssl rand -hex 32`";
    let context = reader.context;
    let text = reader.text("encryption_key");
    if !reader.has("encryption_key") && matches!(store.url, StoreUrl::Postgres(_)) {
        // Each of several gateways would make one of its own, and none could read what another has written.
        context.error_hint(
            &reader.origin,
            "[local_issuer] has no `encryption_key`, which it needs with PostgreSQL: every gateway of the store has the same",
            format!("{MAKE}, and write encryption_key = \"${{file:/run/secrets/portcullis-key}}\""),
        );
    }
    let text = text?;
    secrets.push(context.secret_use(&text));
    let least = defaults::LEAST_ENCRYPTION_KEY_BYTES;
    if text.value.value.len() < least {
        let message = format!("`encryption_key` is shorter than {least} bytes");
        context.error_hint(&text.origin, message, MAKE);
    }
    Some(Secret::new(text.value.value.clone().into_bytes()))
}

/// Each contains the one before it.
fn check_lifetimes(reader: &Reader<'_>, local: &LocalIssuer) {
    let nested = [
        ("access_token", local.access_token),
        ("refresh_token", local.refresh_token),
        ("session", local.session),
    ];
    for pair in nested.windows(2) {
        let [(inner, short), (outer, long)] = pair else {
            continue;
        };
        if short <= long {
            continue;
        }
        // Where it is written, else where the other one is.
        let key = [outer, inner].into_iter().find(|key| reader.has(key));
        let message = format!(
            "`{outer}` is {}, less than `{inner}`, which is {}",
            format_duration(*long),
            format_duration(*short)
        );
        let hint = match *outer {
            "session" => {
                "`session` is the most that refreshing gives, `refresh_token` the time without use"
            }
            _ => "`refresh_token` is good for longer than the access token that it replaces",
        };
        let origin = reader.origin_of(key.unwrap_or(outer));
        reader.context.error_hint(&origin, message, hint);
    }
}

fn policy(url: &IssuerUrl, audience: Box<str>) -> IssuerPolicy {
    IssuerPolicy {
        issuer: url.text.clone(),
        audiences: vec![audience],
        audience_match: AudienceMatch::Any,
        audience_claim: defaults::AUDIENCE_CLAIM.into(),
        // All of them: tokens of the keys before `signing` was changed are good to their end.
        algorithms: ALGORITHMS
            .into_iter()
            .map(|(_, algorithm)| algorithm)
            .collect(),
        leeway: defaults::LEEWAY,
        require: CLAIMS.into_iter().map(Box::from).collect(),
        token_types: vec!["at+jwt".into()],
        // Not `access_token`: when that is made shorter, tokens that are out stay good.
        max_lifetime: Some(defaults::MOST_ACCESS_TOKEN),
        accept_cnf: false,
    }
}
