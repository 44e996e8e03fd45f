//! How revocations come from the store into the memory of this process, and what is kept of them on disk.
//!
//! One task reads the store's changes in the order in which they were committed: twice a second, and at once when the store tells of
//! one. It alone has the writer, publishes the sets, and says until when they are current. What it reads is also kept on
//! disk, so that a start without the store does not admit what was revoked, and need not refuse everything.

mod copies;
mod disk;
mod handle;
mod kept;
mod list;
mod request;
mod row;
mod source;
mod status;
mod task;

pub use handle::{FeedHandle, FeedParts, start};
pub use kept::kept_list;
pub use request::{Moment, RevocationRequest, RevocationRequestError, StoreChange};
pub use status::{FeedStatus, ListOrigin};
