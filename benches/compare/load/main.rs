//! The load generator of `benches/compare/run`: one program for every protocol and every kind of load, so that all
//! proxies see the same client.
//!
//! * `closed`: as many requests as the proxy answers, over a fixed number of connections. What is counted is CPU of the
//!   proxy, so it does not matter that a closed loop waits for the slow ones.
//! * `open`: requests at fixed moments, whatever the proxy does. Latency counts from the moment a request was due, not
//!   from when it could be sent: a proxy that stalls pays for everyone who would have come meanwhile.
//! * `handshakes`: a new TLS connection for each request, in full or resumed.
//! * `idle`: connections that have had one answer, and are then held.
//! * `upstream`: no load, but a server to aim the proxy at.
//!
//! Speaks lines of JSON on standard output: `{"event":"begin"}` when the measured window opens, and one with the counts
//! when it closes. The harness reads the proxy's CPU clock at both.

mod arguments;
mod closed;
mod handshakes;
mod http1;
mod http2;
mod idle;
mod open;
mod report;
mod target;
mod tokens;
mod upstream;

use std::error::Error;
use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;

use arguments::{Arguments, Work};

/// A tool of our own: whatever fails ends the run, and its text is all anyone needs.
type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> ExitCode {
    // `cargo bench` starts every benchmark; this one measures nothing without a proxy.
    if std::env::args().eq([
        std::env::args().next().unwrap_or_default(),
        "--bench".into(),
    ]) {
        return ExitCode::SUCCESS;
    }
    let arguments = Arguments::parse();
    let done = match &arguments.work {
        Work::Closed(closed) => closed::run(closed),
        Work::Open(open) => open::run(open),
        Work::Handshakes(handshakes) => handshakes::run(handshakes),
        Work::Idle(idle) => idle::run(idle),
        Work::Upstream(upstream) => upstream::run(upstream),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "load: {error}");
            ExitCode::FAILURE
        }
    }
}
