//! Key stores copied to the other kind of storage and back.

use super::*;
use crate::database::tests::On;
use crate::keys::tests::Shelf;
use crate::keys::{Secret, Signed};
use cityos_domain::ids::derive;

/// Two tests of each function that takes where the source's keys are kept.
macro_rules! both_ways {
    ($($part:ident)*) => {
        mod from_files_to_postgres {$(
            #[tokio::test]
            async fn $part() {
                super::$part(super::On::Sqlite).await;
            }
        )*}
        mod from_postgres_to_files {$(
            #[tokio::test]
            async fn $part() {
                super::$part(super::On::Postgres).await;
            }
        )*}
    };
}

both_ways! {
    what_is_copied_opens_finds_and_forgets_as_before
    a_store_with_other_keys_is_refused_and_keeps_them
}

fn other(on: On) -> On {
    match on {
        On::Sqlite => On::Postgres,
        On::Postgres => On::Sqlite,
    }
}

async fn what_is_copied_opens_finds_and_forgets_as_before(on: On) {
    let (source, target) = (Shelf::new(on).open().await, Shelf::new(other(on)).open().await);
    let (log, tenant) = (derive(&["log"]), TenantId(derive(&["tenant"])));
    let [anna, ben, cleo] = ["anna", "ben", "cleo"].map(|name| PersonId(derive(&[name])));
    assert!(matches!(copy(&*source, &*target, log).await, Err(CopyKeysError::NotTheLogs)));
    let secret = source.secret(Secret::InputHash).await.unwrap();
    assert!(source.belong_to(log).await.unwrap());
    source.remember_signed(Signed { size: 7, root: [7; 32] }).await.unwrap();
    for person in [anna, ben, cleo] {
        source.person_key(tenant, person).await.unwrap();
        source.add_lookup(tenant, person, [1; 32]).await.unwrap();
    }
    source.forget(tenant, cleo).await.unwrap();
    assert_eq!(copy(&*source, &*target, log).await.unwrap(), 3);
    assert_eq!(target.secret(Secret::InputHash).await.unwrap(), secret);
    assert_eq!(target.signed().await.unwrap(), Some(Signed { size: 7, root: [7; 32] }));
    assert_eq!(
        target.person_key(tenant, anna).await.unwrap(),
        source.person_key(tenant, anna).await.unwrap()
    );
    assert!(matches!(target.person_key(tenant, cleo).await, Err(KeyError::Forgotten)));
    assert_eq!(target.find_persons(tenant, [1; 32]).await.unwrap().len(), 2);
    // Who is forgotten since is forgotten by the next copy.
    source.forget(tenant, ben).await.unwrap();
    assert_eq!(copy(&*source, &*target, log).await.unwrap(), 3);
    assert!(matches!(target.person_key(tenant, ben).await, Err(KeyError::Forgotten)));
    assert_eq!(target.find_persons(tenant, [1; 32]).await.unwrap(), [anna]);
}

async fn a_store_with_other_keys_is_refused_and_keeps_them(on: On) {
    let (source, target) = (Shelf::new(on).open().await, Shelf::new(other(on)).open().await);
    let log = derive(&["log"]);
    source.secret(Secret::InputHash).await.unwrap();
    assert!(source.belong_to(log).await.unwrap());
    target.secret(Secret::InputHash).await.unwrap();
    let before = target.secrets().await.unwrap();
    assert!(matches!(copy(&*source, &*target, log).await, Err(CopyKeysError::Others)));
    assert_eq!(target.secrets().await.unwrap(), before);
    assert_eq!(target.log().await.unwrap(), None);
}
