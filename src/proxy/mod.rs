//! From a request to its answer: decide, forward, record.

mod access_log;
mod body;
mod context;
mod forward;
mod framing;
mod line;
mod local;
mod ongoing;
mod record;
mod request_id;
mod respond;
mod response_body;
mod server_timing;
mod service;
mod upgrade;

#[cfg(test)]
mod testing;

pub use access_log::{AccessLog, AccessLogSink, access_log};
pub use body::{BodyError, RequestBody};
pub use context::{
    ConnectionContext, InForce, Publisher, RequestSnapshot, SharedState, WorkerContext, WorkerLocal,
};
pub use respond::{refusal, refusal_before_request};
pub use response_body::ResponseBody;
pub use service::serve;
