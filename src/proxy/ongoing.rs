//! What goes on after its request was admitted, and ends when its token is revoked: upgraded connections, streams of events.
//!
//! Nothing of it has a timer: the worker's clock looks at all of them a few times a second, and only when something was revoked
//! or something new goes on.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::gate::AdmittedToken;
use crate::revocation::{RevocationSet, RevocationVersion};

/// All that goes on at one worker.
#[derive(Debug, Default)]
pub(super) struct Ongoings {
    all: RefCell<BTreeMap<u64, Watched>>,
    next: Cell<u64>,
    /// The revocations that all of them were looked at for.
    seen: Cell<Option<RevocationVersion>>,
}

#[derive(Debug)]
struct Watched {
    token: AdmittedToken,
    end: Rc<End>,
}

/// Whether it is over, and who waits for that.
#[derive(Default)]
struct End {
    is_over: Cell<bool>,
    waker: Cell<Option<Waker>>,
}

impl fmt::Debug for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("End").field(&self.is_over).finish()
    }
}

/// One thing that goes on, for as long as it does.
#[derive(Debug)]
pub(super) struct Ongoing {
    all: Rc<Ongoings>,
    number: u64,
    end: Rc<End>,
}

impl Ongoings {
    /// From now on it ends with its token.
    pub(super) fn begin(self: &Rc<Self>, token: AdmittedToken) -> Ongoing {
        let number = self.next.get();
        self.next.set(number.wrapping_add(1));
        let end = Rc::<End>::default();
        let watched = Watched {
            token,
            end: Rc::clone(&end),
        };
        self.all.borrow_mut().insert(number, watched);
        // What was revoked while the upstream was asked was looked at for others, not for this one.
        self.seen.set(None);
        Ongoing {
            all: Rc::clone(self),
            number,
            end,
        }
    }

    /// Ends what was revoked.
    pub(super) fn look(&self, revocations: &RevocationSet) {
        let version = Some(revocations.version());
        if self.seen.replace(version) == version {
            return;
        }
        for Watched { token, end } in self.all.borrow().values() {
            if token.is_revoked(revocations) {
                end.is_over.set(true);
                if let Some(waker) = end.waker.take() {
                    waker.wake();
                }
            }
        }
    }
}

impl Ongoing {
    /// Ready once its token is revoked.
    pub(super) fn poll_over(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.end.is_over.get() {
            return Poll::Ready(());
        }
        self.end.waker.set(Some(cx.waker().clone()));
        Poll::Pending
    }
}

impl Drop for Ongoing {
    fn drop(&mut self) {
        self.all.all.borrow_mut().remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::task::noop_waker_ref;
    use http::Request;

    use super::*;
    use crate::clock::Clock;
    use crate::gate::{Head, Peer, Unobserved, decide};
    use crate::proxy::access_log;
    use crate::proxy::testing::{token, worker};
    use crate::revocation::{Revocation, RevocationTarget, RevocationWriter};

    /// `alice`'s token, which has admitted something.
    fn admitted() -> AdmittedToken {
        let log = access_log(None, true, std::sync::Arc::new(|_| {}));
        let worker = worker(([127, 0, 0, 1], 9).into(), "", log);
        let request = Request::get("/private")
            .header("host", "gw.test")
            .header("authorization", format!("Bearer {}", token()));
        let mut head = Head {
            parts: request.body(()).unwrap().into_parts().0,
            peer: Peer {
                address: ([127, 0, 0, 1], 7).into(),
                secure: false,
            },
        };
        let (snapshot, now) = (worker.current_snapshot(), Clock::System.now());
        let admission = worker.with_memory(|memory, revocations| {
            let observer = &mut Unobserved;
            decide(&snapshot, revocations, memory, &mut head, now, observer)
        });
        admission.unwrap().token().unwrap().clone()
    }

    #[test]
    fn what_goes_on_ends_with_its_token_also_if_that_was_revoked_before_it_began() {
        let mut writer = RevocationWriter::new().unwrap();
        let mut revoke = |subject| {
            writer.add(&Revocation {
                issuer: "https://i.test",
                target: RevocationTarget::Sub(subject),
                before: None,
                until: None,
            });
            writer.publish()
        };
        let (others, hers) = (revoke("bob"), revoke("alice"));
        let all = Rc::<Ongoings>::default();
        let cx = &mut Context::from_waker(noop_waker_ref());
        let first = all.begin(admitted());
        all.look(&others);
        assert!(first.poll_over(cx).is_pending());
        all.look(&hers);
        assert!(first.poll_over(cx).is_ready());
        // Its upstream was asked while that happened.
        let second = all.begin(admitted());
        assert!(second.poll_over(cx).is_pending());
        all.look(&hers);
        assert!(second.poll_over(cx).is_ready());
        drop((first, second));
        assert!(all.all.borrow().is_empty());
    }
}
