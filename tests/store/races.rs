//! One refresh token, used by many at once: it is rotated once, whoever they are.

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout};
use std::sync::Arc;

use portcullis::store::{EndReason, Ending, Refreshed, Rotation, Store};
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::children::start as start_child;
use crate::on_both;
use crate::place::{Place, by, name, trail};
use crate::sign_ins::{
    TOKENS, refresh, revoked_sessions, session_of, signed_in, start, token, usage,
};

on_both!(
    of_many_uses_of_a_token_one_rotates,
    of_many_uses_in_several_processes_one_rotates,
    two_tabs_go_on_with_the_same_token,
    an_end_and_a_refresh_leave_no_token_that_lives,
    who_is_disabled_while_signing_in_keeps_no_session,
    a_process_that_is_killed_in_the_middle_leaves_all_or_nothing,
);

const ROUNDS: u32 = 50;

const USES: usize = 200;

/// How many uses came to what.
#[derive(Debug, Default)]
struct Outcomes {
    rotated: usize,
    repeated: usize,
    stale: usize,
}

impl Outcomes {
    fn count(&mut self, refreshed: &Refreshed) {
        match refreshed {
            Refreshed::Rotated(_) => self.rotated += 1,
            Refreshed::Repeated(_) => self.repeated += 1,
            Refreshed::Stale => self.stale += 1,
            Refreshed::Over | Refreshed::Unknown => panic!("{refreshed:?}"),
        }
    }

    fn check(&self, round: u32) {
        assert_eq!(self.rotated, 1, "round {round}: {self:?}");
        // Stale are those that a busy machine brings after the grace.
        let others = self.repeated + self.stale;
        assert_eq!(others, USES - 1, "round {round}: {self:?}");
    }
}

/// Uses the token of a generation so often at once.
async fn use_at_once(stores: &[Store], session: Uuid, generation: u32, uses: usize) -> Outcomes {
    let barrier = Arc::new(Barrier::new(uses));
    let mut tasks = JoinSet::new();
    for number in 0..uses {
        let (store, barrier) = (stores[number % stores.len()].clone(), barrier.clone());
        tasks.spawn(async move {
            barrier.wait().await;
            loop {
                match store.refresh(&usage(session, generation)).await {
                    // It never came to the database: on a machine that is busy with other things, as a client would.
                    Err(error) if error.to_string().contains("no connection in time") => {}
                    refreshed => return refreshed.unwrap(),
                }
            }
        });
    }
    let mut outcomes = Outcomes::default();
    while let Some(refreshed) = tasks.join_next().await {
        outcomes.count(&refreshed.unwrap());
    }
    outcomes
}

async fn of_many_uses_of_a_token_one_rotates(place: &Place) {
    let mut stores = Vec::new();
    for _ in 0..4 {
        stores.push(place.open().await);
    }
    let (_, session) = signed_in(&stores[0], "alice").await;
    for round in 1..=ROUNDS {
        let outcomes = use_at_once(&stores, session.id, round, USES).await;
        outcomes.check(round);
    }
    let session = stores[1].session(session.id).await.unwrap().unwrap();
    assert_eq!(session.generation, ROUNDS + 1);
    // Nothing but the sign-in is in the trail.
    assert_eq!(trail(&stores[2]).await.len(), 2);
}

