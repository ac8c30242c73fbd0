//! A tenant's life, its policies, and when its payouts run by themselves.

use super::policies::HOLD_DAYS_MAX;
use super::*;
use crate::marketplace::customer::RegisterCustomer;
use crate::rehearsal::scene::{currency, reason, registration};
use crate::rehearsal::{City, beginning, id};
use crate::workspace::Tell;
use chrono::TimeDelta;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn tell(command: Command) -> Tell<Tenant> {
    Tell { id: id("market"), command }
}

fn suspend() -> Tell<Tenant> {
    tell(Command::Suspend { reason: reason() })
}

fn daily(hour: u8) -> Tell<Tenant> {
    let payouts = PayoutSchedule::Daily { hour };
    tell(Command::ChangePolicies(Policies { payouts, ..Policies::default() }))
}

fn stage(city: &City) -> Option<Stage> {
    city.state::<Tenant>(id("market")).known().ok().map(|(stage, _)| stage)
}

fn payouts_next_at(city: &City) -> Option<DateTime<Utc>> {
    city.state::<Tenant>(id("market")).known().unwrap().1.payouts_next_at
}

/// The market in the stage its name says.
fn in_stage(wanted: Stage) -> City {
    let mut city = City::of_tenant(id("market"));
    city.must(&ProvisionTenant { registration: registration("market") });
    if wanted != Stage::Provisioning {
        city.must(&tell(Command::Activate));
    }
    if wanted == Stage::Suspended {
        city.must(&suspend());
    }
    if matches!(wanted, Stage::Closing | Stage::Closed) {
        city.must(&tell(Command::StartClosing { reason: reason() }));
    }
    if wanted == Stage::Closed {
        city.must(&tell(Command::Close));
    }
    assert_eq!(stage(&city), Some(wanted));
    city
}

#[test]
fn every_step_of_a_life_is_taken_or_refused() {
    use Stage::{Active, Closed, Closing, Provisioning, Suspended};
    let steps = [
        (Command::Activate, [Ok(Active), Ok(Active), Err("SUSPENDED"), Err("CLOSED"), Err("CLOSED")]),
        (
            Command::Suspend { reason: reason() },
            [Err("NOT_ACTIVE"), Ok(Suspended), Ok(Suspended), Err("CLOSED"), Err("CLOSED")],
        ),
        (
            Command::Resume { reason: reason() },
            [Err("NOT_ACTIVE"), Ok(Active), Ok(Active), Err("CLOSED"), Err("CLOSED")],
        ),
        (
            Command::StartClosing { reason: reason() },
            [Err("NOT_ACTIVE"), Ok(Closing), Ok(Closing), Ok(Closing), Err("CLOSED")],
        ),
        (
            Command::Close,
            [Err("NOT_CLOSING"), Err("NOT_CLOSING"), Err("NOT_CLOSING"), Ok(Closed), Ok(Closed)],
        ),
    ];
    for (command, expected) in steps {
        for (from, expected) in [Provisioning, Active, Suspended, Closing, Closed].into_iter().zip(expected) {
            let mut city = in_stage(from);
            match expected {
                Ok(to) => {
                    let happened = city.when(&tell(command.clone())).unwrap();
                    assert_eq!(happened.is_empty(), from == to, "{command:?} from {from:?}");
                    assert_eq!(stage(&city), Some(to), "{command:?} from {from:?}");
                }
                Err(code) => {
                    let refusal = city.refusal(&tell(command.clone()));
                    assert_eq!(refusal, format!("TENANT_{code}"), "{command:?} from {from:?}");
                    assert_eq!(stage(&city), Some(from));
                }
            }
        }
    }
}

#[test]
fn nothing_is_known_of_a_tenant_before_its_partition_is_opened() {
    let mut city = City::of_tenant(id("market"));
    for command in [Command::Activate, Command::Close, Command::ChangeTier { tier: Tier::Enterprise }] {
        assert_eq!(city.refusal(&tell(command)), "TENANT_UNKNOWN");
    }
    let mut platform = City::platform();
    let provision = ProvisionTenant { registration: registration("market") };
    assert_eq!(platform.refusal(&provision), "TENANT_UNKNOWN", "the platform is no tenant");
    city.must(&provision);
    assert_eq!(city.when(&provision), Ok(Vec::new()), "already so");
}

