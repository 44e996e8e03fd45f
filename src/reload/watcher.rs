//! Says when files may have changed. It never reads them: that is for whoever compares contents.

use std::collections::{BTreeSet, VecDeque};
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// How long nothing may happen before files are looked at: who writes a file has then most likely finished.
const QUIET: Duration = Duration::from_millis(250);

/// Longest wait for that, so that a change counts within a second also in a directory that never rests.
const LONGEST: Duration = Duration::from_millis(600);

/// How often files are looked at without an event: network file systems, and single files mounted into a container,
/// send none.
const POLL: Duration = Duration::from_secs(30);

/// The same where the system watches nothing for us (its limits are reached): a change still counts within a second or so.
const POLL_UNWATCHED: Duration = Duration::from_secs(1);

/// Most symbolic links in a row: as in Linux.
const MAX_LINKS: usize = 40;

/// Watches the directories of files, and of every symbolic link on the way to them: a file that is replaced by a
/// rename, or through a link (the `..data` of a Kubernetes volume), sends no event of its own.
pub(super) struct Watcher {
    system: Option<RecommendedWatcher>,
    happened: Arc<Notify>,
    watched: BTreeSet<PathBuf>,
    /// Whether some directory could not be watched.
    incomplete: bool,
    /// An event that [`Self::changed`] has seen but not yet returned for.
    pending: bool,
    next_poll: Instant,
}

/// Why files are to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// Something happened in a watched directory.
    Event,
    /// It is time to look.
    Poll,
}

impl Watcher {
    /// A watcher of nothing yet. Must be made inside a runtime.
    pub(super) fn new() -> Self {
        let happened = Arc::new(Notify::new());
        let signal = Arc::clone(&happened);
        let system = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if may_matter(&event) {
                signal.notify_one();
            }
        });
        if let Err(error) = &system {
            tracing::warn!(%error, "files cannot be watched and are looked at each second instead");
        }
        Self {
            system: system.ok(),
            happened,
            watched: BTreeSet::new(),
            incomplete: false,
            pending: false,
            next_poll: Instant::now() + POLL,
        }
    }

    /// Watches for these files and no others. To be called again after each change: directories may have been replaced.
    pub(super) fn watch(&mut self, files: &BTreeSet<PathBuf>) {
        let wanted: BTreeSet<PathBuf> = files.iter().flat_map(|file| directories(file)).collect();
        let Some(system) = &mut self.system else {
            self.next_poll = self.next_poll.min(Instant::now() + POLL_UNWATCHED);
            return;
        };
        for gone in self.watched.difference(&wanted) {
            // The system forgets a directory that was removed by itself.
            let _ = system.unwatch(gone);
        }
        let was_complete = !self.incomplete;
        self.incomplete = false;
        for directory in &wanted {
            // Also those that are watched: the directory of that name may be another one by now.
            if let Err(error) = system.watch(directory, RecursiveMode::NonRecursive) {
                if was_complete {
                    tracing::warn!(directory = %directory.display(), %error, "cannot be watched");
                }
                self.incomplete = true;
            }
        }
        self.watched = wanted;
        self.next_poll = self.next_poll.min(Instant::now() + self.poll_interval());
    }

    /// Waits until files may have changed. May be dropped and called again without losing an event.
    pub(super) async fn changed(&mut self) -> Cause {
        let happened = Arc::clone(&self.happened);
        if !self.pending
            && timeout_at(self.next_poll, happened.notified())
                .await
                .is_err()
        {
            self.next_poll = Instant::now() + self.poll_interval();
            return Cause::Poll;
        }
        self.pending = true;
        let latest = Instant::now() + LONGEST;
        loop {
            let quiet = (Instant::now() + QUIET).min(latest);
            if timeout_at(quiet, happened.notified()).await.is_err() {
                break;
            }
        }
        self.pending = false;
        Cause::Event
    }

    fn poll_interval(&self) -> Duration {
        if self.system.is_none() || self.incomplete {
            POLL_UNWATCHED
        } else {
            POLL
        }
    }
}

impl Default for Watcher {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether an event may mean that a file has changed. Opening and reading do not: we read the files ourselves, and would
/// wake ourselves for ever.
fn may_matter(event: &notify::Result<Event>) -> bool {
    match event {
        Ok(event) => match event.kind {
            EventKind::Access(access) => access == AccessKind::Close(AccessMode::Write),
            EventKind::Any
            | EventKind::Create(_)
            | EventKind::Modify(_)
            | EventKind::Remove(_)
            | EventKind::Other => true,
        },
        // A lost event may have been anything.
        Err(_) => true,
    }
}

/// The directories in which a change may give `file` another content: its own, and those of the symbolic links on the
/// way. Where the way ends early, the last directory that exists: what is missing may appear there.
fn directories(file: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let Ok(absolute) = std::path::absolute(file) else {
        return found;
    };
    let mut here = PathBuf::from("/");
    let mut ahead = names(&absolute);
    let mut links = 0;
    while let Some(name) = ahead.pop_front() {
        if name == ".." {
            here.pop();
            continue;
        }
        let next = here.join(&name);
        match next.symlink_metadata() {
            Ok(metadata) if metadata.is_symlink() && links < MAX_LINKS => {
                links += 1;
                found.insert(here.clone());
                let Ok(target) = next.read_link() else { break };
                if target.is_absolute() {
                    here = PathBuf::from("/");
                }
                let mut way = names(&target);
                way.append(&mut ahead);
                ahead = way;
            }
            Ok(_) if !ahead.is_empty() => here = next,
            Ok(_) | Err(_) => break,
        }
    }
    found.insert(here);
    found
}

/// The names on a way, `..` included.
fn names(path: &Path) -> VecDeque<OsString> {
    path.components()
        .filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir))
        .map(|part| part.as_os_str().to_owned())
        .collect()
}

#[cfg(test)]
mod tests;
