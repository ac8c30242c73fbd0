//! What is sealed opens only where it belongs, and never again once the person is forgotten.

use super::*;
use crate::database::tests::{On, on_each_database};
use crate::keys::tests::Shelf;
use crate::keys::{FOUND_PERSONS_MAX, KeyStore};
use cityos_domain::ids::derive;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

on_each_database! {
    a_sealed_value_opens_with_the_key_that_was_kept
    another_tenant_person_or_field_does_not_open_it
    a_forgotten_person_stays_forgotten
    many_are_opened_at_once_and_each_gets_its_own_answer
    a_look_up_finds_all_or_says_that_they_are_too_many
    a_person_is_found_by_what_they_are_known_by_in_their_tenant_alone
    many_processes_that_need_a_key_first_agree_on_it
}

const NAME: &str = "Amal Haddad";

struct Desk {
    shelf: Shelf,
    keys: Arc<dyn KeyStore>,
    sealer: Sealer,
    tenant: TenantId,
    person: PersonId,
}

impl Desk {
    async fn new(on: On) -> Self {
        let shelf = Shelf::new(on);
        let keys = shelf.open().await;
        let sealer = Sealer::new(keys.clone());
        let (tenant, person) = (TenantId(derive(&["tenant"])), PersonId(derive(&["person"])));
        Desk { shelf, keys, sealer, tenant, person }
    }

    /// What lies in the folder of a key file.
    fn files(&self) -> Vec<PathBuf> {
        let Shelf::File(folder) = &self.shelf else { panic!("these keys are in no file") };
        std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().path()).collect()
    }

    async fn open(&self, tenant: TenantId, field: &str, sealed: &Sealed<String>) -> Result<String, KeyError> {
        open_one(&self.sealer, tenant, field, sealed).await
    }
}

async fn open_one(
    sealer: &Sealer,
    tenant: TenantId,
    field: &str,
    sealed: &Sealed<String>,
) -> Result<String, KeyError> {
    sealer.open(tenant, field, std::slice::from_ref(sealed)).await.unwrap().pop().unwrap()
}

async fn sealed_name(desk: &Desk) -> Sealed<String> {
    desk.sealer.seal(desk.tenant, desk.person, "name", &NAME.to_owned()).await.unwrap()
}

async fn a_sealed_value_opens_with_the_key_that_was_kept(on: On) {
    let desk = Desk::new(on).await;
    let sealed = sealed_name(&desk).await;
    assert!(!sealed.ciphertext.contains(NAME));
    assert_ne!(sealed.ciphertext, sealed_name(&desk).await.ciphertext, "equal values do not show");
    let reopened = Sealer::new(desk.shelf.open().await);
    assert_eq!(open_one(&reopened, desk.tenant, "name", &sealed).await.unwrap(), NAME);
}

async fn another_tenant_person_or_field_does_not_open_it(on: On) {
    let desk = Desk::new(on).await;
    let sealed = sealed_name(&desk).await;
    let (stranger, elsewhere) = (PersonId(derive(&["stranger"])), TenantId(derive(&["elsewhere"])));
    // Even one who has a key where the value is taken to.
    desk.keys.person_key(desk.tenant, stranger).await.unwrap();
    desk.keys.person_key(elsewhere, desk.person).await.unwrap();

    let as_strangers = Sealed::new(stranger, sealed.ciphertext.clone());
    let mut altered = sealed.ciphertext.clone().into_bytes();
    altered[40] = if altered[40] == b'A' { b'B' } else { b'A' };
    let altered = Sealed::new(desk.person, String::from_utf8(altered).unwrap());
    let cases = [
        (elsewhere, "name", &sealed),
        (desk.tenant, "email", &sealed),
        (desk.tenant, "name", &as_strangers),
        (desk.tenant, "name", &altered),
    ];
    for (tenant, field, sealed) in cases {
        let refused = desk.open(tenant, field, sealed).await;
        assert!(matches!(refused, Err(KeyError::Foreign)), "{field}: {refused:?}");
    }
}

async fn a_forgotten_person_stays_forgotten(on: On) {
    let desk = Desk::new(on).await;
    let sealed = sealed_name(&desk).await;
    desk.sealer.remember(desk.tenant, desk.person, "email", "amal@example.org").await.unwrap();

    desk.keys.forget(desk.tenant, desk.person).await.unwrap();
    desk.keys.forget(desk.tenant, desk.person).await.unwrap();

    assert!(matches!(desk.open(desk.tenant, "name", &sealed).await, Err(KeyError::Forgotten)));
    let anew = desk.sealer.seal(desk.tenant, desk.person, "name", &NAME.to_owned()).await;
    assert!(matches!(anew, Err(KeyError::Forgotten)));
    assert_eq!(desk.sealer.find(desk.tenant, "email", "amal@example.org").await.unwrap(), []);
    let found_again = desk.sealer.remember(desk.tenant, desk.person, "email", "amal@example.org").await;
    assert!(matches!(found_again, Err(KeyError::Forgotten)));
}

