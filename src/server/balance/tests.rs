use std::cell::RefCell;
use std::net::TcpListener;
use std::sync::Barrier;

use futures_util::FutureExt as _;
use proptest::prelude::*;

use super::*;
use crate::metrics::WorkerId;
use crate::server::connection::tests::limits;
use crate::server::shutdown::Stage;
use crate::server::slots::tests::slots;

/// All workers, as each of them sees them, and their inboxes.
fn workers(count: usize) -> (Vec<Balance>, Vec<mpsc::Receiver<Handed>>, Pulse) {
    let (members, inboxes): (Vec<_>, Vec<_>) = (0..count).map(|_| Member::new()).unzip();
    let members: Arc<[Member]> = members.into();
    let pulse = Pulse::new(count);
    let balances = (0..count)
        .map(|own| Balance::new(Arc::clone(&members), own, pulse.clone()))
        .collect();
    (balances, inboxes, pulse)
}

fn counts(balance: &Balance) -> Vec<usize> {
    let members = balance.members.iter();
    members.map(|member| member.open.count()).collect()
}

fn differ_by(counts: &[usize]) -> usize {
    counts.iter().max().unwrap() - counts.iter().min().unwrap()
}

fn handed() -> Handed {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let peer = stream.peer_addr().unwrap();
    let slot = slots().take(peer.ip(), &limits()).unwrap();
    Handed { stream, peer, slot }
}

#[test]
fn the_least_loaded_serves_unless_the_difference_is_small() {
    for (own, open, expected) in [
        (0, &[Some(0)][..], 0),
        (0, &[Some(9)], 0),
        (0, &[Some(0), Some(0), Some(0)], 0),
        (1, &[Some(0), Some(0), Some(0)], 1),
        (0, &[Some(1), Some(0), Some(0)], 1),
        (1, &[Some(0), Some(1), Some(0)], 2),
        (2, &[Some(0), Some(0), Some(1)], 0),
        (0, &[Some(2), Some(1), Some(0)], 2),
        // One more is too many up to eight, and an eighth more is not too many from there on.
        (0, &[Some(8), Some(7)], 1),
        (0, &[Some(9), Some(8)], 0),
        (0, &[Some(10), Some(8)], 1),
        (0, &[Some(1125), Some(1000)], 0),
        (0, &[Some(1126), Some(1000)], 1),
        // Who takes none is never chosen, and nobody is but oneself if no other takes any.
        (0, &[Some(5), None, Some(3)], 2),
        (0, &[Some(5), None, None], 0),
    ] {
        let (chosen, seen) = choose(own, open.len(), |worker| open[worker]);
        assert_eq!(chosen, expected, "{own} of {open:?}");
        assert_eq!(Some(seen), open[chosen]);
    }
}

proptest! {
    /// Whoever accepts, whatever has closed before: as many as there were workers times a number, and all have it.
    #[test]
    fn a_few_connections_differ_by_at_most_one(
        accepted in proptest::collection::vec(0_usize..4, 32),
        closed in proptest::collection::vec(any::<prop::sample::Index>(), 0..32),
        again in proptest::collection::vec(0_usize..4, 32),
    ) {
        let (balances, _inboxes, _) = workers(4);
        let mut open = Vec::new();
        for worker in accepted {
            open.push(balances[worker].place().0);
            prop_assert!(differ_by(&counts(&balances[0])) <= 1);
        }
        for closed in closed {
            open.swap_remove(closed.index(open.len()));
        }
        for worker in again.into_iter().take(32 - open.len()) {
            open.push(balances[worker].place().0);
        }
        prop_assert_eq!(counts(&balances[0]), [8; 4]);
    }
}

#[test]
fn workers_that_accept_at_once_share_evenly_too() {
    const EACH: usize = 8;
    for accepting in 1..=4 {
        let (balances, _inboxes, _) = workers(4);
        let start = Barrier::new(accepting);
        std::thread::scope(|scope| {
            for balance in &balances[..accepting] {
                scope.spawn(|| {
                    start.wait();
                    // Never closed.
                    (0..EACH).for_each(|_| std::mem::forget(balance.place().0));
                });
            }
        });
        let counts = counts(&balances[0]);
        assert_eq!(counts.iter().sum::<usize>(), accepting * EACH);
        assert!(differ_by(&counts) <= 1, "{counts:?} of {accepting}");
    }
}

