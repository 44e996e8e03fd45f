//! The command line.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Load on a proxy.
#[derive(Debug, Parser)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) work: Work,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Work {
    /// As many requests as are answered
    Closed(Closed),
    /// Requests at fixed moments
    Open(Open),
    /// A new TLS connection for each request
    Handshakes(Handshakes),
    /// Connections that are held
    Idle(Idle),
    /// A server behind the proxy, for whoever has no other
    Upstream(Upstream),
}

/// What is spoken with the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Protocol {
    H1,
    H1Tls,
    H2Tls,
}

/// Where requests go.
#[derive(Clone, Debug, Args)]
pub(crate) struct To {
    /// Address of the proxy
    #[arg(long)]
    pub(crate) address: SocketAddr,
    /// Protocol
    #[arg(long, value_enum, default_value = "h1")]
    pub(crate) protocol: Protocol,
    /// Path of the requests
    #[arg(long, default_value = "/")]
    pub(crate) path: String,
    /// PEM of the proxy's certificate, the only one that is trusted
    #[arg(long, required_if_eq_any([("protocol", "h1-tls"), ("protocol", "h2-tls")]))]
    pub(crate) certificate: Option<PathBuf>,
    /// Local address: clients that misbehave have one of their own
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub(crate) source: IpAddr,
    /// Connections
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) connections: u32,
    /// File of tokens, one a line, which requests walk through
    #[arg(long)]
    pub(crate) tokens: Option<PathBuf>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Closed {
    #[command(flatten)]
    pub(crate) to: To,
    /// Concurrent streams of each HTTP/2 connection
    #[arg(long, default_value_t = 8)]
    pub(crate) streams: u32,
    /// Bytes of content that each request carries
    #[arg(long, default_value_t = 0)]
    pub(crate) upload: usize,
    /// Threads, among which connections and tokens are dealt
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) threads: u32,
    /// Seconds before the window
    #[arg(long, default_value_t = 0.3)]
    pub(crate) warmup: f64,
    /// Seconds of the window, at most
    #[arg(long, default_value_t = 2.0)]
    pub(crate) seconds: f64,
    /// Requests of the window, at most
    #[arg(long)]
    pub(crate) requests: Option<u64>,
    /// No token twice: the window ends with the tokens. Until it opens, requests go to this path without a token
    #[arg(long, value_name = "WARM_PATH", requires = "tokens")]
    pub(crate) once: Option<String>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Open {
    #[command(flatten)]
    pub(crate) to: To,
    /// Requests per second, of all connections
    #[arg(long)]
    pub(crate) rate: f64,
    /// Seconds before latencies count
    #[arg(long, default_value_t = 0.5)]
    pub(crate) warmup: f64,
    /// Seconds
    #[arg(long, default_value_t = 5.0)]
    pub(crate) seconds: f64,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Handshakes {
    #[command(flatten)]
    pub(crate) to: To,
    /// Resume sessions
    #[arg(long)]
    pub(crate) resume: bool,
    /// Seconds before the window
    #[arg(long, default_value_t = 0.3)]
    pub(crate) warmup: f64,
    /// Seconds of the window
    #[arg(long, default_value_t = 2.0)]
    pub(crate) seconds: f64,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Idle {
    #[command(flatten)]
    pub(crate) to: To,
}

/// Answers every request when it has read all of it: at `/chunked` in chunks, elsewhere with a length.
#[derive(Clone, Debug, Args)]
pub(crate) struct Upstream {
    /// Bytes of an answer
    #[arg(long, default_value_t = 1024)]
    pub(crate) bytes: usize,
}
