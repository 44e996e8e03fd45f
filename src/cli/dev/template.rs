//! The configuration that `dev` runs with, and prints.

use std::fmt::Write as _;
use std::net::SocketAddr;

/// The upstream in a printed configuration when none was named: the echo is only there while `dev` runs.
pub(super) const PLACEHOLDER_UPSTREAM: &str = "http://127.0.0.1:3000";

/// What varies.
#[derive(Clone, Debug)]
pub(super) struct Template {
    /// Where clients connect.
    pub(super) listen: SocketAddr,
    /// Where the admin listener is.
    pub(super) admin: SocketAddr,
    /// Whether clients speak TLS.
    pub(super) tls: bool,
    /// The application.
    pub(super) upstream: String,
}

/// Everything from the issuer on is the same for all.
const REST: &str = r#"
[[issuers]]
name = "dev"
issuer = "https://dev.example/"
audiences = ["demo"]
algorithms = ["EdDSA"]
keys = { generate = "EdDSA" }        # made once, for trying out; yours: { jwks_file = "keys/jwks.json" }

[[routes]]
name = "app"
path = "/"                           # the longest path wins; without `auth` a route wants a token
upstream = "app"

[claim_headers]                      # what the application gets; no client can send these
"X-Auth-Subject" = "sub"
"X-Auth-Issuer" = "iss"
"X-Auth-Scope" = "scope"
"X-Auth-Roles" = { claim = "roles", array = "csv" }
"#;

impl Template {
    /// The configuration as text.
    pub(super) fn to_toml(&self) -> String {
        let quoted = |text: &str| toml::Value::from(text).to_string();
        let mut text = String::from(
            "# What `portcullis dev` runs with: save it as gateway.toml and grow from here.\n",
        );
        let _ = writeln!(
            text,
            "[server]\nlisten = [{}]",
            quoted(&self.listen.to_string())
        );
        if self.tls {
            text.push_str(
                "tls = { self_signed = [\"localhost\", \"127.0.0.1\"] }   \
                 # yours: { cert = \"certs/server.pem\", key = \"certs/server.key\" }\n",
            );
        }
        let _ = writeln!(
            text,
            "\n[admin]\nlisten = {}\n\n[[upstreams]]\nname = \"app\"\nurls = [{}]",
            quoted(&self.admin.to_string()),
            quoted(&self.upstream)
        );
        text.push_str(REST);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(tls: bool, upstream: &str) -> toml::Table {
        let text = Template {
            listen: ([127, 0, 0, 1], 8443).into(),
            admin: ([127, 0, 0, 1], 8081).into(),
            tls,
            upstream: upstream.to_owned(),
        }
        .to_toml();
        text.parse().unwrap()
    }

    #[test]
    fn the_text_says_what_was_asked_for() {
        let config = template(true, "http://127.0.0.1:9");
        assert_eq!(
            config["server"]["listen"][0].as_str(),
            Some("127.0.0.1:8443")
        );
        assert_eq!(
            config["server"]["tls"]["self_signed"][0].as_str(),
            Some("localhost")
        );
        assert_eq!(config["admin"]["listen"].as_str(), Some("127.0.0.1:8081"));
        assert_eq!(
            config["upstreams"][0]["urls"][0].as_str(),
            Some("http://127.0.0.1:9")
        );
        assert!(template(false, "http://a")["server"].get("tls").is_none());
    }

    #[test]
    fn a_url_cannot_leave_its_string() {
        let odd = "http://a\"]\nlisten = [\"0.0.0.0:1";
        assert_eq!(
            template(false, odd)["upstreams"][0]["urls"][0].as_str(),
            Some(odd)
        );
    }
}
