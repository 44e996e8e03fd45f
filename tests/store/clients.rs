//! Clients: added, found, disabled, and given other secrets.

use portcullis::store::{Client, ClientError, NewClient, SessionFilter, Store, StoreError};

use crate::on_both;
use crate::place::{Place, by, trail};
use crate::sign_ins::{TOKENS, add, revocations, revoked_sessions, session_of};

on_both!(
    what_is_added_is_found,
    a_client_that_is_disabled_loses_its_tokens,
    secrets_are_replaced_and_not_shown,
    clients_that_are_not_there_are_told,
);

const SECRET: [u8; 32] = [0xc5; 32];

fn client(id: &str) -> NewClient {
    NewClient::new(id, Some(SECRET), ["orders:read", "b"]).unwrap()
}

async fn there(store: &Store, id: &str) -> Client {
    store.client(id).await.unwrap().unwrap()
}

#[test]
fn ids_and_scopes_are_checked() {
    let long = "x".repeat(256);
    for id in ["", "a b", "ä", "a\n", "a\0", &long] {
        let error = NewClient::new(id, None, [""; 0]).unwrap_err();
        assert!(matches!(error, ClientError::Id(_)), "{id:?}");
    }
    for id in ["portcullis", "Portcullis"] {
        let error = NewClient::new(id, None, [""; 0]).unwrap_err();
        assert_eq!(error, ClientError::Reserved);
    }
    // `sub` of a client is its id, and `sub` of a user is a UUID: nobody is both.
    let user = uuid::Uuid::now_v7();
    for id in [
        user.to_string(),
        user.simple().to_string(),
        user.urn().to_string(),
    ] {
        for id in [id.to_uppercase(), id] {
            let error = NewClient::new(&id, None, [""; 0]).unwrap_err();
            assert!(matches!(error, ClientError::LikeUser(_)), "{id}");
        }
    }
    let other = "6ba7b810-9dad-41d1-80b4-00c04fd430c8";
    assert!(NewClient::new(other, None, [""; 0]).is_ok());
    let error = NewClient::new("a", None, ["a b"]).unwrap_err();
    assert!(matches!(error, ClientError::Scope(_)));
    for id in ["a", &long[1..], "https://client.example/~a?b=%00"] {
        assert_eq!(NewClient::new(id, None, ["x"]).unwrap().id(), id);
    }
}

async fn what_is_added_is_found(place: &Place) {
    let store = place.open().await;
    let added = store.add_client(&client("batch"), &by()).await.unwrap();
    assert_eq!(&*added.id, "batch");
    assert_eq!(added.secret, Some(SECRET));
    assert_eq!(added.scopes, ["orders:read".into(), "b".into()]);
    assert!(!added.disabled && added.created == added.changed);
    assert_eq!(there(&store, "batch").await, added);
    for other in ["Batch", "batc", "batch ", "b\0", ""] {
        assert_eq!(store.client(other).await.unwrap(), None, "{other:?}");
    }
    let again = store.add_client(&client("batch"), &by()).await.unwrap_err();
    assert_eq!(again, StoreError::ClientExists("batch".to_owned()));

    let public = NewClient::new("Spa", None, ["b"]).unwrap();
    store.add_client(&public, &by()).await.unwrap();
    assert_eq!(there(&store, "Spa").await.secret, None);
    // Byte by byte, in pages.
    let page = store.clients(None, 1).await.unwrap();
    assert_eq!(&*page[0].id, "Spa");
    let page = store.clients(Some("Spa"), 10).await.unwrap();
    assert_eq!(page, [added]);
    let actions: Vec<_> = trail(&store).await;
    assert_eq!(actions.len(), 2);
    assert_eq!(actions[1].client.as_deref(), Some("Spa"));
}

async fn a_client_that_is_disabled_loses_its_tokens(place: &Place) {
    let store = place.open().await;
    store.add_client(&client("batch"), &by()).await.unwrap();
    let alice = add(&store, "alice").await;
    let mut new = session_of(&alice);
    new.client = "batch".into();
    store.start_session(&new, &by()).await.unwrap().unwrap();
    crate::sign_ins::start(&store, &alice).await;
    let before = jiff::Timestamp::now().as_second();
    for (disabled, changes) in [(false, false), (true, true), (true, false), (false, true)] {
        let changed = store
            .set_client_disabled("batch", disabled, TOKENS, &by())
            .await
            .unwrap();
        assert_eq!(changed, changes);
        assert_eq!(there(&store, "batch").await.disabled, disabled);
    }
    let filter = SessionFilter {
        user: None,
        live_only: true,
    };
    assert_eq!(store.sessions(&filter, None, 9).await.unwrap().len(), 1);
    assert_eq!(revoked_sessions(&store).await, [new.id]);
    let rows = revocations(&store).await;
    let row = rows.iter().find(|row| &*row.kind == "client").unwrap();
    assert_eq!(&*row.value, "batch");
    // With those that were on their way.
    assert!(row.before.unwrap() >= before + 5);
    assert!(row.until.unwrap() > before + 1200);
    let actions: Vec<String> = trail(&store)
        .await
        .iter()
        .map(|event| event.action.to_string())
        .collect();
    assert_eq!(
        actions[4..],
        [
            "client.disabled",
            "session.ended",
            "revocation.added",
            "client.enabled"
        ]
    );
}

async fn secrets_are_replaced_and_not_shown(place: &Place) {
    let store = place.open().await;
    store.add_client(&client("batch"), &by()).await.unwrap();
    let other = [0xd6; 32];
    store
        .set_client_secret("batch", other, &by())
        .await
        .unwrap();
    let found = there(&store, "batch").await;
    assert_eq!(found.secret, Some(other));
    let shown = format!("{found:?} {:?} {:?}", client("x"), trail(&store).await);
    for byte in ["197", "214", "c5", "d6"] {
        assert!(!shown.contains(&format!("{byte}, {byte}")), "{shown}");
        assert!(!shown.contains(&byte.repeat(4)), "{shown}");
    }
}

async fn clients_that_are_not_there_are_told(place: &Place) {
    let store = place.open().await;
    for id in ["nobody", "a\0b"] {
        let expected = StoreError::NoClient(id.to_owned());
        let errors = [
            store
                .set_client_disabled(id, true, TOKENS, &by())
                .await
                .unwrap_err(),
            store
                .set_client_secret(id, SECRET, &by())
                .await
                .unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error, expected);
            assert!(!error.is_unavailable());
        }
    }
    assert!(trail(&store).await.is_empty());
}
