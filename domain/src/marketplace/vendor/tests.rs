//! A vendor's life, and its two capabilities: selling and being paid.

use super::*;
use crate::marketplace::offer::RelistOffer;
use crate::rehearsal::scene::{application, code, price, reason};
use crate::rehearsal::{City, id};
use crate::workspace::{Stop, Tell};
use proptest::prelude::*;

fn tell(command: Command) -> Tell<Vendor> {
    Tell { id: id("ada"), command }
}

fn kyc(status: KycStatus) -> Command {
    Command::ChangeKyc { status, reason: reason() }
}

fn open_account(account: &str) -> Command {
    Command::OpenPayoutAccount { account: account.into() }
}

fn stage(city: &City) -> Stage {
    city.state::<Vendor>(id("ada")).known().unwrap().stage
}

const STAGES: [Stage; 8] = [
    Stage::Applied,
    Stage::Invited,
    Stage::Onboarding,
    Stage::ReadyForReview,
    Stage::Approved,
    Stage::Suspended,
    Stage::Rejected,
    Stage::Terminated,
];

/// Ada, arrived at a stage.
fn in_stage(wanted: Stage) -> City {
    let mut city = City::market();
    if wanted == Stage::Invited {
        let ApplyAsVendor { id, introduction } = application("ada");
        city.must(&InviteVendor { id, introduction });
    } else {
        city.must(&application("ada"));
    }
    let way = match wanted {
        Stage::Applied | Stage::Invited => vec![],
        Stage::Onboarding => vec![Command::StartOnboarding],
        Stage::Rejected => vec![Command::Reject { reason: reason(), evidence: 0 }],
        Stage::Terminated => vec![Command::Terminate { reason: reason() }],
        Stage::ReadyForReview => vec![Command::StartOnboarding, Command::SubmitForReview],
        Stage::Approved | Stage::Suspended => {
            vec![Command::StartOnboarding, Command::SubmitForReview, Command::Approve { evidence: 1 }]
        }
    };
    for command in way {
        city.must(&tell(command));
    }
    if wanted == Stage::Suspended {
        city.must(&tell(Command::Suspend { reason: reason() }));
    }
    assert_eq!(stage(&city), wanted);
    city
}

#[test]
fn every_step_of_a_life_is_taken_or_refused() {
    use Stage::{Applied, Approved, Invited, Onboarding, ReadyForReview, Rejected, Suspended, Terminated};
    let leaving = STAGES.map(|stage| if stage == Approved { Suspended } else { stage });
    let steps: [(Command, &[Stage], Stage); 6] = [
        (Command::StartOnboarding, &[Applied, Invited], Onboarding),
        (Command::SubmitForReview, &[Onboarding], ReadyForReview),
        (Command::Suspend { reason: reason() }, &[Approved], Suspended),
        (Command::Resume { reason: reason() }, &[Suspended], Approved),
        (Command::Terminate { reason: reason() }, &leaving, Terminated),
        (Command::Apply(application("ada").introduction), &[Rejected], Applied),
    ];
    for (command, from, to) in steps {
        for before in STAGES {
            let mut city = in_stage(before);
            let applies = matches!(command, Command::Apply(_));
            if from.contains(&before) || (before == to && !applies) {
                let happened = city.when(&tell(command.clone())).unwrap();
                assert_eq!(happened.is_empty(), before == to, "{command:?} from {before:?}");
                assert_eq!(stage(&city), to);
            } else {
                let code = if applies {
                    "VENDOR_EXISTS"
                } else if before == Terminated {
                    "VENDOR_TERMINATED"
                } else if to == Terminated {
                    "VENDOR_STILL_SELLS"
                } else {
                    "VENDOR_WRONG_STAGE"
                };
                assert_eq!(city.refusal(&tell(command.clone())), code, "{command:?} from {before:?}");
                assert_eq!(stage(&city), before);
            }
        }
    }
}

#[test]
fn a_review_is_of_the_last_submission() {
    let mut city = in_stage(Stage::ReadyForReview);
    let reject = |evidence| tell(Command::Reject { reason: reason(), evidence });
    assert_eq!(city.refusal(&tell(Command::Approve { evidence: 0 })), "VENDOR_EVIDENCE_CHANGED");
    assert_eq!(city.refusal(&reject(2)), "VENDOR_EVIDENCE_CHANGED");
    city.must(&reject(1));

    city.must(&application("ada"))
        .must(&tell(Command::StartOnboarding))
        .must(&tell(Command::SubmitForReview));
    assert_eq!(city.refusal(&tell(Command::Approve { evidence: 1 })), "VENDOR_EVIDENCE_CHANGED");
    city.must(&tell(Command::Approve { evidence: 2 }));
    assert_eq!(city.refusal(&reject(2)), "VENDOR_WRONG_STAGE", "approved is approved");
}

