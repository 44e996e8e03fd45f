use std::fs;
use std::path::Path;

use serde_json::Map;
use tempfile::TempDir;

use crate::config::{self, Environment, StoreUrl};
use crate::issuer::AccessToken;
use crate::issuer::rotation::by_hand::{Haste, RotateError, RotatedKeys, rotate_by_hand};
use crate::issuer::rotation::plan::{PUBLISHED_BEFORE, SEEN_WITHIN};
use crate::issuer::signing_key::tests::{row, sealer};
use crate::issuer::testing::PLAIN;
use crate::jwt::{Algorithm, parse_jwk_set, verify};
use crate::metrics::Metrics;
use crate::snapshot::Fixtures;
use crate::store::{KeyPlan, KeyTimes, NewSigningKey};

use super::*;

mod postgres;

/// A store, and gateways on it.
struct World {
    state: TempDir,
    store: Store,
}

/// One gateway: its keeper, and what the keeper fills.
struct GatewayKeys {
    keeper: Keeper,
    ring: Arc<KeyRing>,
    keys: Arc<RemoteKeySets>,
    told: mpsc::Receiver<Arc<str>>,
    snapshot: Arc<ArcSwap<Snapshot>>,
}

impl World {
    async fn new() -> Self {
        let state = tempfile::tempdir().unwrap();
        let url = StoreUrl::Sqlite(state.path().join("store.db"));
        Self::on(&url, state).await
    }

    async fn on(url: &StoreUrl, state: TempDir) -> Self {
        let store = Store::open(url).await.unwrap();
        Self { state, store }
    }

    fn gateway(&self) -> GatewayKeys {
        self.gateway_with(
            sealer(1),
            StoreHandle::of(self.store.clone()),
            self.state.path(),
        )
    }

    fn gateway_with(&self, sealer: Sealer, store: StoreHandle, state: &Path) -> GatewayKeys {
        let clock = Clock::System;
        let keys = Arc::new(RemoteKeySets::new(state, clock.clone()));
        let config = config(self.state.path());
        let snapshot = Snapshot::build(config, None, &fixtures(&keys)).unwrap();
        let snapshot = Arc::new(ArcSwap::from_pointee(snapshot));
        let (tell, told) = mpsc::channel(8);
        let ring = Arc::new(KeyRing::new());
        let keeper = Keeper::new(KeyKeeperParts {
            store,
            sealer: Arc::new(sealer),
            ring: Arc::clone(&ring),
            keys: Arc::clone(&keys),
            tell,
            snapshot: Arc::clone(&snapshot),
            clock,
        });
        GatewayKeys {
            keeper,
            ring,
            keys,
            told,
            snapshot,
        }
    }

    async fn rows(&self) -> Vec<SigningKeyRow> {
        self.store.signing_keys().await.unwrap()
    }

    /// Someone changes the keys in the store behind everybody's back.
    async fn plan(&self, plan: impl FnOnce(&[SigningKeyRow], Timestamp) -> KeyPlan + Send) {
        self.store.rotate_keys(plan, &actor()).await.unwrap();
    }

    /// Time passes for this key: it signs from now on.
    async fn let_sign(&self, kid: &str) {
        self.plan(|rows, now| {
            let key = rows.iter().find(|row| &*row.kid == kid).unwrap();
            let times = KeyTimes {
                use_from: now,
                ..key.times
            };
            KeyPlan {
                change: vec![(key.id, times)],
                ..KeyPlan::default()
            }
        })
        .await;
    }

    async fn rotate(&self, haste: Haste) -> Result<RotatedKeys, RotateError> {
        let signing = config(self.state.path()).local_issuer.unwrap().signing;
        rotate_by_hand(&self.store, sealer(1), signing, haste, &actor()).await
    }
}

impl GatewayKeys {
    async fn look(&mut self) {
        self.keeper.look().await.unwrap();
    }

    fn signs(&self) -> Option<String> {
        Some(self.ring.signer()?.kid().to_owned())
    }

    fn published(&self) -> Vec<String> {
        let set = self.ring.jwks().unwrap();
        let parsed = parse_jwk_set(&set).unwrap();
        assert_eq!(parsed.skipped, []);
        let kids = parsed.keys.iter().map(|key| key.kid().unwrap().to_owned());
        kids.collect()
    }

    fn verified_with(&self) -> Vec<u8> {
        let snapshot = self.snapshot.load();
        let (id, issuer) = source(&snapshot).unwrap();
        let set = self.keys.current(&id, issuer.refresh.stale_for).unwrap();
        set.document.to_vec()
    }
}

