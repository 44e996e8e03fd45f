//! From a request to its answer: decide, forward, record.

mod body;
mod context;
mod forward;
mod record;
mod respond;
mod service;
mod upgrade;

pub use body::{RequestBody, ResponseBody};
pub use context::{ConnectionContext, Publisher, SharedState, WorkerContext};
pub use record::{AccessLog, AccessLogSink, access_log};
pub use service::serve;