/// A child that uses a token whenever it is told to.
struct User {
    child: Child,
    tell: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl User {
    fn start(place: &Place) -> Self {
        let mut child = start_child("use", &place.url);
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let tell = child.stdin.take().unwrap();
        Self { child, tell, lines }
    }

    fn line(&mut self, prefix: &str) -> String {
        loop {
            let line = self.lines.next().expect("the child goes on").unwrap();
            if let Some(rest) = line.strip_prefix(prefix) {
                return rest.to_owned();
            }
        }
    }
}

/// What such a child does: for each line with a session, a generation and a number, it says what the uses came to.
#[expect(clippy::print_stdout, reason = "it is how a child says how far it is")]
pub(crate) async fn use_as_told(store: &Store) {
    let stores = [store.clone()];
    println!("ready");
    for line in std::io::stdin().lines() {
        let line = line.unwrap();
        let [session, generation, uses] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let (session, generation) = (session.parse().unwrap(), generation.parse().unwrap());
        let outcomes = use_at_once(&stores, session, generation, uses.parse().unwrap()).await;
        println!(
            "came {} {} {}",
            outcomes.rotated, outcomes.repeated, outcomes.stale
        );
    }
}

async fn of_many_uses_in_several_processes_one_rotates(place: &Place) {
    const PROCESSES: usize = 4;
    let store = place.open().await;
    let (_, session) = signed_in(&store, "alice").await;
    let mut users: Vec<User> = (0..PROCESSES).map(|_| User::start(place)).collect();
    for user in &mut users {
        user.line("ready");
    }
    for round in 1..=ROUNDS {
        let each = USES / PROCESSES;
        for user in &mut users {
            writeln!(user.tell, "{} {round} {each}", session.id).unwrap();
        }
        let mut outcomes = Outcomes::default();
        for user in &mut users {
            let line = user.line("came ");
            let counts: Vec<usize> = line.split(' ').map(|part| part.parse().unwrap()).collect();
            outcomes.rotated += counts[0];
            outcomes.repeated += counts[1];
            outcomes.stale += counts[2];
        }
        outcomes.check(round);
    }
    for user in users {
        drop(user.tell);
        assert!(user.child.wait_with_output().unwrap().status.success());
    }
}

async fn two_tabs_go_on_with_the_same_token(place: &Place) {
    let stores = [place.open().await, place.open().await];
    let (_, session) = signed_in(&stores[0], "alice").await;
    // Each uses what it was given last, at its own speed: neither falls behind by more than one.
    for generation in 1..100 {
        let (a, b) = tokio::join!(
            refresh(&stores[0], session.id, generation),
            refresh(&stores[1], session.id, generation)
        );
        for refreshed in [a, b] {
            let (Refreshed::Rotated(session) | Refreshed::Repeated(session)) = refreshed else {
                panic!("{refreshed:?}")
            };
            assert_eq!(session.generation, generation + 1);
        }
    }
}

/// Refreshes until there is nothing to refresh.
async fn refresh_on(store: &Store, session: Uuid) {
    for generation in 1.. {
        let refreshed = refresh(store, session, generation).await;
        if refreshed == Refreshed::Over {
            return;
        }
        assert!(matches!(refreshed, Refreshed::Rotated(_)), "{refreshed:?}");
    }
}

async fn an_end_and_a_refresh_leave_no_token_that_lives(place: &Place) {
    let stores = [place.open().await, place.open().await];
    let (user, _) = signed_in(&stores[0], "alice").await;
    let actor = by();
    let mut ended = vec![];
    for _ in 0..30 {
        let id = start(&stores[0], &user).await.id;
        let which = Ending::One(id);
        let (end, ()) = tokio::join!(
            stores[0].end_sessions(which, EndReason::Reused, TOKENS, &actor),
            refresh_on(&stores[1], id)
        );
        assert_eq!(end.unwrap(), 1);
        ended.push(id);
    }
    assert_eq!(revoked_sessions(&stores[0]).await, ended);
}

async fn who_is_disabled_while_signing_in_keeps_no_session(place: &Place) {
    let stores = [place.open().await, place.open().await];
    let (user, first) = signed_in(&stores[0], "alice").await;
    let (actor, alice) = (by(), name("alice"));
    let mut ended = vec![first.id];
    for _ in 0..30 {
        let new = session_of(&user);
        let (disabled, started) = tokio::join!(
            stores[0].set_disabled(&alice, true, TOKENS, &actor),
            stores[1].start_session(&new, &actor)
        );
        assert!(disabled.unwrap());
        // What began before ended with it; what came later did not begin.
        if let Some(session) = started.unwrap() {
            let now = stores[0].session(session.id).await.unwrap().unwrap();
            assert_eq!(now.ended.unwrap().1, EndReason::UserDisabled);
            ended.push(session.id);
        }
        let enabled = stores[0].set_disabled(&alice, false, TOKENS, &actor).await;
        assert!(enabled.unwrap());
    }
    assert_eq!(revoked_sessions(&stores[0]).await, ended);
}

/// What the child of the last test does: refresh after refresh, and now and then an end.
#[expect(clippy::print_stdout, reason = "it is how a child says how far it is")]
pub(crate) async fn go_on(store: &Store) {
    let (user, mut session) = signed_in(store, "alice").await;
    let mut generation = 1;
    println!("on {} 1", session.id);
    loop {
        let Refreshed::Rotated(_) = refresh(store, session.id, generation).await else {
            panic!("nobody else uses it")
        };
        generation += 1;
        println!("on {} {generation}", session.id);
        if generation == 4 {
            let which = Ending::OfUser(user.id);
            store
                .end_sessions(which, EndReason::Operator, TOKENS, &by())
                .await
                .unwrap();
            println!("ended {}", session.id);
            session = start(store, &user).await;
            generation = 1;
            println!("on {} 1", session.id);
        }
    }
}

async fn a_process_that_is_killed_in_the_middle_leaves_all_or_nothing(place: &Place) {
    let store = place.open().await;
    let mut child = start_child("go-on", &place.url);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut told = Vec::new();
    while told.len() < 50 {
        told.push(lines.next().expect("the child goes on").unwrap());
    }
    child.kill().unwrap();
    child.wait().unwrap();
    told.extend(lines.map_while(Result::ok));
    // The lock is free again: this waits until the server has noticed.
    store
        .add_user(&crate::place::user("afterwards"), &by())
        .await
        .unwrap();
    let revoked = revoked_sessions(&store).await;
    let all = store.sessions(&<_>::default(), None, u32::MAX).await;
    for session in all.unwrap() {
        // The end and the revocation are there together.
        let ended = session.ended.is_some();
        assert_eq!(revoked.contains(&session.id), ended, "{session:?}");
        let known = |what: &str| {
            let prefix = format!("{what} {}", session.id);
            told.iter().filter(move |line| line.starts_with(&prefix))
        };
        assert!(ended || known("ended").count() == 0);
        // What was told to be so is; one more may be, of which nobody heard.
        let heard = known("on").count();
        let generation = usize::try_from(session.generation).unwrap();
        assert!(
            generation == heard || generation == heard + 1,
            "{generation} {heard}"
        );
        if !ended {
            // Whoever did not hear asks again, and gets the same.
            let again = Rotation {
                grace: std::time::Duration::from_mins(10),
                ..usage(session.id, session.generation)
            };
            let next = store.refresh(&again).await.unwrap();
            assert!(matches!(next, Refreshed::Rotated(_)), "{next:?}");
            let next = store.refresh(&again).await.unwrap();
            assert!(matches!(next, Refreshed::Repeated(_)), "{next:?}");
            assert_eq!(again.successor, token(session.generation + 1));
        }
    }
}
