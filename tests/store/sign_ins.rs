//! What the tests of sessions sign in with.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use portcullis::store::{
    Actor, LocalTokens, Means, NewSession, Refreshed, Rotation, Session, Store, StoredRevocation,
    User,
};
use uuid::Uuid;

use crate::place::{by, user};

pub(crate) const ISSUER: &str = "https://localhost:8443/auth";

pub(crate) const TOKENS: Option<&LocalTokens<'static>> = Some(&LocalTokens {
    issuer: ISSUER,
    keep_for: Duration::from_mins(20),
});

pub(crate) const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

pub(crate) const IDLE: Duration = Duration::from_hours(1);

pub(crate) const CAP: Duration = Duration::from_hours(10);

pub(crate) const GRACE: Duration = Duration::from_secs(10);

pub(crate) fn self_service() -> Actor {
    Actor {
        means: Means::User,
        who: "alice".to_owned(),
    }
}

/// What stands for the refresh token of a generation.
pub(crate) fn token(generation: u32) -> [u8; 32] {
    let mut digest = [0x5e; 32];
    digest[..4].copy_from_slice(&generation.to_be_bytes());
    digest
}

pub(crate) fn session_of(user: &User) -> NewSession {
    NewSession {
        id: Uuid::now_v7(),
        user: user.id,
        password_changed: user.password_changed,
        client: "portcullis".into(),
        scopes: vec!["orders:read".into()],
        device: "Firefox on Linux".into(),
        address: HERE,
        sealed_secret: b"sealed-secret-of-a-family".to_vec(),
        digest: token(1),
        idle: IDLE,
        cap: CAP,
    }
}

pub(crate) async fn add(store: &Store, name: &str) -> User {
    store.add_user(&user(name), &by()).await.unwrap()
}

pub(crate) async fn start(store: &Store, user: &User) -> Session {
    let new = session_of(user);
    store
        .start_session(&new, &self_service())
        .await
        .unwrap()
        .expect("the user may sign in")
}

/// A user, and a session of it.
pub(crate) async fn signed_in(store: &Store, name: &str) -> (User, Session) {
    let user = add(store, name).await;
    let session = start(store, &user).await;
    (user, session)
}

/// The use of the token of a generation.
pub(crate) fn usage(session: Uuid, generation: u32) -> Rotation<'static> {
    Rotation {
        session,
        presented: token(generation),
        successor: token(generation + 1),
        client: "portcullis",
        address: HERE,
        grace: GRACE,
        idle: IDLE,
    }
}

pub(crate) async fn refresh(store: &Store, session: Uuid, generation: u32) -> Refreshed {
    store.refresh(&usage(session, generation)).await.unwrap()
}

pub(crate) async fn revocations(store: &Store) -> Vec<StoredRevocation> {
    store.revocations_after(0, u32::MAX).await.unwrap()
}

/// The sessions whose tokens are revoked.
pub(crate) async fn revoked_sessions(store: &Store) -> Vec<Uuid> {
    let rows = revocations(store).await;
    let mut ids: Vec<Uuid> = rows
        .iter()
        .filter(|row| &*row.kind == "sid" && row.before.is_none() && !row.removed)
        .map(|row| {
            assert_eq!(&*row.issuer, ISSUER);
            row.value.parse().unwrap()
        })
        .collect();
    ids.sort();
    ids
}