#[test]
fn a_tenant_is_closed_when_nothing_is_left_to_fulfil_or_to_pay() {
    let wound_up = CloseTenant { open_parts: 0, owed: None };
    let busy = CloseTenant { open_parts: 1, ..wound_up.clone() };
    let owing = CloseTenant { owed: Some(currency("EUR")), ..wound_up.clone() };
    let mut city = in_stage(Stage::Active);
    assert_eq!(city.refusal(&wound_up), "TENANT_NOT_CLOSING");
    city = in_stage(Stage::Closing);
    assert_eq!(city.refusal(&busy), "TENANT_ORDERS_OPEN");
    assert_eq!(city.refusal(&owing), "TENANT_NOT_SETTLED");
    city.must(&wound_up);
    assert_eq!(city.when(&busy), Ok(Vec::new()), "already so");
}

#[test]
fn new_business_begins_only_in_an_active_tenant() {
    for (stage, code) in [
        (Stage::Provisioning, "TENANT_NOT_ACTIVE"),
        (Stage::Suspended, "TENANT_SUSPENDED"),
        (Stage::Closing, "TENANT_CLOSED"),
        (Stage::Closed, "TENANT_CLOSED"),
    ] {
        let register = RegisterCustomer { id: id("someone"), guest: true, contact: None };
        assert_eq!(in_stage(stage).refusal(&register), code);
        in_stage(Stage::Active).must(&register);
    }
}

#[test]
fn a_suspension_that_comes_first_stops_what_was_being_decided() {
    let mut city = City::market();
    let register = RegisterCustomer { id: id("someone"), guest: true, contact: None };
    let results = city.race(&[&suspend(), &register]);
    assert!(results[0].is_ok());
    assert!(matches!(&results[1], Err(Stop::Rejected(no)) if no.code == "TENANT_SUSPENDED"));
}

/// Stands for anything that pays out.
struct PayOut;

impl Intention for PayOut {
    fn decide(&self, city: &mut Workspace) -> Result<(), Stop> {
        paying(city).map(|_| ())
    }
}

#[test]
fn a_suspension_holds_payouts_and_closing_does_not() {
    assert_eq!(in_stage(Stage::Suspended).refusal(&PayOut), "TENANT_SUSPENDED");
    in_stage(Stage::Closing).must(&PayOut);
}

#[test]
fn policies_outside_their_limits_are_refused() {
    let usual = Policies::default();
    let minimum = |minor| BTreeMap::from([(currency("EUR"), minor)]);
    for policies in [
        Policies { hold_days: HOLD_DAYS_MAX + 1, ..usual.clone() },
        Policies { authorisation_hours: 0, ..usual.clone() },
        Policies { reservation_minutes: 0, ..usual.clone() },
        Policies { payout_minimum_minor: minimum(0), ..usual.clone() },
        Policies { payouts: PayoutSchedule::Daily { hour: 24 }, ..usual.clone() },
    ] {
        let change = tell(Command::ChangePolicies(policies));
        assert_eq!(City::market().refusal(&change), "TENANT_POLICY_OUTSIDE_LIMITS");
    }
    let mut city = City::market();
    let change = Policies { payout_minimum_minor: minimum(5_000), ..usual };
    assert_eq!(change.payout_minimum_minor(currency("EUR")), 5_000);
    assert_eq!(change.payout_minimum_minor(currency("SAR")), 1);
    assert_eq!(city.when(&tell(Command::ChangePolicies(change.clone()))).unwrap().len(), 1);
    assert_eq!(city.when(&tell(Command::ChangePolicies(change))), Ok(Vec::new()), "already so");
}

