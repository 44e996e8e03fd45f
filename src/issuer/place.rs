//! Which endpoint a path is, and its methods.

use http::Method;
use uuid::Uuid;

use super::respond::Refusal;

/// An endpoint of the local issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// `POST /login`
    Login,
    /// `POST /token`
    Token,
    /// `POST /revoke`
    Revoke,
    /// `POST /introspect`
    Introspect,
    /// `POST /logout`
    Logout,
    /// `GET /sessions`
    Sessions,
    /// `DELETE /sessions/{id}`
    Session(Uuid),
    /// `POST /sessions/end-others`
    EndOthers,
    /// `POST /password`
    Password,
    /// `GET /jwks.json`
    KeySet,
    /// The metadata, at both of its paths.
    Metadata,
    /// `GET /`: the sign-in page, where there is one.
    Page,
}

impl Place {
    /// The endpoint of a path; `own` is the path of the issuer, `/auth` or empty. Paths compare as they are sent.
    pub(super) fn find(path: &str, own: &str) -> Option<Self> {
        let metadata = path.strip_prefix("/.well-known/oauth-authorization-server");
        if metadata == Some(own) {
            return Some(Self::Metadata);
        }
        Some(match path.strip_prefix(own)? {
            "/" => Self::Page,
            "/login" => Self::Login,
            "/token" => Self::Token,
            "/revoke" => Self::Revoke,
            "/introspect" => Self::Introspect,
            "/logout" => Self::Logout,
            "/sessions" => Self::Sessions,
            "/sessions/end-others" => Self::EndOthers,
            "/password" => Self::Password,
            "/jwks.json" => Self::KeySet,
            "/.well-known/openid-configuration" => Self::Metadata,
            rest => Self::Session(session(rest.strip_prefix("/sessions/")?)?),
        })
    }

    /// Its methods, as `Allow` lists them.
    pub(super) const fn allow(self) -> &'static str {
        match self {
            Self::Login
            | Self::Token
            | Self::Revoke
            | Self::Introspect
            | Self::Logout
            | Self::EndOthers
            | Self::Password => "POST, OPTIONS",
            Self::Sessions | Self::KeySet | Self::Metadata | Self::Page => "GET, HEAD, OPTIONS",
            Self::Session(_) => "DELETE, OPTIONS",
        }
    }

    /// # Errors
    /// `Method`, if it is not served here.
    pub(super) fn check(self, method: &Method) -> Result<(), Refusal> {
        let allow = self.allow();
        if allow.split(", ").any(|name| name == method.as_str()) {
            Ok(())
        } else {
            Err(Refusal::Method(allow))
        }
    }
}

/// The id of a session, in its one spelling.
fn session(text: &str) -> Option<Uuid> {
    let id = Uuid::try_parse(text).ok()?;
    let mut spelling = [0; uuid::fmt::Hyphenated::LENGTH];
    (*text == *id.hyphenated().encode_lower(&mut spelling)).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_endpoint_has_its_path() {
        let id = "01890a5d-ac96-774b-bcce-b302099a8057";
        for (path, place) in [
            ("/", Place::Page),
            ("/login", Place::Login),
            ("/token", Place::Token),
            ("/revoke", Place::Revoke),
            ("/introspect", Place::Introspect),
            ("/logout", Place::Logout),
            ("/sessions", Place::Sessions),
            ("/sessions/end-others", Place::EndOthers),
            ("/password", Place::Password),
            ("/jwks.json", Place::KeySet),
            ("/.well-known/openid-configuration", Place::Metadata),
            (
                &format!("/sessions/{id}"),
                Place::Session(id.parse().unwrap()),
            ),
        ] {
            for own in ["", "/auth", "/a/b"] {
                assert_eq!(Place::find(&format!("{own}{path}"), own), Some(place));
            }
            assert_eq!(Place::find(path, "/other"), None, "{path}");
        }
        for (path, own) in [
            ("/.well-known/oauth-authorization-server", ""),
            ("/.well-known/oauth-authorization-server/auth", "/auth"),
        ] {
            assert_eq!(Place::find(path, own), Some(Place::Metadata));
        }
    }

    #[test]
    fn other_spellings_are_nothing() {
        for path in [
            "/auth",
            "/auth/login/",
            "/auth//login",
            "/auth/Login",
            "/auth/log%69n",
            "/auth/login;a=b",
            "/auth/sessions/",
            "/auth/sessions/x",
            "/auth/sessions/01890A5D-AC96-774B-BCCE-B302099A8057",
            "/auth/sessions/01890a5dac96774bbcceb302099a8057",
            "/auth/sessions/{01890a5d-ac96-774b-bcce-b302099a8057}",
            "/auth/sessions/01890a5d-ac96-774b-bcce-b302099a8057/",
            "/auth/jwks",
            "/.well-known/oauth-authorization-server",
            "/.well-known/oauth-authorization-server/auth/",
            "/.well-known/openid-configuration",
        ] {
            assert_eq!(Place::find(path, "/auth"), None, "{path}");
        }
    }

    #[test]
    fn methods_that_are_not_served_are_told_which_are() {
        for (place, served) in [
            (Place::Login, &["POST", "OPTIONS"][..]),
            (Place::Sessions, &["GET", "HEAD", "OPTIONS"]),
            (Place::Session(Uuid::nil()), &["DELETE", "OPTIONS"]),
            (Place::KeySet, &["GET", "HEAD", "OPTIONS"]),
        ] {
            for method in [
                "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "post",
            ] {
                let method = Method::from_bytes(method.as_bytes()).unwrap();
                let found = place.check(&method).is_ok();
                assert_eq!(
                    found,
                    served.contains(&method.as_str()),
                    "{place:?} {method}"
                );
            }
        }
    }
}
