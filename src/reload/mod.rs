//! Reloading: validate, build, swap. The only publisher of snapshots; others send it messages.

mod changes;
mod contents;
mod handle;
mod key_feed;
mod pin;
mod reloader;
mod source;
#[cfg(test)]
pub(crate) mod testing;
mod watcher;

pub use handle::{ReloadHandle, ReloadReport};
pub use key_feed::KeyFeed;
pub use reloader::start;
pub use source::Source;
