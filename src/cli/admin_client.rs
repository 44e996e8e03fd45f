//! One request to the admin listener, as `reload`, `status` and `healthcheck` make it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::config::{Admin, AdminAccess, Environment};
use crate::secret::Secret;

use super::config_file::ConfigFile;
use super::failure::Failure;
use super::one_task::block_on;

/// Where an admin listener is unless the configuration says otherwise.
const DEFAULT_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8081);

/// An answer larger than this is not one of ours: 16 MiB.
const MOST_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// Which gateway to ask.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct AdminOptions {
    #[command(flatten)]
    config: ConfigFile,
    #[arg(
        long,
        value_name = "URL",
        help = "Admin listener, such as http://127.0.0.1:8081 [default: that of the configuration]"
    )]
    admin: Option<String>,
    /// File with the admin token [default: that of the configuration]
    #[arg(long, value_name = "FILE")]
    admin_token_file: Option<PathBuf>,
    /// How long to wait for an answer, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    timeout: u64,
}

/// Why there is no answer, or none that helps.
#[derive(Debug, thiserror::Error)]
pub(super) enum AdminError {
    /// The configuration has no admin listener.
    #[error("the configuration has no admin listener: [admin] listen is \"off\"")]
    Off,
    /// `--admin` is no address.
    #[error("--admin {0:?}: write it as http://HOST:PORT (the admin listener speaks plain HTTP)")]
    Address(String),
    /// The token cannot be sent.
    #[error("the admin token has bytes that no field value has")]
    Token,
    /// Nobody listens.
    #[error(
        "no gateway answers on {authority}: {source}\n  is it running, and is that its [admin] listen?"
    )]
    Unreachable {
        /// Who was asked.
        authority: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// No answer in time.
    #[error("no answer from {authority} in {seconds} s")]
    Timeout {
        /// Who was asked.
        authority: String,
        /// For how long.
        seconds: u64,
    },
    /// Something answers, not in HTTP.
    #[error("{authority} does not answer as a gateway does: {problem}")]
    Protocol {
        /// Who was asked.
        authority: String,
        /// What is wrong with the answer.
        problem: String,
    },
    /// It answers, and refuses.
    #[error("{authority} refuses: {status}{hint}")]
    Refused {
        /// Who was asked.
        authority: String,
        /// The status.
        status: StatusCode,
        /// What to do.
        hint: &'static str,
    },
}

/// Where to ask, and what to show.
#[derive(Debug)]
pub(super) struct AdminClient {
    authority: String,
    token: Option<Secret>,
    timeout: Duration,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    /// The status.
    pub(super) status: StatusCode,
    /// The body.
    pub(super) body: Bytes,
}

impl AdminError {
    /// Whether there is nobody to ask, as far as one can see.
    pub(super) fn is_silence(&self) -> bool {
        match self {
            Self::Off | Self::Unreachable { .. } | Self::Timeout { .. } => true,
            Self::Address(_) | Self::Token | Self::Protocol { .. } | Self::Refused { .. } => false,
        }
    }
}

impl AdminOptions {
    /// Whether a listener was named on the command line.
    pub(super) fn is_named(&self) -> bool {
        self.admin.is_some()
    }

    /// The configuration that says where to ask.
    pub(super) fn config(&self) -> &ConfigFile {
        &self.config
    }

    /// The client, with address and token from the configuration unless they were given.
    ///
    /// A broken configuration is no reason to give up: the gateway that runs keeps its old one. Then the address is
    /// read from what can be read of the file, and is the default one if that is nothing.
    ///
    /// # Errors
    /// A configuration without an admin listener; options that are no address and no file.
    pub(super) fn client(&self) -> Result<AdminClient, Failure> {
        if self.admin.is_some() {
            return self.client_for(None, DEFAULT_ADDRESS);
        }
        match self.config.load() {
            Ok(config) => self.client_for(Some(&config.admin), DEFAULT_ADDRESS),
            Err(_) => self.client_for(None, self.address_of_broken()),
        }
    }

    fn address_of_broken(&self) -> SocketAddr {
        let environment = Environment::of_process();
        let text = self.config.find(&environment).ok();
        let text = text.and_then(|file| std::fs::read_to_string(file).ok());
        text.and_then(|text| listen_of_broken(&text))
            .map_or(DEFAULT_ADDRESS, reachable)
    }