fn config(state: &Path) -> config::Config {
    let file = state.join("gateway.toml");
    fs::write(&file, PLAIN).unwrap();
    let variables = [("STATE_DIRECTORY".to_owned(), state.display().to_string())];
    config::load(&file, &Environment(variables.into())).unwrap()
}

fn fixtures(keys: &Arc<RemoteKeySets>) -> Fixtures {
    Fixtures {
        metrics: Metrics::new(1, &[]),
        tickets: rustls::crypto::aws_lc_rs::Ticketer::new().unwrap(),
        clock: Clock::System,
        keys: Arc::clone(keys),
    }
}

fn actor() -> Actor {
    Actor {
        means: Means::CommandLine,
        who: "test".to_owned(),
    }
}

/// A handle on a store that is not there.
fn away(state: &Path) -> StoreHandle {
    let file = state.join("no-store");
    fs::create_dir_all(&file).unwrap();
    StoreHandle::open(StoreUrl::Sqlite(file))
}

#[tokio::test]
async fn the_first_look_makes_a_key_that_signs_and_is_published() {
    let world = World::new().await;
    let mut gateway = world.gateway();
    assert_eq!(gateway.signs(), None);
    gateway.look().await;
    let [row] = &world.rows().await[..] else {
        panic!("one key");
    };
    assert_eq!(gateway.signs().as_deref(), Some(&*row.kid));
    assert_eq!(gateway.published(), [&*row.kid]);
    assert_eq!(gateway.verified_with(), gateway.ring.jwks().unwrap());
    assert_eq!(gateway.told.recv().await.as_deref(), Some("local"));
    assert_eq!(gateway.ring.problem(), None);
    // Nothing has changed, so nobody is told.
    gateway.look().await;
    assert!(gateway.told.try_recv().is_err());
    assert_eq!(world.rows().await.len(), 1);
}

#[tokio::test]
async fn what_is_minted_passes_the_issuer_of_the_snapshot() {
    let world = World::new().await;
    let mut gateway = world.gateway();
    gateway.look().await;
    let keys = Arc::clone(&gateway.keys);
    let snapshot = gateway.snapshot.load_full();
    let local = snapshot.config.local_issuer.as_ref().unwrap();
    let issuer = &snapshot.config.issuers[local.issuer];
    let loaded = crate::keys::load_remote(issuer, &snapshot.local_keys[local.issuer], &keys);
    let snapshot = snapshot.with_issuer_keys(local.issuer, loaded);
    let now = Clock::System.now();
    let token = AccessToken {
        sub: "alice",
        name: None,
        client_id: "portcullis",
        sid: None,
        scopes: &["a".into()],
        roles: &[],
        claims: &Map::new(),
        auth_time: Some(now),
        now,
        lifetime: local.access_token,
    };
    let minted = gateway.ring.mint(&token, &issuer.policy).unwrap();
    let verified = verify(minted.token.as_bytes(), &snapshot.issuers, |_| true, now);
    let verified = verified.unwrap();
    assert_eq!(verified.claims().text("sub"), Some("alice"));
    assert_eq!(verified.claims().text("jti"), Some(&*minted.jti));
    // The longest that can be configured passes, too; a second more does not.
    for (more, good) in [(0, true), (1, false)] {
        let lifetime = Duration::from_hours(24) + Duration::from_secs(more);
        let minted = gateway
            .ring
            .mint(&AccessToken { lifetime, ..token }, &issuer.policy);
        let token = minted.unwrap().token;
        let verified = verify(token.as_bytes(), &snapshot.issuers, |_| true, now);
        assert_eq!(verified.is_ok(), good, "{more}");
    }
}

#[tokio::test]
async fn all_gateways_of_a_store_have_the_same_keys() {
    let world = World::new().await;
    let states: Vec<TempDir> = (0..6).map(|_| tempfile::tempdir().unwrap()).collect();
    let gateways = states.iter().map(|state| {
        let store = StoreHandle::of(world.store.clone());
        world.gateway_with(sealer(1), store, state.path())
    });
    let looks = gateways.map(async |mut gateway| {
        gateway.look().await;
        gateway
    });
    let gateways = futures_util::future::join_all(looks).await;
    assert_eq!(world.rows().await.len(), 1);
    for gateway in &gateways {
        assert_eq!(gateway.signs(), gateways[0].signs());
        assert_eq!(gateway.published(), gateways[0].published());
    }
}

