//! `[local_issuer]`: who signs in here.

use crate::jwt::{Algorithm, AudienceMatch, IssuerPolicy};
use crate::secret::Secret;

use super::issuer_url::parse_issuer_url;
use super::reader::Reader;
use super::{
    Issuer, IssuerUrl, KeyRefresh, KeySource, Keys, LOCAL_ISSUER, LocalIssuer, SecretUse, Signing,
    defaults,
};

/// What its keys can be for.
const ALGORITHMS: [(&str, Algorithm); 3] = [
    (defaults::SIGNING, Algorithm::EdDsa),
    ("ES256", Algorithm::Es256),
    ("RS256", Algorithm::Rs256),
];

/// The claims that every token of ours has, besides `exp`, `iss` and `aud` (RFC 9068 §2.2).
const CLAIMS: [&str; 4] = ["sub", "jti", "client_id", "iat"];

/// `[local_issuer]`, and the entry of the issuers that its tokens are checked by, which will have the index `index`.
pub(super) fn local_issuer(
    mut reader: Reader<'_>,
    index: usize,
    secrets: &mut Vec<SecretUse>,
) -> (LocalIssuer, Issuer) {
    let place = reader.context.source.place(&reader.origin);
    let url = url(&mut reader);
    let audience = reader.required_text(
        "audience",
        "write what its tokens have in `aud`: audience = \"orders-api\"",
    );
    let audience = audience.map_or_else(Box::default, |text| text.value.value.as_str().into());
    let local = LocalIssuer {
        place,
        issuer: index,
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
        encryption_key: encryption_key(&mut reader, secrets),
        cookies: reader.boolean("cookies", false),
        page: reader.boolean("page", false),
        url,
    };
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

fn url(reader: &mut Reader<'_>) -> IssuerUrl {
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
    match parse_issuer_url(&text.value.value) {
        Ok((url, _)) => url,
        Err(error) => {
            let message = format!("`{}` {error}", text.value.shown());
            reader
                .context
                .error_hint(&text.origin, message, error.hint());
            nothing
        }
    }
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

fn encryption_key(reader: &mut Reader<'_>, secrets: &mut Vec<SecretUse>) -> Option<Secret> {
    let text = reader.text("encryption_key")?;
    secrets.push(reader.context.secret_use(&text));
    let least = defaults::LEAST_ENCRYPTION_KEY_BYTES;
    if text.value.value.len() < least {
        reader.context.error_hint(
            &text.origin,
            format!("`encryption_key` is shorter than {least} bytes"),
            "make one with `openssl rand -hex 32`",
        );
    }
    Some(Secret::new(text.value.value.clone().into_bytes()))
}

fn policy(url: &IssuerUrl, audience: Box<str>) -> IssuerPolicy {
    IssuerPolicy {
        issuer: url.text.clone(),
        audiences: vec![audience],
        audience_match: AudienceMatch::Any,
        audience_claim: defaults::AUDIENCE_CLAIM.into(),
        // All of them: a key that was made before `signing` was changed has its time.
        algorithms: ALGORITHMS
            .into_iter()
            .map(|(_, algorithm)| algorithm)
            .collect(),
        leeway: defaults::LEEWAY,
        require: CLAIMS.into_iter().map(Box::from).collect(),
        token_types: vec!["at+jwt".into()],
        max_lifetime: Some(defaults::MOST_ACCESS_TOKEN),
        accept_cnf: false,
    }
}
