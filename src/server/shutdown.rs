//! The end: readyz 503, `drain_delay`, listeners closed, connections finished up to `drain_timeout`.

/// Starts the drain. Cheap to clone.
#[derive(Clone)]
pub struct DrainHandle {}

/// What workers watch.
#[derive(Clone)]
pub struct Drain {}

impl DrainHandle {
    /// A handle and what it steers.
    #[must_use]
    pub fn new() -> (Self, Drain) {
        todo!("server helper")
    }
    /// TERM was received.
    pub fn start(&self) {
        todo!()
    }
    /// No more time: connections are cut.
    pub fn cut(&self) {
        todo!()
    }
}