#[test]
fn what_was_handed_over_is_counted_before_it_arrives() {
    let (balances, mut inboxes, _) = workers(2);
    let (_own, way) = balances[0].place();
    assert!(way.is_none());
    let (counted, way) = balances[0].place();
    way.unwrap().send(handed());
    assert_eq!(counts(&balances[0]), [1, 1]);
    drop(counted);
    assert_eq!(counts(&balances[1]), [1, 0], "given back");
    assert!(inboxes[1].try_recv().is_ok() && inboxes[0].try_recv().is_err());
}

#[test]
fn who_is_silent_has_ended_or_is_full_gets_nothing() {
    // Worker 0 accepts, worker 1 has nothing to do.
    let here = |balances: &[Balance]| {
        let (counted, way) = balances[0].place();
        let here = way.is_none() && counts(&balances[0]) == [2, 0];
        drop(counted);
        here
    };

    let (balances, inboxes, pulse) = workers(2);
    let _own = balances[0].place();
    assert!(!here(&balances), "it would be handed over");
    pulse.end(WorkerId(1), 0);
    assert!(here(&balances), "ended");
    pulse.beat(WorkerId(1));
    drop(inboxes);
    assert!(here(&balances), "died");

    let (balances, mut inboxes, _) = workers(2);
    let _own = balances[0].place();
    inboxes[1].close();
    assert!(here(&balances), "drains");

    let (balances, mut inboxes, _) = workers(2);
    let _own = balances[0].place();
    for _ in 0..ON_THEIR_WAY {
        let (_, way) = balances[0].place();
        way.unwrap().send(handed());
    }
    assert!(here(&balances), "full");
    inboxes[1].try_recv().unwrap();
    assert!(!here(&balances), "there is room again");
}

#[test]
fn what_died_with_a_worker_is_given_back() {
    let (balances, inboxes, _) = workers(2);
    let slots = slots();
    let own = balances[0].place();
    let (counted, way) = balances[0].place();
    let address = "192.0.2.1".parse().unwrap();
    let slot = Slot::new(slots.admit(address, &limits()).unwrap(), counted);
    way.unwrap().send(Handed { slot, ..handed() });
    assert_eq!(counts(&balances[0]), [1, 1]);
    drop(inboxes);
    assert_eq!(counts(&balances[0]), [1, 0]);
    drop(own);
}

#[test]
fn a_drain_takes_all_that_is_on_its_way_and_no_more() {
    let (balances, mut inboxes, _) = workers(2);
    let inbox = inboxes.pop().unwrap();
    let _own = balances[0].place();
    let (_, first) = balances[0].place();
    let (_, second) = balances[0].place();
    let (_, late) = balances[0].place();
    let stages = Stages::new();
    let arrived = RefCell::new(Vec::new());
    let count = |handed: Handed| arrived.borrow_mut().push(handed.peer);
    let mut receiving = Box::pin(receive(inbox, &stages, &count));

    first.unwrap().send(handed());
    assert!(receiving.as_mut().now_or_never().is_none());
    assert_eq!(arrived.borrow().len(), 1);
    second.unwrap().send(handed());
    stages.set(Stage::Delay);
    assert!(receiving.as_mut().now_or_never().is_none());
    assert_eq!(arrived.borrow().len(), 2, "as long as it accepts");

    stages.set(Stage::Draining);
    assert!(
        receiving.as_mut().now_or_never().is_none(),
        "one has a permit"
    );
    assert!(balances[0].place().1.is_none(), "nobody gets another");
    late.unwrap().send(handed());
    assert!(receiving.as_mut().now_or_never().is_some());
    assert_eq!(arrived.borrow().len(), 3);
}