#[test]
fn a_closed_tenant_changes_in_nothing() {
    for command in [
        Command::ChangeTier { tier: Tier::Enterprise },
        Command::ChangePolicies(Policies { hold_days: 1, ..Policies::default() }),
        Command::ChooseDefaultStore { store: id("souq") },
    ] {
        assert_eq!(in_stage(Stage::Closed).refusal(&tell(command.clone())), "TENANT_CLOSED");
        in_stage(Stage::Suspended).must(&tell(command));
    }
}

#[test]
fn scheduled_payouts_start_once_for_one_due_time() {
    let mut city = City::market();
    city.must(&daily(6));
    let due = payouts_next_at(&city).unwrap();
    assert_eq!(due, beginning() + TimeDelta::hours(15), "6 o'clock in Riyadh is 3 o'clock UTC");

    let start = tell(Command::SchedulePayouts { due });
    assert_eq!(city.refusal(&start), "TENANT_PAYOUTS_NOT_DUE");
    city.set_time(due);
    assert_eq!(city.when(&start).unwrap().len(), 1);
    assert_eq!(city.when(&start), Ok(Vec::new()), "already started");
    assert_eq!(payouts_next_at(&city), Some(due + TimeDelta::days(1)));
}

#[test]
fn payouts_missed_for_days_start_once() {
    let mut city = City::market();
    city.must(&daily(6));
    let due = payouts_next_at(&city).unwrap();
    city.set_time(due + TimeDelta::days(3));
    city.must(&tell(Command::SchedulePayouts { due }));
    assert_eq!(payouts_next_at(&city), Some(due + TimeDelta::days(4)));
}

#[test]
fn payouts_that_are_due_stay_due_when_another_policy_changes() {
    let mut city = City::market();
    city.must(&daily(6));
    let due = payouts_next_at(&city).unwrap();
    city.set_time(due + TimeDelta::minutes(5));
    let payouts = PayoutSchedule::Daily { hour: 6 };
    let held = Policies { payouts, hold_days: 3, ..Policies::default() };
    city.must(&tell(Command::ChangePolicies(held.clone())));
    assert_eq!(payouts_next_at(&city), Some(due));
    let payouts = PayoutSchedule::Daily { hour: 7 };
    city.must(&tell(Command::ChangePolicies(Policies { payouts, ..held })));
    assert_eq!(payouts_next_at(&city), Some(due + TimeDelta::hours(1)));
}

#[test]
fn a_schedule_that_is_taken_back_is_not_due_again() {
    let mut city = City::market();
    city.must(&daily(6));
    let due = payouts_next_at(&city).unwrap();
    city.must(&tell(Command::ChangePolicies(Policies::default()))).set_time(due);
    assert_eq!(city.when(&tell(Command::SchedulePayouts { due })), Ok(Vec::new()));
}

fn any_command() -> impl Strategy<Value = Command> {
    prop_oneof![
        Just(Command::Provision(registration("market"))),
        Just(Command::Activate),
        Just(Command::Suspend { reason: reason() }),
        Just(Command::Resume { reason: reason() }),
        Just(Command::StartClosing { reason: reason() }),
        Just(Command::Close),
        Just(Command::ChangeTier { tier: Tier::Professional }),
        (0_u8..30).prop_map(|hour| {
            let payouts = PayoutSchedule::Daily { hour };
            Command::ChangePolicies(Policies { payouts, ..Policies::default() })
        }),
        (0_i64..100)
            .prop_map(|hours| Command::SchedulePayouts { due: beginning() + TimeDelta::hours(hours) }),
    ]
}

proptest! {
    #[test]
    fn any_commands_in_any_order_end_in_a_life_that_stays_over(
        commands in proptest::collection::vec((any_command(), 0_i64..48), 0..40),
    ) {
        let mut city = City::of_tenant(id("market"));
        let mut closed = false;
        for (command, hours) in commands {
            city.pass(TimeDelta::hours(hours));
            let happened = city.when(&tell(command)).unwrap_or_default();
            prop_assert!(!closed || happened.is_empty(), "nothing happens after the end");
            closed = stage(&city) == Some(Stage::Closed);
        }
    }
}