#[tokio::test]
async fn of_a_key_that_was_forgotten_nothing_is_left_in_the_files() {
    let desk = Desk::new(On::Sqlite).await;
    let key = desk.keys.person_key(desk.tenant, desk.person).await.unwrap();
    let is_there = || {
        let mut files = desk.files().into_iter().map(|file| std::fs::read(file).unwrap());
        files.any(|bytes| bytes.windows(32).any(|window| window == key.bytes()))
    };
    assert!(is_there());
    desk.keys.forget(desk.tenant, desk.person).await.unwrap();
    assert!(!is_there());
}

async fn many_are_opened_at_once_and_each_gets_its_own_answer(on: On) {
    let desk = Desk::new(on).await;
    let mut sealed = Vec::new();
    for name in ["amal", "basil", "cedar", "dina"] {
        let person = PersonId(derive(&[name]));
        sealed.push(desk.sealer.seal(desk.tenant, person, "name", &name.to_owned()).await.unwrap());
    }
    desk.keys.forget(desk.tenant, sealed[1].person).await.unwrap();
    sealed[3] = Sealed::new(sealed[3].person, sealed[0].ciphertext.clone());
    sealed.push(sealed[0].clone());
    let opened = desk.sealer.open(desk.tenant, "name", &sealed).await.unwrap();
    let opened: Vec<_> = opened.iter().map(|name| name.as_deref()).collect();
    assert!(
        matches!(
            opened[..],
            [Ok("amal"), Err(KeyError::Forgotten), Ok("cedar"), Err(KeyError::Foreign), Ok("amal")]
        ),
        "{opened:?}"
    );
}

async fn a_look_up_finds_all_or_says_that_they_are_too_many(on: On) {
    let desk = Desk::new(on).await;
    let hash = [7; 32];
    let person = |n: u32| PersonId(derive(&["guest", &n.to_string()]));
    for n in 0..FOUND_PERSONS_MAX {
        desk.keys.add_lookup(desk.tenant, person(n), hash).await.unwrap();
    }
    assert_eq!(desk.keys.find_persons(desk.tenant, hash).await.unwrap().len(), FOUND_PERSONS_MAX as usize);
    desk.keys.add_lookup(desk.tenant, person(FOUND_PERSONS_MAX), hash).await.unwrap();
    assert!(matches!(desk.keys.find_persons(desk.tenant, hash).await, Err(KeyError::TooMany)));
}

async fn a_person_is_found_by_what_they_are_known_by_in_their_tenant_alone(on: On) {
    let desk = Desk::new(on).await;
    let namesake = PersonId(derive(&["namesake"]));
    for person in [desk.person, namesake, desk.person] {
        desk.sealer.remember(desk.tenant, person, "email", "amal@example.org").await.unwrap();
    }
    let mut found = desk.sealer.find(desk.tenant, "email", "amal@example.org").await.unwrap();
    found.sort();
    let mut both = [desk.person, namesake];
    both.sort();
    assert_eq!(found, both);
    let elsewhere = TenantId(derive(&["elsewhere"]));
    assert_eq!(desk.sealer.find(elsewhere, "email", "amal@example.org").await.unwrap(), []);
    assert_eq!(desk.sealer.find(desk.tenant, "phone", "amal@example.org").await.unwrap(), []);
}

async fn many_processes_that_need_a_key_first_agree_on_it(on: On) {
    let desk = Desk::new(on).await;
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let keys = desk.shelf.open().await;
        let (tenant, person) = (desk.tenant, desk.person);
        asking.spawn(async move {
            (keys.person_key(tenant, person).await.unwrap(), keys.secret(Secret::InputHash).await.unwrap())
        });
    }
    let keys = asking.join_all().await;
    assert!(keys.iter().all(|pair| *pair == keys[0]));
    assert_ne!(keys[0].0, keys[0].1);
}

#[tokio::test]
async fn nobody_but_the_owner_may_read_the_key_files() {
    let desk = Desk::new(On::Sqlite).await;
    sealed_name(&desk).await;
    for file in desk.files() {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o077, 0, "{file:?}");
    }
}