#[test]
fn a_handle_is_one_vendors_whatever_the_case_of_its_letters() {
    let mut city = City::market();
    let (ada, mut other) = (application("ada"), application("other"));
    other.introduction.handle = code("ADA");
    let results = city.race(&[&ada, &other]);
    assert!(results[0].is_ok());
    assert!(matches!(&results[1], Err(Stop::Rejected(no)) if no.code == "VENDOR_HANDLE_TAKEN"));
    let ApplyAsVendor { id, introduction } = application("ada");
    assert_eq!(city.refusal(&InviteVendor { id, introduction }), "VENDOR_EXISTS");
}

#[test]
fn who_applies_again_under_another_handle_leaves_the_old_one_to_others() {
    let mut city = in_stage(Stage::Rejected);
    let mut again = application("ada");
    again.introduction.handle = code("ada-lovelace");
    city.must(&again);
    let mut heir = application("heir");
    heir.introduction.handle = code("ada-lovelace");
    assert_eq!(city.refusal(&heir), "VENDOR_HANDLE_TAKEN");
    heir.introduction.handle = code("ada");
    city.must(&heir);
}

#[test]
fn only_an_approved_vendor_sells() {
    assert_eq!(Vendor::Unknown.can_sell(), Err(Rejection::Unknown));
    for stage in STAGES {
        let may = in_stage(stage).state::<Vendor>(id("ada")).can_sell();
        assert_eq!(may.is_ok(), stage == Stage::Approved, "{stage:?}");
    }
}

#[test]
fn a_vendor_suspended_at_the_same_moment_lists_nothing() {
    let mut city = City::market();
    let offer = city.listed_offer("lamp", price(1_000, "EUR"), false);
    let vendor = id("vendor-of-lamp");
    city.must(&Tell::<crate::marketplace::offer::Offer> {
        id: offer,
        command: crate::marketplace::offer::Command::Withdraw { reason: reason() },
    });
    let suspend = Tell::<Vendor> { id: vendor, command: Command::Suspend { reason: reason() } };
    let results = city.race(&[&suspend, &RelistOffer { id: offer }]);
    assert!(results[0].is_ok());
    assert!(matches!(&results[1], Err(Stop::Rejected(no)) if no.code == "VENDOR_CANNOT_SELL"));
}

#[test]
fn being_paid_takes_a_proven_vendor_with_an_account_and_no_suspension() {
    let mut city = in_stage(Stage::Approved);
    let can_be_paid = |city: &City| city.state::<Vendor>(id("ada")).can_be_paid();
    assert_eq!(Vendor::Unknown.can_be_paid(), Err(Rejection::Unknown));
    assert_eq!(can_be_paid(&city), Err(Rejection::KycNotVerified));
    city.must(&tell(kyc(KycStatus::Pending))).must(&tell(kyc(KycStatus::Verified)));
    assert_eq!(can_be_paid(&city), Err(Rejection::PayoutAccountMissing));
    city.must(&tell(open_account("acct-1")));
    assert_eq!(can_be_paid(&city), Ok(()));
    city.must(&tell(Command::Suspend { reason: reason() }));
    assert_eq!(can_be_paid(&city), Err(Rejection::PayoutsHeld(Stage::Suspended)));
    city.must(&tell(Command::Resume { reason: reason() })).must(&tell(kyc(KycStatus::ActionRequired)));
    assert_eq!(can_be_paid(&city), Err(Rejection::KycNotVerified));
    city.must(&tell(Command::Suspend { reason: reason() }));
    city.must(&tell(Command::Terminate { reason: reason() }));
    assert_eq!(can_be_paid(&city), Err(Rejection::PayoutsHeld(Stage::Terminated)));
}

