//! A connection as the HTTP client uses it.

use std::future::{Ready, ready};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::MaybeHttpsStream;
use hyper_util::client::legacy::connect::{Connected, Connection};
use tower_service::Service;

use super::Tcp;

/// A connection that may be TLS, and whether requests on it name the whole URL.
pub(in crate::keys) struct ProviderStream {
    stream: MaybeHttpsStream<Tcp>,
    to_proxy: bool,
}

impl ProviderStream {
    /// To the provider, maybe through a tunnel.
    pub(super) fn to_provider(stream: MaybeHttpsStream<Tcp>) -> Self {
        Self {
            stream,
            to_proxy: false,
        }
    }

    /// To a proxy that reads the requests: it needs the absolute form (RFC 9112 §3.2.2).
    pub(super) fn to_proxy(tcp: Tcp) -> Self {
        Self {
            stream: MaybeHttpsStream::Http(tcp),
            to_proxy: true,
        }
    }
}

impl Connection for ProviderStream {
    fn connected(&self) -> Connected {
        self.stream.connected().proxy(self.to_proxy)
    }
}

impl Read for ProviderStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl Write for ProviderStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, pieces)
    }
}

/// A connection that is there, as what comes next wants it: from someone who connects.
pub(super) struct Established(Option<Tcp>);

impl Established {
    pub(super) fn new(tcp: Tcp) -> Self {
        Self(Some(tcp))
    }
}

impl Service<Uri> for Established {
    type Response = Tcp;
    type Error = io::Error;
    type Future = Ready<io::Result<Tcp>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        ready(
            self.0
                .take()
                .ok_or_else(|| io::ErrorKind::NotConnected.into()),
        )
    }
}
