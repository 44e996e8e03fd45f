//! Connections to a provider: which addresses they may go to, how long they may take, and by which way.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::Uri;
use http::uri::Scheme;
use hyper_rustls::{DefaultServerNameResolver, HttpsConnector};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tower_service::Service;

use crate::net::is_link_local_or_metadata;

mod error;
mod stream;

pub use error::ConnectError;
use stream::Established;
pub(super) use stream::ProviderStream;

/// Connects to where a URL says, or to the proxy.
#[derive(Clone)]
pub(super) struct Connector {
    /// For https.
    pub(super) tls: Arc<ClientConfig>,
    /// Whether addresses that are link-local or of a metadata service are allowed.
    pub(super) allow_link_local: bool,
    /// The proxy on the way out, `http://host:port`. The operator chose it: its addresses are not looked at.
    pub(super) proxy: Option<Uri>,
    /// For all of it: name, TCP, proxy, TLS.
    pub(super) limit: Duration,
}

impl Service<Uri> for Connector {
    type Response = ProviderStream;
    // Shared, because the client that gets it gives a look at it only.
    type Error = Arc<ConnectError>;
    type Future = BoxFuture<'static, Result<ProviderStream, Arc<ConnectError>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move { connector.connect(target).await.map_err(Arc::new) })
    }
}

impl Connector {
    async fn connect(&self, target: Uri) -> Result<ProviderStream, ConnectError> {
        let time = Time {
            limit: self.limit,
            end: Instant::now() + self.limit,
        };
        let https = target.scheme() == Some(&Scheme::HTTPS);
        let tcp = match &self.proxy {
            None => self.direct(&target, time).await?,
            Some(proxy) => {
                // What a name stands for the proxy alone sees.
                if let Ok(address) = host(&target).parse()
                    && !self.allow_link_local
                {
                    permitted(address)?;
                }
                let by_proxy = |error| ConnectError::Proxy(Box::new(error));
                let addresses = time.resolve(proxy).await.map_err(by_proxy)?;
                let tcp = time.tcp(proxy, addresses).await.map_err(by_proxy)?;
                if !https {
                    return Ok(ProviderStream::to_proxy(tcp));
                }
                time.tunnel(tcp, proxy, &target).await?
            }
        };
        time.tls(tcp, Arc::clone(&self.tls), target, https).await
    }

    /// A connection to one of the addresses of a name that are permitted.
    async fn direct(&self, target: &Uri, time: Time) -> Result<Tcp, ConnectError> {
        let mut addresses = time.resolve(target).await?;
        if !self.allow_link_local {
            addresses = only_permitted(addresses)?;
        }
        let tcp = time.tcp(target, addresses).await?;
        if !self.allow_link_local {
            // The connector reads the host itself: what counts is who is there in the end.
            let peer = tcp.inner().peer_addr();
            let peer = peer.map_err(|error| ConnectError::Tcp(error.into()))?;
            permitted(peer.ip())?;
        }
        Ok(tcp)
    }
}

type Tcp = TokioIo<TcpStream>;

/// Those that are permitted. A name may have others beside them: a machine's own name often has a link-local one.
fn only_permitted(addresses: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, ConnectError> {
    let is_permitted = |address: &SocketAddr| permitted(address.ip()).is_ok();
    let (good, bad): (Vec<_>, Vec<_>) = addresses.into_iter().partition(is_permitted);
    match bad.first() {
        Some(bad) if good.is_empty() => Err(ConnectError::Forbidden(bad.ip())),
        Some(_) | None => Ok(good),
    }
}

fn permitted(address: IpAddr) -> Result<(), ConnectError> {
    if is_link_local_or_metadata(address) {
        return Err(ConnectError::Forbidden(address));
    }
    Ok(())
}

/// The host of a URL, without the brackets of an IPv6 address.
fn host(url: &Uri) -> &str {
    let host = url.host().unwrap_or_default();
    let inside = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    inside.unwrap_or(host)
}

/// The time for a connection; each step gets what is left of it.
#[derive(Clone, Copy)]
struct Time {
    limit: Duration,
    end: Instant,
}

impl Time {
    async fn step<T>(
        self,
        step: &'static str,
        work: impl Future<Output = Result<T, ConnectError>>,
    ) -> Result<T, ConnectError> {
        let late = ConnectError::Timeout {
            limit: self.limit,
            step,
        };
        let outcome = tokio::time::timeout_at(self.end, work).await;
        outcome.unwrap_or(Err(late))
    }

    async fn resolve(self, url: &Uri) -> Result<Vec<SocketAddr>, ConnectError> {
        let host = host(url);
        // The port is set where it is connected to.
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, 0)]);
        }
        let failed = |source| ConnectError::Resolve {
            host: host.into(),
            source,
        };
        let name: Name = host
            .parse()
            .map_err(|error| failed(std::io::Error::other(error)))?;
        let found = self.step("while resolving the name", async {
            GaiResolver::new().call(name).await.map_err(failed)
        });
        Ok(found.await?.collect())
    }

    /// The first of the addresses that answers, both families tried (RFC 8305).
    async fn tcp(self, url: &Uri, addresses: Vec<SocketAddr>) -> Result<Tcp, ConnectError> {
        let mut connector = HttpConnector::new_with_resolver(Known(addresses));
        connector.enforce_http(false);
        connector.set_nodelay(true);
        // Divided among the addresses of a family: one that drops packets must not take all the time.
        connector.set_connect_timeout(Some(self.limit * 3 / 4));
        self.step("while connecting", async {
            let tcp = connector.call(url.clone()).await;
            tcp.map_err(|error| self.tcp_error(error.into()))
        })
        .await
    }

    fn tcp_error(self, error: error::Cause) -> ConnectError {
        if error::is_timeout(&*error) {
            return ConnectError::Timeout {
                limit: self.limit,
                step: "while connecting",
            };
        }
        ConnectError::Tcp(error)
    }

    async fn tunnel(self, tcp: Tcp, proxy: &Uri, target: &Uri) -> Result<Tcp, ConnectError> {
        let mut tunnel = Tunnel::new(proxy.clone(), Established::new(tcp));
        self.step("while the proxy made a tunnel", async {
            let tcp = tunnel.call(target.clone()).await;
            tcp.map_err(|error| ConnectError::Tunnel(error.into()))
        })
        .await
    }

    async fn tls(
        self,
        tcp: Tcp,
        tls: Arc<ClientConfig>,
        target: Uri,
        https: bool,
    ) -> Result<ProviderStream, ConnectError> {
        let names = Arc::new(DefaultServerNameResolver::default());
        // https is said twice, so that such a URL can never go out in the clear.
        let mut connector = HttpsConnector::new(Established::new(tcp), tls, https, names);
        self.step("in the TLS handshake", async {
            let stream = connector.call(target).await;
            stream
                .map(ProviderStream::to_provider)
                .map_err(error::of_tls)
        })
        .await
    }
}

/// Addresses that were resolved before.
#[derive(Clone)]
struct Known(Vec<SocketAddr>);

impl Service<Name> for Known {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = std::convert::Infallible;
    type Future = std::future::Ready<Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Name) -> Self::Future {
        std::future::ready(Ok(std::mem::take(&mut self.0).into_iter()))
    }
}

#[cfg(test)]
mod tests;