#[test]
fn whoever_lacks_nothing_but_an_account_to_be_paid_asks_for_one_whatever_came_last() {
    let steps = || [kyc(KycStatus::Pending), kyc(KycStatus::Verified)];
    let asks = |city: &mut City, command: Command| {
        let happened = city.when(&tell(command)).unwrap();
        happened.contains(&Event::PayoutAccountRequested {}.into())
    };
    let proven = |stage: Stage| {
        let mut city = in_stage(stage);
        for command in steps() {
            assert!(!asks(&mut city, command), "{stage:?}");
        }
        city
    };
    assert!(asks(&mut proven(Stage::ReadyForReview), Command::Approve { evidence: 1 }));
    assert!(asks(&mut proven(Stage::Suspended), Command::Resume { reason: reason() }));
    let mut city = in_stage(Stage::Approved);
    assert_eq!(steps().map(|command| asks(&mut city, command)), [false, true]);
    assert!(!asks(&mut city, kyc(KycStatus::Verified)), "already so");

    city.must(&tell(kyc(KycStatus::ActionRequired)));
    assert!(asks(&mut city, kyc(KycStatus::Verified)), "the first account may have been refused");
    city.must(&tell(open_account("acct-1"))).must(&tell(kyc(KycStatus::ActionRequired)));
    assert!(!asks(&mut city, kyc(KycStatus::Verified)), "it has one");
}

#[test]
fn what_is_known_of_a_vendor_begins_with_looking_and_is_never_unknown_again() {
    let mut city = in_stage(Stage::Onboarding);
    assert_eq!(city.refusal(&tell(kyc(KycStatus::Verified))), "VENDOR_KYC_STEP");
    assert_eq!(city.when(&tell(kyc(KycStatus::Unverified))), Ok(Vec::new()), "already so");
    for status in [KycStatus::Pending, KycStatus::Rejected, KycStatus::Pending, KycStatus::Verified] {
        city.must(&tell(kyc(status)));
    }
    assert_eq!(city.refusal(&tell(kyc(KycStatus::Unverified))), "VENDOR_KYC_STEP");
    let mut over = in_stage(Stage::Terminated);
    assert_eq!(over.refusal(&tell(kyc(KycStatus::Pending))), "VENDOR_TERMINATED");
}

#[test]
fn a_vendor_has_one_payout_account_at_a_time() {
    let mut city = in_stage(Stage::Onboarding);
    assert_eq!(city.refusal(&tell(open_account(" "))), "VENDOR_PAYOUT_ACCOUNT_INVALID");
    assert_eq!(city.when(&tell(Command::ClosePayoutAccount)), Ok(Vec::new()), "there is none");
    city.must(&tell(open_account("acct-1")));
    assert_eq!(city.when(&tell(open_account("acct-1"))), Ok(Vec::new()), "already so");
    assert_eq!(city.refusal(&tell(open_account("acct-2"))), "VENDOR_PAYOUT_ACCOUNT_OPEN");
    city.must(&tell(Command::ClosePayoutAccount)).must(&tell(open_account("acct-2")));
    for (stage, code) in [(Stage::Rejected, "VENDOR_WRONG_STAGE"), (Stage::Terminated, "VENDOR_TERMINATED")] {
        assert_eq!(in_stage(stage).refusal(&tell(open_account("acct-1"))), code);
    }
}

#[test]
fn nothing_is_asked_of_a_vendor_that_does_not_exist() {
    let mut city = City::market();
    for command in [Command::StartOnboarding, Command::ClosePayoutAccount, kyc(KycStatus::Pending)] {
        assert_eq!(city.refusal(&tell(command)), "VENDOR_UNKNOWN");
    }
}

fn any_command() -> impl Strategy<Value = Command> {
    let statuses = [KycStatus::Unverified, KycStatus::Pending, KycStatus::Verified, KycStatus::Rejected];
    prop_oneof![
        Just(Command::Apply(application("ada").introduction)),
        Just(Command::Invite(application("ada").introduction)),
        Just(Command::StartOnboarding),
        Just(open_account("acct-1")),
        Just(Command::ClosePayoutAccount),
        Just(Command::SubmitForReview),
        (0_u32..3).prop_map(|evidence| Command::Approve { evidence }),
        (0_u32..3).prop_map(|evidence| Command::Reject { reason: reason(), evidence }),
        Just(Command::Suspend { reason: reason() }),
        Just(Command::Resume { reason: reason() }),
        Just(Command::Terminate { reason: reason() }),
        proptest::sample::select(statuses.to_vec()).prop_map(kyc),
    ]
}

proptest! {
    #[test]
    fn any_commands_in_any_order_never_bring_back_a_terminated_vendor(
        commands in proptest::collection::vec(any_command(), 0..40),
    ) {
        let mut city = City::market();
        let mut over = false;
        for command in commands {
            city.when(&tell(command)).ok();
            let vendor = city.state::<Vendor>(id("ada"));
            let now = vendor.known().is_ok_and(|vendor| vendor.stage == Stage::Terminated);
            prop_assert!(now || !over);
            prop_assert!(!over || vendor.can_sell().is_err() && vendor.can_be_paid().is_err());
            over = now;
        }
    }
}
