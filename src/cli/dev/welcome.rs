//! What `dev` prints: addresses, and lines that work when pasted.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use crate::cli::output::{Colour, Paint};

/// What there is to say.
pub(super) struct Welcome {
    /// Where clients connect.
    pub(super) address: SocketAddr,
    /// Where the admin listener is.
    pub(super) admin: Option<SocketAddr>,
    /// The certificate; `None`: plaintext.
    pub(super) certificate: Option<PathBuf>,
    /// The application; `None`: the echo.
    pub(super) upstream: Option<String>,
    /// The directory that was named for key and certificate.
    pub(super) state: Option<PathBuf>,
    /// A token for alice.
    pub(super) token: String,
}

impl Welcome {
    /// The text.
    pub(super) fn render(&self, colour: Colour) -> String {
        let strong = |word: &str| colour.paint(Paint::Strong, word);
        let base = self.base();
        let mut text = format!("{} (not for production)\n", strong("portcullis dev"));
        let mut row = |label: &str, value: &str| {
            let _ = writeln!(text, "  {label:<10} {value}");
        };
        row("proxy", &base);
        if let Some(admin) = self.admin {
            row("admin", &format!("http://{admin}/status"));
        }
        let echo = "an echo in this process: it answers with the fields it received";
        row("upstream", self.upstream.as_deref().unwrap_or(echo));
        row("token", "for alice, role admin, one hour");
        if let Some(state) = &self.state {
            row("state", &format!("{}", state.display()));
        }
        row("config", "portcullis dev --print-config");

        let curl = match &self.certificate {
            Some(file) => format!(
                "curl -i --cacert {}",
                shell_word(&file.display().to_string())
            ),
            None => "curl -i".to_owned(),
        };
        let _ = write!(
            text,
            "\n{}\n\n{curl} {base}/hello\n\n{}\n\n{curl} {base}/hello -H 'Authorization: Bearer {}'\n\n\
             Ctrl-C ends it.\n",
            strong("Refused, with the reason (401 missing_token):"),
            strong("Admitted, with the claims as header fields:"),
            self.token
        );
        text
    }

    /// The certificate is for `localhost`, which also reaches what listens on every address.
    fn base(&self) -> String {
        let scheme = if self.certificate.is_some() {
            "https"
        } else {
            "http"
        };
        let port = self.address.port();
        match self.address.ip() {
            IpAddr::V6(ip) if self.certificate.is_none() && ip.is_loopback() => {
                format!("{scheme}://[::1]:{port}")
            }
            IpAddr::V4(_) | IpAddr::V6(_) => format!("{scheme}://localhost:{port}"),
        }
    }
}

/// A word as a POSIX shell takes it.
fn shell_word(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn welcome() -> Welcome {
        Welcome {
            address: ([127, 0, 0, 1], 8443).into(),
            admin: Some(([127, 0, 0, 1], 8081).into()),
            certificate: Some("/tmp/a b/cert.pem".into()),
            upstream: None,
            state: None,
            token: "a.b.c".to_owned(),
        }
    }

    #[test]
    fn there_is_a_line_that_is_refused_and_one_that_is_admitted() {
        let text = welcome().render(Colour::OFF);
        let curl = "curl -i --cacert '/tmp/a b/cert.pem' https://localhost:8443/hello";
        let lines: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with("curl"))
            .collect();
        assert_eq!(
            lines,
            [curl, &format!("{curl} -H 'Authorization: Bearer a.b.c'")]
        );
    }

    #[test]
    fn without_tls_the_lines_are_plain() {
        let plain = Welcome {
            certificate: None,
            ..welcome()
        };
        let text = plain.render(Colour::OFF);
        assert!(
            text.contains("\ncurl -i http://localhost:8443/hello\n"),
            "{text}"
        );
    }

    #[test]
    fn a_word_is_quoted_where_a_shell_would_read_it() {
        assert_eq!(shell_word("/tmp/x-1/cert.pem"), "/tmp/x-1/cert.pem");
        assert_eq!(shell_word("it's $HOME"), r"'it'\''s $HOME'");
    }
}
