//! Who lives, and whose share something is.

use super::view::Member;
use super::*;
use uuid::Uuid;

const EDITION: Uuid = Uuid::from_u128(1);

/// As each of these sees the others.
fn views(duties: &[&[Duty]]) -> Vec<View> {
    let members: Vec<Member> = duties.iter().map(|duties| View::alone(duties.iter().copied()).own).collect();
    let others = |own: &Member| members.iter().filter(|other| other.id != own.id).cloned().collect();
    members.iter().map(|own| View { own: own.clone(), others: others(own) }).collect()
}

/// Who has each of a thousand shares.
fn shares(views: &[View], duty: Duty) -> Vec<Uuid> {
    let who = |share: u32| {
        let mine: Vec<_> = views.iter().filter(|view| view.is_mine(duty, share.to_be_bytes())).collect();
        assert_eq!(mine.len(), 1, "share {share} is one's");
        mine[0].own.id
    };
    (0..1_000).map(who).collect()
}

#[test]
fn every_share_is_that_of_one_and_each_who_has_the_duty_has_about_as_many() {
    let views = views(&[&Duty::ALL, &Duty::ALL, &[Duty::Projector], &[Duty::Api, Duty::Saga]]);
    for duty in [Duty::Projector, Duty::Saga] {
        let shares = shares(&views, duty);
        for view in &views {
            let own = shares.iter().filter(|id| **id == view.own.id).count();
            match view.has(duty) {
                true => assert!((250..420).contains(&own), "{own} of a thousand"),
                false => assert_eq!(own, 0),
            }
        }
    }
}

#[test]
fn only_the_shares_of_one_who_dies_move() {
    let all: &[Duty] = &Duty::ALL;
    let mut views = views(&[all; 4]);
    let before = shares(&views, Duty::Saga);
    let dead = views.remove(0).own;
    views.iter_mut().for_each(|view| view.others.retain(|other| other.id != dead.id));
    for (before, after) in before.into_iter().zip(shares(&views, Duty::Saga)) {
        assert!(before == after || before == dead.id);
    }
}

#[test]
fn processes_of_two_editions_do_not_share_their_work_with_each_other() {
    let all: &[Duty] = &Duty::ALL;
    let mut views = views(&[all; 4]);
    let newer = [views[2].own.id, views[3].own.id];
    for view in &mut views {
        let members = view.others.iter_mut().chain([&mut view.own]);
        members.filter(|member| newer.contains(&member.id)).for_each(|member| member.edition = EDITION);
    }
    let (of_old, of_new) = (shares(&views[..2], Duty::Projector), shares(&views[2..], Duty::Projector));
    assert!(of_old.iter().all(|id| !newer.contains(id)) && of_new.iter().all(|id| newer.contains(id)));
    assert!(views.iter().all(|view| view.other_editions_have(Duty::Saga)));
}

#[test]
fn one_who_is_alone_has_every_share_of_its_duties_and_no_other() {
    let view = View::alone([Duty::Projector]);
    assert!(view.is_mine(Duty::Projector, "orders") && !view.is_mine(Duty::Saga, "orders"));
    assert!(!view.others_have(Duty::Projector));
}

mod postgres {
    use super::*;
    use crate::database::postgres::private_server::PrivateServer;
    use crate::database::postgres::{Limits, Role};
    use std::time::Instant;

    /// How long a test waits for what must come.
    const PATIENCE: Duration = Duration::from_secs(20);

    async fn sees(membership: &Membership, others: usize) -> Duration {
        let (begun, mut members) = (Instant::now(), membership.members().clone());
        while members.view().others.len() != others {
            let left = PATIENCE.saturating_sub(begun.elapsed());
            tokio::time::timeout(left, members.changed()).await.expect("they are seen in time");
        }
        begun.elapsed()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn they_see_each_other_come_leave_and_die() {
        let city = PrivateServer::shared().new_city();
        let one = Membership::join(&city, Duty::ALL, EDITION).await.unwrap();
        assert_eq!(one.members().view().others.len(), 0);
        let other = Membership::join(&city, [Duty::Api], EDITION).await.unwrap();
        let duties = one.members().view().own.duties;
        assert_eq!(other.members().view().others[0].duties, duties);
        sees(&one, 1).await;
        assert!(one.members().view().others_have(Duty::Api) && !one.members().view().others_have(Duty::Saga));

        other.leave().await;
        assert!(sees(&one, 0).await < SILENT_AT_MOST, "one who leaves is not waited for");

        let third = Membership::join(&city, Duty::ALL, EDITION).await.unwrap();
        sees(&one, 1).await;
        assert_eq!(living(&city).await.unwrap().len(), 2);
        drop(third);
        let silent = sees(&one, 0).await;
        assert!(silent < SILENT_AT_MOST + ANSWERS, "{silent:?}");
        assert_eq!(living(&city).await.unwrap().len(), 1, "the dead are not listed");
    }

    /// Two beats, and the time a busy machine takes for them.
    const ANSWERS: Duration = Duration::from_secs(5);

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn after_a_crash_of_the_server_they_see_each_other_again() {
        let server = PrivateServer::durable();
        let city = server.new_city();
        let limits = Limits { connect_at_most: Duration::from_secs(1), ..Limits::default() };
        let city = city.with_limits(limits);
        let one = Membership::join(&city, Duty::ALL, EDITION).await.unwrap();
        let other = Membership::join(&city, Duty::ALL, EDITION).await.unwrap();
        sees(&one, 1).await;
        server.crash();
        server.go_on();
        let begun = Instant::now();
        while living(&city).await.map_or(0, |living| living.len()) < 2 {
            assert!(begun.elapsed() < PATIENCE, "they are not there again");
            tokio::task::yield_now().await;
        }
        sees(&one, 1).await;
        sees(&other, 1).await;
    }

    #[tokio::test]
    async fn nobody_is_listed_where_the_city_was_never_served() {
        let city = PrivateServer::shared().new_city();
        assert_eq!(living(&city).await.unwrap(), []);
    }

    #[tokio::test]
    async fn who_may_only_look_sees_them_and_is_none_of_them() {
        let city = PrivateServer::shared().new_city();
        let one = Membership::join(&city, [Duty::Saga], EDITION).await.unwrap();
        let analyst =
            crate::database::postgres::tests::login(&city, "members_analyst", &[Role::Analyst]).await;
        let found = living(&analyst).await.unwrap();
        assert_eq!(found[0].duties().collect::<Vec<_>>(), [Duty::Saga]);
        assert!(found[0].has(&found, Duty::Saga, "receipts") && !found[0].has(&found, Duty::Api, "receipts"));
        assert_eq!(found[0].pid, i64::from(std::process::id()));
        Membership::join(&analyst, [Duty::Saga], EDITION).await.map(drop).unwrap_err();
        one.leave().await;
    }
}