#[tokio::test]
async fn another_encryption_key_changes_nothing_and_is_told() {
    let world = World::new().await;
    world.gateway().look().await;
    let before = world.rows().await;
    let check = world.store.setting("key_check").await.unwrap();
    let store = StoreHandle::of(world.store.clone());
    let other = tempfile::tempdir().unwrap();
    let mut gateway = world.gateway_with(sealer(2), store, other.path());
    for _ in 0..2 {
        let error = gateway.keeper.look().await.unwrap_err().to_string();
        assert!(error.contains("local_issuer.encryption_key"), "{error}");
        assert!(error.contains("store.key"), "{error}");
        let problem = gateway.ring.problem().unwrap();
        assert!(problem.text == error && problem.is_other_key, "{error}");
    }
    assert!(gateway.signs().is_none() && gateway.ring.jwks().is_none());
    assert_eq!(world.rows().await, before);
    assert_eq!(world.store.setting("key_check").await.unwrap(), check);
    let signing = config(world.state.path()).local_issuer.unwrap().signing;
    let by_hand = rotate_by_hand(&world.store, sealer(2), signing, Haste::Soon, &actor()).await;
    assert!(matches!(
        by_hand,
        Err(RotateError::Check(KeyCheckError::OtherKey))
    ));
    assert_eq!(world.rows().await, before);
}

#[tokio::test]
async fn while_the_store_is_away_the_keys_stay() {
    let world = World::new().await;
    let mut gateway = world.gateway();
    gateway.look().await;
    let (signs, published) = (gateway.signs(), gateway.published());
    gateway.keeper.parts.store = away(world.state.path());
    gateway.keeper.look().await.unwrap_err();
    assert_eq!(
        (gateway.signs(), gateway.published()),
        (signs.clone(), published.clone())
    );
    assert!(!gateway.ring.problem().unwrap().is_other_key);
    // A process that starts meanwhile publishes and verifies, and signs nothing.
    let mut restarted = world.gateway_with(sealer(1), away(world.state.path()), world.state.path());
    restarted.keeper.look().await.unwrap_err();
    assert_eq!(
        (restarted.signs(), restarted.published()),
        (None, published.clone())
    );
    assert_eq!(restarted.verified_with(), gateway.ring.jwks().unwrap());
    // Until the store is back.
    restarted.keeper.parts.store = StoreHandle::of(world.store.clone());
    restarted.look().await;
    assert_eq!(
        (restarted.signs(), restarted.published()),
        (signs, published)
    );
    assert_eq!(restarted.ring.problem(), None);
}

#[tokio::test]
async fn the_next_key_is_in_the_set_before_it_signs_and_the_last_one_stays() {
    let world = World::new().await;
    let mut gateway = world.gateway();
    gateway.look().await;
    let first = gateway.signs().unwrap();
    let rotated = world.rotate(Haste::InTime).await.unwrap();
    assert!(rotated.made);
    assert_eq!(rotated.signing.as_ref().unwrap().kid, first.clone().into());
    let next = rotated.next.kid.to_string();
    assert_eq!(later(rotated.now, PUBLISHED_BEFORE), rotated.next.use_from);
    gateway.look().await;
    assert_eq!(gateway.signs().as_ref(), Some(&first));
    assert_eq!(gateway.published(), [first.clone(), next.clone()]);
    // Nobody makes another one meanwhile.
    let again = world.rotate(Haste::InTime).await.unwrap();
    assert!(!again.made && again.next == rotated.next);
    let sooner = world.rotate(Haste::Soon).await.unwrap();
    assert!(!sooner.made && sooner.next.kid == rotated.next.kid);
    assert!(sooner.next.use_from <= later(sooner.now, SEEN_WITHIN));

    world.let_sign(&next).await;
    gateway.look().await;
    assert_eq!(gateway.signs(), Some(next.clone()));
    assert_eq!(gateway.published(), [first, next]);
}

fn later(time: Timestamp, duration: Duration) -> Timestamp {
    time + duration
}

#[tokio::test]
async fn a_key_that_is_needed_now_signs_within_a_minute() {
    let world = World::new().await;
    // Also before any gateway has made the first one.
    let first = world.rotate(Haste::Soon).await.unwrap();
    assert_eq!((first.signing, first.next.use_from), (None, first.now));
    let second = world.rotate(Haste::Soon).await.unwrap();
    assert!(second.made);
    assert_eq!(second.signing.unwrap().kid, first.next.kid);
    assert_eq!(second.next.use_from, later(second.now, SEEN_WITHIN));
}

