use tokio::time::sleep;

use super::*;

#[tokio::test(start_paused = true)]
async fn a_flood_of_unknown_kids_costs_one_fetch_per_gap() {
    let world = World::started(Answer::keys(&["a"])).await;
    assert_eq!(world.fetches(), 1);
    for second in 0..150 {
        for number in 0..100 {
            world.ask(&format!("{second}-{number}"));
        }
        world.pass(1).await;
    }
    let times = world.times();
    // A gap lies between any two; the first one counts from the fetch at the start.
    assert!((9..=10).contains(&times.len()), "{times:?}");
    assert!(times[0] >= 15, "{times:?}");
    assert!(
        times.windows(2).all(|two| two[1] - two[0] >= 15),
        "{times:?}"
    );
    let asked = world.metric("portcullis_key_requests_total{issuer=\"corp\"}");
    assert_eq!(asked.as_deref(), Some("15000"));
    // A line for each fetch, and no more.
    let lines = world.said("WARN", "tokens name keys");
    assert!(lines <= times.len(), "{lines} lines");
    assert!(world.log().len() < 20_000, "{}", world.log().len());
    assert!(world.status().unknown_kids.len() <= 64);
}

#[tokio::test(start_paused = true)]
async fn a_miss_in_the_gap_is_served_when_it_ends() {
    let mut world = World::started(Answer::keys(&["a"])).await;
    assert_eq!((world.fetches(), world.told()), (1, 1));
    world.pass(2).await;
    world.answers(Answer::keys(&["b"]));
    world.ask("b");
    world.pass(11).await;
    assert_eq!(world.fetches(), 0);
    world.pass(2).await;
    assert_eq!((world.fetches(), world.told()), (1, 1));
    assert_eq!(world.said("WARN", "tokens name keys"), 0, "it is there now");
    // And once only.
    world.pass(60).await;
    assert_eq!(world.fetches(), 0);
    // Outside of the gap: at once.
    world.ask("c");
    world.pass(1).await;
    assert_eq!(world.fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_miss_while_a_fetch_runs_gets_another_one() {
    let world = World::started(Answer::keys(&["a"])).await;
    world.answers(Answer::Hang);
    world.pass(20).await;
    world.fetches();
    world.ask("b");
    world.pass(1).await;
    assert_eq!(world.fetches(), 1);
    for kid in 0..50 {
        world.ask(&kid.to_string());
    }
    world.answers(Answer::keys(&["a"]));
    world.pass(28).await;
    assert_eq!(world.fetches(), 0, "one at a time");
    // The gap is over when it is given up.
    world.pass(3).await;
    assert_eq!(world.fetches(), 1);
    world.pass(200).await;
    assert_eq!(world.fetches(), 0);
}

#[tokio::test(start_paused = true)]
async fn in_a_back_off_unknown_kids_fetch_no_more_often_than_the_gap() {
    let world = World::started(Answer::fail("status 500")).await;
    world.pass(400).await;
    world.fetches();
    for _ in 0..600 {
        world.ask("b");
        world.pass(1).await;
    }
    let times = world.times();
    assert!(times.len() <= 40, "{times:?}");
    assert!(
        times.windows(2).all(|two| two[1] - two[0] >= 15),
        "{times:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_the_provider_lacks_is_said_once_in_an_interval() {
    let world = World::started(Answer::keys(&["a"])).await;
    let hostile = format!("x\n\u{1b}[2J{}", "y".repeat(1000));
    for _ in 0..10 {
        world.pass(20).await;
        world.ask("b");
        world.ask("a");
        world.ask(&hostile);
        world.pass(1).await;
    }
    assert_eq!(world.said("WARN", "tokens name keys"), 1, "{}", world.log());
    let kids = world.status().unknown_kids;
    assert_eq!(kids.len(), 2);
    assert_eq!(kids[0], "b");
    assert!(kids[1].starts_with("x··[2Jyyy"), "{kids:?}");
    assert!(kids[1].chars().count() <= 101, "{kids:?}");
    world.pass(150).await;
    world.ask("b");
    world.pass(15).await;
    assert_eq!(world.said("WARN", "tokens name keys"), 2);
}

#[tokio::test(start_paused = true)]
async fn who_asks_when_enough_have_asked_is_not_even_heard() {
    let world = World::started(Answer::keys(&["a"])).await;
    for kid in 0..60 {
        world.ask(&kid.to_string());
        sleep(Duration::from_millis(10)).await;
    }
    world.pass(20).await;
    // The first, and those that the channel holds.
    assert_eq!(world.status().unknown_kids.len(), 17);
}

#[tokio::test(start_paused = true)]
async fn a_flood_at_one_issuer_starves_no_other() {
    let mut world = World::new(Answer::keys(&["a"]));
    let mut other = crate::keys::testing::issuer(crate::keys::testing::jwks_url("https://b.test/"));
    other.name = "other".into();
    world.settle([corp(), other]);
    world.pass(20).await;
    world.fetches();
    for _ in 0..1000 {
        world.ask("x");
    }
    world
        .refreshers
        .requester("other")
        .unwrap()
        .unknown_kid(None);
    world.pass(1).await;
    assert_eq!(world.fetches(), 2);
    assert!(world.refreshers.requester("nobody").is_none());
}

#[tokio::test(start_paused = true)]
async fn everybody_can_be_asked_to_refresh_within_the_gap() {
    let world = World::started(Answer::keys(&["a"])).await;
    world.fetches();
    world.refreshers.refresh_all();
    world.pass(13).await;
    assert_eq!(world.fetches(), 0);
    world.pass(2).await;
    assert_eq!(world.fetches(), 1);
    world.pass(20).await;
    world.refreshers.refresh_all();
    world.refreshers.refresh_all();
    world.pass(100).await;
    assert_eq!(world.fetches(), 1);
    let asked = world.metric("portcullis_key_requests_total{issuer=\"corp\"}");
    assert_eq!(asked, None, "no token asked");
}

#[tokio::test(start_paused = true)]
async fn each_fetch_that_begins_shows_to_those_who_ask() {
    let world = World::started(Answer::keys(&["a"])).await;
    let requester = world.refreshers.requester("corp").unwrap();
    let first = requester.last_begun();
    world.pass(20).await;
    assert_eq!(requester.last_begun(), first);
    world.answers(Answer::Hang);
    world.ask("b");
    world.pass(1).await;
    assert_ne!(requester.last_begun(), first, "also while it runs");
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_not_there_may_be_elsewhere() {
    let world = World::started(Answer::keys(&["a"])).await;
    for (kid, doubts) in [("a", 0), ("b", 1), ("b", 2)] {
        world.pass(20).await;
        world.ask(kid);
        world.pass(1).await;
        assert_eq!(world.provider().doubts, doubts);
    }
}
