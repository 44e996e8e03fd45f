//! A runtime for one piece of work.

use std::io;

use tokio::runtime::Builder;

/// Does some work on a runtime of its own. Nobody waits for what the work leaves behind: a resolver may look for a name for
/// half a minute after the time for that was over.
///
/// # Errors
/// There is no runtime.
pub(super) fn block_on<T>(work: impl Future<Output = T>) -> io::Result<T> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(work);
    runtime.shutdown_background();
    Ok(done)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn what_hangs_is_left_behind() {
        let (end, hangs) = mpsc::channel::<()>();
        let done = block_on(async {
            let hangs = tokio::task::spawn_blocking(move || hangs.recv());
            let waited = tokio::time::timeout(std::time::Duration::from_millis(1), hangs).await;
            waited.is_err()
        });
        assert!(done.unwrap());
        drop(end);
    }
}