#[tokio::test]
async fn a_lost_key_leaves_the_set_when_the_next_one_signs() {
    let world = World::new().await;
    let mut gateway = world.gateway();
    gateway.look().await;
    let lost = gateway.signs().unwrap();
    let rotated = world.rotate(Haste::Lost).await.unwrap();
    let signing = rotated.signing.unwrap();
    assert_eq!(*signing.kid, *lost);
    assert_eq!(signing.gone_at, rotated.next.use_from);
    assert_eq!(rotated.next.use_from, later(rotated.now, SEEN_WITHIN));
    gateway.look().await;
    assert_eq!(gateway.signs().as_ref(), Some(&lost));
    assert_eq!(gateway.published().len(), 2);
    world.let_sign(&rotated.next.kid).await;
    gateway.look().await;
    assert_eq!(gateway.published(), [&*rotated.next.kid]);
    assert_eq!(gateway.verified_with(), gateway.ring.jwks().unwrap());
}

#[tokio::test]
async fn who_writes_the_store_adds_no_key() {
    let world = World::new().await;
    let mut gateway = world.gateway();
    gateway.look().await;
    let (signs, published) = (gateway.signs(), gateway.published());
    let foreign = SpareKey::make(Algorithm::EdDsa, &sealer(2)).unwrap();
    let foreign = row(&foreign, Timestamp::UNIX_EPOCH);
    // In the set, before the one that signs.
    world
        .plan(|_, now| KeyPlan {
            add: vec![NewSigningKey {
                id: foreign.id,
                kid: foreign.kid,
                algorithm: foreign.algorithm,
                public_jwk: foreign.public_jwk,
                sealed: foreign.sealed,
                times: KeyTimes {
                    published: now,
                    use_from: later(now, PUBLISHED_BEFORE),
                    retire_at: later(now, PUBLISHED_BEFORE * 2),
                    gone_at: later(now, PUBLISHED_BEFORE * 3),
                },
            }],
            ..KeyPlan::default()
        })
        .await;
    gateway.look().await;
    assert_eq!((gateway.signs(), gateway.published()), (signs, published));
}

#[tokio::test]
async fn a_signing_key_that_is_damaged_is_told_and_can_be_replaced() {
    let world = World::new().await;
    let mut gateway = world.gateway();
    gateway.look().await;
    // Its successor was damaged in the store.
    let damaged = SpareKey::make(Algorithm::EdDsa, &sealer(1)).unwrap();
    let mut damaged = row(&damaged, Timestamp::UNIX_EPOCH);
    damaged.sealed[40] ^= 1;
    let kid = damaged.kid.clone();
    world
        .plan(|_, now| KeyPlan {
            add: vec![NewSigningKey {
                id: damaged.id,
                kid: damaged.kid,
                algorithm: damaged.algorithm,
                public_jwk: damaged.public_jwk,
                sealed: damaged.sealed,
                times: KeyTimes {
                    published: now,
                    use_from: now,
                    retire_at: later(now, PUBLISHED_BEFORE * 200),
                    gone_at: later(now, PUBLISHED_BEFORE * 300),
                },
            }],
            ..KeyPlan::default()
        })
        .await;
    let error = gateway.keeper.look().await.unwrap_err().to_string();
    assert!(
        error.contains(&*kid) && error.contains("keys rotate --now"),
        "{error}"
    );
    assert_eq!(gateway.signs(), None);
    assert_eq!(gateway.published().len(), 1);
    let next = world.rotate(Haste::Soon).await.unwrap().next;
    world.let_sign(&next.kid).await;
    gateway.look().await;
    assert_eq!(gateway.signs(), Some(next.kid.to_string()));
}

#[tokio::test]
async fn another_algorithm_of_a_reload_is_followed() {
    let world = World::new().await;
    let mut gateway = world.gateway();
    gateway.look().await;
    let mut config = config(world.state.path());
    config.local_issuer.as_mut().unwrap().signing.algorithm = Algorithm::Es256;
    let snapshot = Snapshot::build(config, None, &fixtures(&gateway.keys)).unwrap();
    gateway.snapshot.store(Arc::new(snapshot));
    gateway.look().await;
    let algorithms: Vec<_> = world
        .rows()
        .await
        .into_iter()
        .map(|row| row.algorithm)
        .collect();
    assert_eq!(algorithms, ["EdDSA".into(), "ES256".into()]);
    assert_eq!(gateway.published().len(), 2);
}

#[tokio::test]
async fn the_task_looks_at_once_and_when_it_is_nudged() {
    let world = World::new().await;
    let GatewayKeys { keeper, ring, .. } = world.gateway();
    let task = KeyKeeper::start(keeper.parts);
    task.first_look(Duration::from_secs(30)).await;
    assert!(ring.signer().is_some());
    world.rotate(Haste::InTime).await.unwrap();
    task.nudge();
    while ring
        .jwks()
        .unwrap()
        .windows(5)
        .filter(|at| at == b"\"kid\"")
        .count()
        < 2
    {
        sleep(Duration::from_millis(5)).await;
    }
}