    fn client_for(
        &self,
        admin: Option<&Admin>,
        otherwise: SocketAddr,
    ) -> Result<AdminClient, Failure> {
        let authority = match (&self.admin, admin) {
            (Some(url), _) => authority_of(url)?,
            (None, Some(admin)) => reachable(admin.listen.ok_or(AdminError::Off)?).to_string(),
            (None, None) => otherwise.to_string(),
        };
        let token = match (&self.admin_token_file, admin.map(|admin| &admin.access)) {
            (Some(path), _) => Some(read_token(path)?),
            (None, Some(AdminAccess::Token(token))) => Some(token.clone()),
            (None, Some(AdminAccess::Loopback) | None) => None,
        };
        Ok(AdminClient {
            authority,
            token,
            timeout: Duration::from_secs(self.timeout),
        })
    }
}

/// `[admin] listen` of a configuration that has errors, elsewhere.
fn listen_of_broken(text: &str) -> Option<SocketAddr> {
    let (root, _errors) = toml::de::DeTable::parse_recoverable(text);
    let admin = root.get_ref().get("admin")?.get_ref().as_table()?;
    admin.get("listen")?.get_ref().as_str()?.parse().ok()
}

fn read_token(path: &Path) -> Result<Secret, Failure> {
    let bytes = std::fs::read(path).map_err(|source| Failure::File {
        action: "read",
        path: path.to_owned(),
        source,
    })?;
    Ok(Secret::new(bytes.trim_ascii_end().to_vec()))
}

/// `http://host:port`, with or without the scheme.
fn authority_of(url: &str) -> Result<String, AdminError> {
    let wrong = || AdminError::Address(url.to_owned());
    let bare = url.strip_prefix("http://").unwrap_or(url);
    let bare = bare.strip_suffix('/').unwrap_or(bare);
    let uri: Uri = bare.parse().map_err(|_| wrong())?;
    let authority = uri.authority().ok_or_else(wrong)?;
    let whole = authority.as_str() == bare && authority.port().is_some();
    if whole && !bare.contains('@') {
        Ok(bare.to_owned())
    } else {
        Err(wrong())
    }
}

/// The address to connect to for one that is listened on: "any" is reached by loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    SocketAddr::new(ip, address.port())
}

impl AdminClient {
    /// Asks, and waits for the whole answer. `json` is the body of a POST.
    ///
    /// # Errors
    /// As [`AdminError`] says; 401, 403 and 421 are `Refused`, every other status is an answer.
    pub(super) fn ask(
        &self,
        method: Method,
        path: &str,
        json: Option<&serde_json::Value>,
    ) -> Result<Answer, Failure> {
        let request = self.request(method, path, json)?;
        let answer = block_on(async {
            tokio::time::timeout(self.timeout, self.exchange(request))
                .await
                .unwrap_or_else(|_| {
                    Err(AdminError::Timeout {
                        authority: self.authority.clone(),
                        seconds: self.timeout.as_secs(),
                    })
                })
        })??;
        let hint = match answer.status {
            StatusCode::UNAUTHORIZED => " (give its token with --admin-token-file)",
            StatusCode::FORBIDDEN | StatusCode::MISDIRECTED_REQUEST => {
                " (name it as its configuration does, with --admin)"
            }
            _ => return Ok(answer),
        };
        Err(AdminError::Refused {
            authority: self.authority.clone(),
            status: answer.status,
            hint,
        }
        .into())
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        json: Option<&serde_json::Value>,
    ) -> Result<Request<Full<Bytes>>, AdminError> {
        let mut request = Request::new(Full::new(
            json.map_or_else(Bytes::new, |json| json.to_string().into()),
        ));
        *request.method_mut() = method;
        *request.uri_mut() = path
            .parse()
            .map_err(|_| AdminError::Address(path.to_owned()))?;
        let headers = request.headers_mut();
        let host = HeaderValue::from_str(&self.authority)
            .map_err(|_| AdminError::Address(self.authority.clone()))?;
        headers.insert(HOST, host);
        if json.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Some(token) = &self.token {
            let line = [b"Bearer ", token.expose()].concat();
            let mut value = HeaderValue::from_bytes(&line).map_err(|_| AdminError::Token)?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        Ok(request)
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Answer, AdminError> {
        let protocol = |problem: String| AdminError::Protocol {
            authority: self.authority.clone(),
            problem,
        };
        let stream = TcpStream::connect(&self.authority)
            .await
            .map_err(|source| AdminError::Unreachable {
                authority: self.authority.clone(),
                source,
            })?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| protocol(error.to_string()))?;
        // It ends with the sender; its fault is then the request's.
        tokio::spawn(connection);
        let response = sender
            .send_request(request)
            .await
            .map_err(|error| protocol(error.to_string()))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MOST_ANSWER_BYTES)
            .collect()
            .await
            .map_err(|error| protocol(error.to_string()))?;
        Ok(Answer {
            status,
            body: body.to_bytes(),
        })
    }
}

#[cfg(test)]
mod tests;
