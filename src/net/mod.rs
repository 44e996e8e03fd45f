//! Sockets and what runs right on them: listeners, TLS, deadlines, the strict HTTP/1.1 framing check.

mod addresses;
mod deadlines;
mod http2_io;
mod io;
mod listener;
mod open_files;
mod roots;
mod state;
mod strict_http1;
mod tls;

pub use addresses::is_link_local_or_metadata;
pub use deadlines::{Deadline, Deadlines, Expired};
pub use http2_io::Http2Io;
pub use io::ClientIo;
pub use listener::{ListenError, bind_probe, bind_worker};
pub use open_files::raise_open_files;
pub use roots::{SYSTEM_ROOTS, trusted_roots};
pub use state::{ConnectionState, Phase};
pub use strict_http1::{Http1Check, TRAILER_BYTES, Violation};
pub use tls::{CertificateError, CertificateInfo, ServerTls, build_server_tls, make_self_signed};
