//! Keepers of gateways that share a server. They run where `PORTCULLIS_TEST_POSTGRES` names one, as `tests/real/postgres.sh` does.

use sqlx::{Connection, Executor, PgConnection};

use crate::secret::Secret;

use super::*;

/// A schema of its own.
struct Schema {
    server: String,
    name: String,
    url: StoreUrl,
}

impl Schema {
    /// `None` where there is no server to test on.
    async fn new() -> Option<Self> {
        let server = std::env::var("PORTCULLIS_TEST_POSTGRES").ok()?;
        let name = format!("keys_{}", Uuid::now_v7().simple());
        let url = format!("{server}?options[search_path]={name}");
        let schema = Self {
            url: StoreUrl::Postgres(Secret::new(url.into_bytes())),
            server,
            name,
        };
        schema
            .execute(&format!("CREATE SCHEMA {}", schema.name))
            .await;
        Some(schema)
    }

    /// A gateway's own connections.
    async fn world(&self) -> World {
        World::on(&self.url, tempfile::tempdir().unwrap()).await
    }

    async fn execute(&self, sql: &str) {
        let mut connection = PgConnection::connect(&self.server).await.unwrap();
        let sql = sqlx::AssertSqlSafe(sql.to_owned());
        connection.execute(sql).await.unwrap();
    }

    async fn remove(self, worlds: Vec<World>) {
        for world in worlds {
            world.store.close().await;
        }
        let drop = format!(
            "SET client_min_messages = warning; DROP SCHEMA {} CASCADE",
            self.name
        );
        self.execute(&drop).await;
    }
}

/// Everyone looks at the same time.
async fn look(gateways: &mut [GatewayKeys]) {
    let looks = gateways.iter_mut().map(GatewayKeys::look);
    futures_util::future::join_all(looks).await;
}

fn assert_alike(gateways: &[GatewayKeys]) {
    for gateway in gateways {
        assert_eq!(gateway.signs(), gateways[0].signs());
        assert_eq!(gateway.published(), gateways[0].published());
        assert_eq!(gateway.verified_with(), gateway.ring.jwks().unwrap());
        assert_eq!(gateway.ring.problem(), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_keepers_at_once_make_one_key() {
    let Some(schema) = Schema::new().await else {
        return;
    };
    let mut worlds = Vec::new();
    for _ in 0..4 {
        worlds.push(schema.world().await);
    }
    let mut gateways: Vec<GatewayKeys> = worlds.iter().map(World::gateway).collect();
    look(&mut gateways).await;
    assert_eq!(worlds[0].rows().await.len(), 1);
    assert_alike(&gateways);
    let first = gateways[0].signs().unwrap();

    // The next one is due on all of them at once.
    worlds[0]
        .plan(|rows, now| {
            let key = &rows[0];
            let times = KeyTimes {
                published: now - Duration::from_hours(24 * 30),
                use_from: now - Duration::from_hours(24 * 30),
                ..key.times
            };
            KeyPlan {
                change: vec![(key.id, times)],
                ..KeyPlan::default()
            }
        })
        .await;
    look(&mut gateways).await;
    let rows = worlds[1].rows().await;
    assert_eq!(rows.len(), 2, "one was made, whoever was first");
    assert_alike(&gateways);
    assert_eq!(gateways[3].signs().as_ref(), Some(&first));
    let next = rows.iter().find(|row| *row.kid != *first).unwrap();
    worlds[2].let_sign(&next.kid).await;
    look(&mut gateways).await;
    assert_alike(&gateways);
    assert_eq!(gateways[0].signs().as_deref(), Some(&*next.kid));
    assert_eq!(worlds[3].rows().await.len(), 2);
    drop(gateways);
    schema.remove(worlds).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keepers_and_hands_at_once_make_one_key() {
    let Some(schema) = Schema::new().await else {
        return;
    };
    let worlds = vec![schema.world().await, schema.world().await];
    let (mut one, mut other) = (worlds[0].gateway(), worlds[1].gateway());
    one.look().await;
    let hands = worlds.iter().map(|world| world.rotate(Haste::Soon));
    let (hands, (), ()) = tokio::join!(
        futures_util::future::join_all(hands),
        one.look(),
        other.look()
    );
    let hands: Vec<RotatedKeys> = hands.into_iter().map(Result::unwrap).collect();
    assert_eq!(hands.iter().filter(|rotated| rotated.made).count(), 1);
    assert_eq!(hands[0].next.kid, hands[1].next.kid);
    assert_eq!(worlds[0].rows().await.len(), 2);
    let mut both = [one, other];
    look(&mut both).await;
    assert_alike(&both);
    drop(both);
    schema.remove(worlds).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_keys_the_first_seals_the_store() {
    let Some(schema) = Schema::new().await else {
        return;
    };
    let worlds = vec![schema.world().await, schema.world().await];
    let gateways = worlds.iter().zip([1, 2]).map(|(world, key)| {
        let store = StoreHandle::of(world.store.clone());
        world.gateway_with(sealer(key), store, world.state.path())
    });
    let looks = gateways.map(async |mut gateway| {
        let looked = gateway.keeper.look().await;
        (looked.is_ok(), gateway)
    });
    let looked = futures_util::future::join_all(looks).await;
    let (good, bad): (Vec<_>, Vec<_>) = looked.into_iter().partition(|(good, _)| *good);
    assert_eq!((good.len(), bad.len()), (1, 1));
    let problem = bad[0].1.ring.problem().unwrap();
    assert!(problem.is_other_key, "{problem:?}");
    assert_eq!(bad[0].1.signs(), None);
    assert!(good[0].1.signs().is_some());
    assert_eq!(worlds[0].rows().await.len(), 1);
    drop((good, bad));
    schema.remove(worlds).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_another_one_is_told() {
    let Some(schema) = Schema::new().await else {
        return;
    };
    let worlds = vec![schema.world().await];
    let mut gateway = worlds[0].gateway();
    gateway.look().await;
    let (signs, store) = (gateway.signs(), worlds[0].store.clone());
    gateway.keeper.parts.store = away(worlds[0].state.path());
    gateway.keeper.look().await.unwrap_err();
    // It was restored from a copy of some other place.
    let sql = format!(
        "DELETE FROM {}.settings WHERE name = 'key_check'",
        schema.name
    );
    schema.execute(&sql).await;
    sealer(2).check(&store).await.unwrap();
    gateway.keeper.parts.store = StoreHandle::of(store);
    gateway.keeper.look().await.unwrap_err();
    assert!(gateway.ring.problem().unwrap().is_other_key);
    // Which it signs with for a few minutes yet, and others verify.
    assert_eq!(gateway.signs(), signs);
    drop(gateway);
    schema.remove(worlds).await;
}
