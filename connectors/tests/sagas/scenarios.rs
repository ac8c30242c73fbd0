//! Single scenarios: workers side by side, crashes around one call, retries by their table, timers.

use crate::ending::{Ending, assert_nothing_hangs};
use crate::mortal::{Mortality, When};
use crate::world::{World, meta};
use chrono::{DateTime, TimeDelta, Timelike, Utc};
use cityos_connectors::sandbox::{Chance, Fault, Operation};
use cityos_domain::calendar::Zone;
use cityos_domain::drill::{Failing, Step};
use cityos_domain::event::Event;
use cityos_domain::foundation::place::ArchivePlace;
use cityos_domain::foundation::tenancy::{RegisterTenant, Registration};
use cityos_domain::foundation::tenant::{self, CaptureMoment, PayoutSchedule, Policies, Tenant, Tier};
use cityos_domain::ids::{CommandId, OrderId, RunId, TenantId, VendorId, derive};
use cityos_domain::ledger::adjusting::{Against, PostAdjustment};
use cityos_domain::ledger::month;
use cityos_domain::ledger::paying_out::RequestPayout;
use cityos_domain::ledger::payout::{self, Trigger};
use cityos_domain::log::{Actor, Envelope, Partition, Position};
use cityos_domain::marketplace::offer::{ListOffer, Listing, Price};
use cityos_domain::marketplace::vendor::{ApplyAsVendor, Command, Vendor};
use cityos_domain::money::{Currency, Money};
use cityos_domain::orders::canceling::CancelPart;
use cityos_domain::orders::order::{Bearer, Cart, Discount, RequestedLine, part_id};
use cityos_domain::orders::requesting::RequestOrder;
use cityos_domain::orders::shipping::{DeliverPart, ShipPart};
use cityos_domain::orders::vendor_order::CancelCause;
use cityos_domain::orders::{payment, vendor_order};
use cityos_domain::rehearsal::id;
use cityos_domain::saga_run::{
    Direction, Event as Run, FailureKind, Intervention, Measure, Outcome, PlannedStep,
};
use cityos_domain::text::{Code, Locale, Slug};
use cityos_domain::workspace::{Decided, Tell};
use cityos_eventstore::executor::ExecuteError;
use cityos_sagas::registry::{AnySaga, sagas};
use cityos_sagas::rehearsal::drills::drill;
use cityos_sagas::rehearsal::market::{
    approval, currency, introduction, of_city, opened, order, part, partition, proof, reason, registration,
    request, seller, stocked, tell, tenant, vendor, wish,
};
use cityos_sagas::rehearsal::orders::{captures, checkouts};
use cityos_sagas::rehearsal::payouts::{earned, payouts};
use cityos_sagas::rehearsal::tenants::{closings, subcategory};
use cityos_sagas::rehearsal::{Act, End, Rehearsal};
use cityos_sagas::repair::NotTaken;
use cityos_sagas::repair::foresight::Foresight;
use cityos_sagas::saga::{Failure, Policy, Progress};
use cityos_sagas::{Context, settle};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::watch;

fn eur(minor: i64) -> Money {
    Money { minor, currency: currency() }
}

fn usd(minor: i64) -> Money {
    Money { minor, currency: Currency::parse("currency", "USD").unwrap() }
}

fn command(name: &str) -> CommandId {
    CommandId(derive(&["scenario", name]))
}

/// An operator gives a vendor something.
fn adjustment(vendor: VendorId, amount: Money, number: usize) -> Act {
    wish(PostAdjustment {
        transaction: id(&format!("adjustment {number}")),
        vendor,
        amount,
        against: Against::Adjustments,
        reason: reason("a gift"),
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s18_two_workers_and_a_manual_trigger_pay_each_vendor_once_and_every_entry_in_one_payout() {
    let world = World::new();
    let names = ["miller", "smith", "baker", "potter"];
    let minimum =
        Policies { payout_minimum_minor: BTreeMap::from([(currency(), 2_500)]), ..Policies::default() };
    let mut setting = stocked(minimum);
    names[1..].iter().for_each(|name| setting.extend(seller(name)));
    // 137 entries: of one vendor just too little in euros, of one just enough; of one too little and of one a debt in
    // dollars, the rest in two currencies to the first.
    let (miller, smith, baker, potter) = (id(names[0]), id(names[1]), id(names[2]), id(names[3]));
    setting.extend([
        adjustment(smith, eur(2_499), 0),
        adjustment(baker, eur(2_500), 1),
        adjustment(potter, eur(3_000), 2),
        adjustment(potter, usd(-1_000), 3),
    ]);
    for number in 4..137 {
        let amount = if number % 2 == 0 { eur(1_000 + number as i64) } else { usd(2_000 + number as i64) };
        setting.push(adjustment(miller, amount, number));
    }
    let first = Arc::new(world.life(sagas()).await);
    assert_eq!(first.play("setting", &setting, 0).await.unwrap(), 0);
    first.settle().await;

    let second = Arc::new(world.life(sagas()).await);
    let (stop, _) = watch::channel(());
    let workers = [first.work(&stop), second.work(&stop)];
    let sweep = |life: &Arc<crate::world::Life>, name: &str| {
        let (life, meta) = (life.clone(), meta(command(name)));
        tokio::spawn(
            async move { life.engine.sweep_payouts(partition(), &meta, Trigger::Manual).await.unwrap() },
        )
    };
    let sweeps = [sweep(&first, "manual"), sweep(&second, "scheduled"), sweep(&first, "again")];
    for swept in sweeps {
        swept.await.unwrap();
    }
    let paid = |log: &[Envelope]| {
        let of = |wanted: fn(&payout::Event) -> bool| {
            log.iter().filter(|it| matches!(&it.event, Event::Payout(event) if wanted(event))).count()
        };
        of(|event| matches!(event, payout::Event::Requested { .. }))
            == of(|event| matches!(event, payout::Event::Paid { .. } | payout::Event::Voided { .. }))
    };
    world.until(paid).await;
    stop.send(()).unwrap();
    for worker in workers {
        worker.await.unwrap();
    }

    let mut claims: BTreeMap<(VendorId, Currency), i64> = BTreeMap::new();
    let mut entries = BTreeSet::new();
    for (_, event) in world.payouts().await {
        if let payout::Event::Claimed { vendor, amount } = event {
            assert_eq!(claims.insert((vendor, amount.currency), amount.minor), None, "a second payout");
        }
    }
    for envelope in world.log().await {
        if let Event::Ledger(month::Event::EntriesClaimed { entries: claimed, .. }) = envelope.event {
            for entry in claimed {
                assert!(entries.insert(entry), "an entry in two payouts");
            }
        }
    }
    let sum =
        |parity: i64, base: i64| (4..137).filter(|number| number % 2 == parity).map(|it| base + it).sum();
    let expected = BTreeMap::from([
        ((baker, currency()), 2_500),
        ((potter, currency()), 3_000),
        ((miller, currency()), sum(0, 1_000)),
        ((miller, usd(0).currency), sum(1, 2_000)),
    ]);
    assert_eq!(claims, expected);
    assert_eq!(entries.len(), 135);
    let transfers = world.sandbox.done(Operation::Transfer).await.unwrap();
    let sent: BTreeSet<_> = transfers.iter().map(|transfer| transfer.minor.unwrap()).collect();
    assert_eq!(sent, expected.values().copied().collect());
    assert_eq!(transfers.len(), expected.len());
    assert_nothing_hangs(&world, "the sweep").await;
}

/// The process dies right after the outside world did what it was asked to; the next one comes later.
async fn s20(rehearsal: impl Fn() -> Rehearsal, operation: Operation, later: TimeDelta) -> World {
    for write in 1.. {
        let (world, mortality) = (World::new(), Mortality::at(write, When::After));
        let life = world.mortal_life(sagas(), mortality.clone()).await;
        let Rehearsal { setting, acts, .. } = rehearsal();
        assert_eq!(life.play("setting", &setting, 0).await.unwrap(), 0);
        mortality.arm();
        let died = life.play("acts", &acts, 0).await.expect_err("it dies somewhere");
        if world.sandbox.done(operation).await.unwrap().is_empty() {
            continue;
        }
        drop(life);
        world.clock.advance(later);
        world.life(sagas()).await.play("acts", &acts, died.act).await.unwrap();
        assert_eq!(world.sandbox.requests(operation).await.unwrap(), 1, "{operation:?} after {later}");
        let done = world.sandbox.done(operation).await.unwrap();
        let [done] = &done[..] else { panic!("it was done {} times", done.len()) };
        let reference = format!("\"{}\"", done.reference);
        let recorded = |it: &Envelope| serde_json::to_string(&it.event).unwrap().contains(&reference);
        assert!(world.log().await.iter().any(recorded), "{reference} is recorded nowhere");
        assert_nothing_hangs(&world, &format!("{operation:?} after {later}")).await;
        return world;
    }
    unreachable!("there are more numbers than writes")
}

/// Every provider has forgotten the key by then.
const NEXT_DAY: TimeDelta = TimeDelta::minutes(25 * 60 + 5);

#[tokio::test]
async fn s20_an_authorisation_whose_answer_died_with_the_process_is_found_and_not_asked_for_again() {
    let bought = || checkouts().swap_remove(0);
    let world = s20(bought, Operation::Authorise, TimeDelta::minutes(1)).await;
    assert!(
        world
            .log()
            .await
            .iter()
            .any(|it| matches!(&it.event, Event::Payment(payment::Event::Authorised { .. })))
    );
    // A day later nothing is held for the customer any more: what was found is given back.
    let world = s20(bought, Operation::Authorise, NEXT_DAY).await;
    assert_eq!(world.sandbox.done(Operation::Release).await.unwrap().len(), 1);
}

#[tokio::test]
async fn s20_a_capture_whose_answer_died_with_the_process_is_found_and_recorded() {
    for later in [TimeDelta::minutes(1), NEXT_DAY] {
        let world = s20(|| captures().swap_remove(0), Operation::Capture, later).await;
        let captured =
            |it: &Envelope| matches!(&it.event, Event::VendorOrder(vendor_order::Event::Captured { .. }));
        assert_eq!(world.log().await.iter().filter(|it| captured(it)).count(), 1);
    }
}

#[tokio::test]
async fn s20_a_transfer_whose_answer_died_with_the_process_is_found_and_settled() {
    for later in [TimeDelta::minutes(1), NEXT_DAY] {
        let world = s20(|| payouts().swap_remove(0), Operation::Transfer, later).await;
        let paid = world.payouts().await;
        assert!(matches!(paid.last(), Some((_, payout::Event::Paid { .. }))), "{paid:?}");
    }
}

fn ask_for_payout() -> [Act; 2] {
    let request = RequestPayout { vendor: vendor(), currency: currency(), trigger: Trigger::Manual };
    [wish(request), Act::Settle]
}

#[tokio::test]
async fn s23_a_transfer_without_funds_is_tried_by_the_table_and_then_waits_for_an_operator_with_its_entries()
{
    let world = World::new();
    let life = world.life(sagas()).await;
    life.play("setting", &earned(), 0).await.unwrap();
    for _ in 0..6 {
        world.sandbox.faults().cue(Operation::Transfer, Fault::Unavailable("INSUFFICIENT_FUNDS".into()));
    }
    life.play("asked", &ask_for_payout(), 0).await.unwrap();

    let history = world.history("payout").await;
    let attempts: Vec<DateTime<Utc>> = history
        .iter()
        .filter(|(_, event)| matches!(event, Run::Attempted { .. }))
        .map(|(at, _)| *at)
        .collect();
    let waits: Vec<i64> = attempts.windows(2).map(|two| (two[1] - two[0]).num_minutes()).collect();
    assert_eq!(waits, [1, 5, 30, 120, 720]);
    assert!(matches!(history.last(), Some((_, Run::Parked { .. }))), "{history:?}");

    // Nothing is left to pay anew: the same entries are never claimed twice.
    assert_eq!(life.play("asked again", &ask_for_payout(), 0).await.unwrap(), 1);
    let [(partition, run)] = world.runs("payout", Position::START).await[..] else { panic!("one run") };
    life.intervene(partition, run, Measure::Retry).await;
    life.settle().await;
    assert!(matches!(world.payouts().await.last(), Some((_, payout::Event::Paid { .. }))));
    assert_eq!(world.sandbox.done(Operation::Transfer).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_refused_transfer_makes_the_entries_available_for_the_next_payout() {
    let world = World::new();
    let life = world.life(sagas()).await;
    life.play("setting", &earned(), 0).await.unwrap();
    world.sandbox.faults().cue(Operation::Transfer, Fault::Refuse("ACCOUNT_CLOSED".into()));
    life.play("asked", &ask_for_payout(), 0).await.unwrap();
    let failed = world.payouts().await;
    assert!(matches!(failed.last(), Some((_, payout::Event::Failed { .. }))), "{failed:?}");

    life.play("asked again", &ask_for_payout(), 0).await.unwrap();
    assert!(matches!(world.payouts().await.last(), Some((_, payout::Event::Paid { .. }))));
    assert_nothing_hangs(&world, "a refused transfer").await;
}

#[tokio::test]
async fn a_declined_card_declines_the_order_with_its_code_and_lets_the_stock_go() {
    let world = World::new();
    let life = world.life(sagas()).await;
    life.play("setting", &stocked(Policies::default()), 0).await.unwrap();
    world.sandbox.faults().cue(Operation::Authorise, Fault::Refuse("CARD_DECLINED".into()));
    life.play("bought", &[request(order(), 2), Act::Settle], 0).await.unwrap();
    let declined = |it: &Envelope| matches!(&it.event, Event::Order(cityos_domain::orders::order::Event::Declined { code, .. }) if code == "CARD_DECLINED");
    assert!(world.log().await.iter().any(declined));
    assert_nothing_hangs(&world, "a declined card").await;
}

#[tokio::test]
async fn a_refused_capture_is_noted_on_the_part_and_waits_for_an_operator() {
    let world = World::new();
    let life = world.life(sagas()).await;
    let Rehearsal { setting, acts, .. } = captures().swap_remove(0);
    life.play("setting", &setting, 0).await.unwrap();
    world.sandbox.faults().cue(Operation::Capture, Fault::Refuse("CARD_EXPIRED".into()));
    life.play("acts", &acts, 0).await.unwrap();
    let failed =
        |it: &Envelope| matches!(&it.event, Event::VendorOrder(vendor_order::Event::CaptureFailed { .. }));
    assert!(world.log().await.iter().any(failed));
    let [(partition, run)] = world.runs("capture", Position::START).await[..] else { panic!("one run") };
    life.intervene(partition, run, Measure::Retry).await;
    life.settle().await;
    assert_eq!(world.sandbox.done(Operation::Capture).await.unwrap().len(), 1);
    assert_nothing_hangs(&world, "a refused capture").await;
}

#[tokio::test]
async fn money_that_was_taken_for_a_part_canceled_meanwhile_is_not_lost_sight_of() {
    let world = World::new();
    let life = world.life(sagas()).await;
    let at_placement = Policies { capture: CaptureMoment::AtPlacement, ..Policies::default() };
    life.play("setting", &stocked(at_placement), 0).await.unwrap();
    world.sandbox.faults().cue(Operation::Capture, Fault::Refuse("NO_FUNDS".into()));
    life.play("bought", &[request(order(), 2), Act::Settle], 0).await.unwrap();
    let [(partition, run)] = world.runs("capture", Position::START).await[..] else { panic!("one run") };
    // It is tried again, the reply is lost, and before anybody asks for it the vendor cancels.
    world.sandbox.faults().cue(Operation::Capture, Fault::LoseReply);
    life.intervene(partition, run, Measure::Retry).await;
    life.engine.drive_due().await.unwrap();
    let cancel = CancelPart { part: part(order()), cause: CancelCause::Vendor };
    life.play("canceled", &[wish(cancel), Act::Settle], 0).await.unwrap();
    let history = world.history("capture").await;
    let [.., (_, Run::Done { step, memo }), (_, Run::Failed { code, .. }), (_, Run::Parked { .. })] =
        &history[..]
    else {
        panic!("{history:?}")
    };
    let taken = &world.sandbox.done(Operation::Capture).await.unwrap()[0];
    assert_eq!((&step[..], &memo["taken"]["reference"]), ("capture", &json!(taken.reference)));
    assert_eq!(code, "PART_CANCELED");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_worker_whose_answer_comes_after_its_lease_finds_itself_overtaken_and_others_are_not_held_up() {
    let world = World::new();
    let slow = Arc::new(world.life(sagas()).await);
    let mut setting = earned();
    setting.extend(seller("smith"));
    setting.push(adjustment(id("smith"), eur(700), 1));
    slow.play("setting", &setting, 0).await.unwrap();

    world.sandbox.faults().cue(Operation::Transfer, Fault::Late(TimeDelta::minutes(10)));
    slow.play("asked", &ask_for_payout()[..1], 0).await.unwrap();
    let (stop, _) = watch::channel(());
    let worker = slow.work(&stop);
    let attempted = |log: &[Envelope]| {
        log.iter()
            .any(|it| matches!(&it.event, Event::SagaRun(Run::Attempted { step, .. }) if step == "transfer"))
    };
    world.until(attempted).await;
    // The same worker pays someone else meanwhile.
    let other = RequestPayout { vendor: id("smith"), currency: currency(), trigger: Trigger::Manual };
    slow.play("other", &[wish(other)], 0).await.unwrap();
    let paid_to = |wanted: VendorId| {
        move |log: &[Envelope]| {
            log.iter().any(
                |it| matches!(&it.event, Event::Payout(payout::Event::Paid { vendor }) if *vendor == wanted),
            )
        }
    };
    world.until(paid_to(id("smith"))).await;

    // The lease ends, another process takes over and finds the transfer made.
    world.clock.advance(TimeDelta::minutes(2));
    let quick = world.life(sagas()).await;
    quick.settle().await;
    assert!(paid_to(vendor())(&world.log().await));
    world.clock.advance(TimeDelta::minutes(10));
    stop.send(()).unwrap();
    worker.await.unwrap();

    assert_eq!(world.sandbox.requests(Operation::Transfer).await.unwrap(), 2);
    let done = world.history("payout").await;
    let done = done.iter().filter(|(_, event)| matches!(event, Run::Done { step, .. } if step == "transfer"));
    assert_eq!(done.count(), 2);
    let lost =
        |(_, event): &(DateTime<Utc>, Run)| matches!(event, Run::Failed { kind: FailureKind::Unknown, .. });
    assert_eq!(world.history("payout").await.iter().filter(|it| lost(it)).count(), 1);
    assert_nothing_hangs(&world, "a late answer").await;
}

#[tokio::test]
async fn of_two_sagas_that_open_an_account_at_once_one_links_it_and_the_other_closes_its_own() {
    let (onboarding, account) = ("vendor_onboarding", "payout_account");
    for (early, late) in [(onboarding, account), (account, onboarding)] {
        let world = World::new();
        let life = world.life(sagas()).await;
        life.play("setting", &opened(), 0).await.unwrap();
        // The onboarding must try again two seconds later, the other saga one second after that if at all.
        for _ in 0..if late == account { 2 } else { 1 } {
            world.sandbox.faults().cue(Operation::OpenAccount, Fault::Unavailable("MAINTENANCE".into()));
        }
        let apply = wish(ApplyAsVendor { id: vendor(), introduction: introduction("miller") });
        life.play("applied", &[apply], 0).await.unwrap();
        settle(&life.engine).await.unwrap();
        let admit = [Command::SubmitForReview, Command::Approve { evidence: 1 }];
        let mut acts = vec![Act::Pass(TimeDelta::seconds(1))];
        acts.extend(admit.map(|command| tell::<Vendor>(vendor(), command)));
        acts.extend(proof(vendor()));
        acts.push(Act::Settle);
        assert_eq!(life.play("admitted", &acts, 0).await.unwrap(), 0);

        for (saga, outcome) in [(early, Outcome::Completed), (late, Outcome::Compensated)] {
            let (_, last) = world.history(saga).await.pop().unwrap();
            assert_eq!(last, Run::ended(outcome), "{saga}, where {late} is late");
        }
        assert_eq!(world.sandbox.done(Operation::OpenAccount).await.unwrap().len(), 2);
        assert_nothing_hangs(&world, &format!("{late} is late")).await;
        let (vendor, _) = life.executor.load::<Vendor>(partition(), vendor()).await.unwrap();
        assert_eq!(vendor.can_be_paid(), Ok(()), "{late} is late");
    }
}

#[tokio::test]
async fn an_application_after_a_refusal_nobody_saw_is_not_refused_by_the_onboarding_of_the_one_before() {
    let world = World::new();
    let life = world.life(sagas()).await;
    life.play("setting", &opened(), 0).await.unwrap();
    let apply = || wish(ApplyAsVendor { id: vendor(), introduction: introduction("miller") });
    let reject = Command::Reject { reason: reason("not yet"), evidence: 0 };
    let mut acts = vec![apply(), Act::Settle, tell::<Vendor>(vendor(), reject), apply(), Act::Settle];
    acts.extend(approval(vendor()));
    assert_eq!(life.play("acts", &acts, 0).await.unwrap(), 0);

    let ending = Ending::of(&world).await;
    let runs = world.runs("vendor_onboarding", Position::START).await;
    let end_of =
        |(_, run): &(_, RunId)| *ending.runs.iter().find(|(stream, _)| stream.id == run.0).unwrap().1;
    let ends: Vec<_> = runs.iter().map(end_of).collect();
    assert_eq!(ends, [Some(End::Compensated), Some(End::Completed)]);
    assert_nothing_hangs(&world, "a second application").await;
    let (vendor, _) = life.executor.load::<Vendor>(partition(), vendor()).await.unwrap();
    assert!(vendor.known().unwrap().payout_account.is_some());
}

#[tokio::test]
async fn a_part_whose_discount_leaves_nothing_to_pay_is_captured_without_asking_the_provider() {
    let world = World::new();
    let life = world.life(sagas()).await;
    let mut setting = stocked(Policies::default());
    setting.extend(seller("smith"));
    let code = |text| Code::parse("code", text).unwrap();
    let offers = [(vendor(), "cup"), (id("smith"), "jug")];
    for (vendor, name) in offers {
        let prices = vec![Price { unit: eur(100), freight_minor: 0, includes_tax: true }];
        let listing = Listing { vendor, product: id("lamp"), sku: code(name), prices, stock_tracked: false };
        setting.push(wish(ListOffer { id: id(name), listing }));
    }
    life.play("setting", &setting, 0).await.unwrap();
    let line = |(_, name)| RequestedLine {
        offer: id(name),
        quantity: 1,
        expected_unit: None,
        freight_minor: None,
        includes_tax: None,
    };
    let cart = Cart {
        store: id("store"),
        customer: id("customer"),
        currency: currency(),
        lines: offers.map(line).into(),
        discount: Some(Discount { minor: 199, bearer: Bearer::Marketplace }),
        reference: None,
    };
    let mut acts = vec![wish(RequestOrder { order: order(), cart }), Act::Settle];
    for (vendor, _) in offers {
        acts.extend([wish(ShipPart { part: part_id(order(), vendor), tracking: None }), Act::Settle]);
    }
    assert_eq!(life.play("bought", &acts, 0).await.unwrap(), 0);

    let captured =
        |it: &Envelope| matches!(&it.event, Event::VendorOrder(vendor_order::Event::Captured { .. }));
    assert_eq!(world.log().await.iter().filter(|it| captured(it)).count(), 2);
    let taken = world.sandbox.done(Operation::Capture).await.unwrap();
    assert_eq!(taken.iter().map(|capture| capture.minor).collect::<Vec<_>>(), [Some(1)]);
    assert_nothing_hangs(&world, "a part for nothing").await;
}

#[tokio::test]
async fn a_part_captured_when_it_was_placed_is_not_captured_again_when_it_ships() {
    let world = World::new();
    let life = world.life(sagas()).await;
    let Rehearsal { setting, acts, .. } = captures().swap_remove(1);
    life.play("setting", &setting, 0).await.unwrap();
    assert_eq!(life.play("acts", &acts, 0).await.unwrap(), 0);
    assert_eq!(world.runs("capture", Position::START).await.len(), 1);
}

/// A saga as another version of the program plans it.
struct OtherPlan(Box<dyn AnySaga>);

#[async_trait::async_trait]
impl AnySaga for OtherPlan {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn plan(&self) -> Vec<PlannedStep> {
        self.0.plan().into_iter().rev().collect()
    }

    fn starts_on(&self, event: &Decided) -> Option<Value> {
        self.0.starts_on(event)
    }

    fn knows(&self, run: &cityos_domain::saga_run::Run) -> Result<(), String> {
        self.0.knows(run)
    }

    fn never_skipped(&self, step: &str) -> Option<&'static str> {
        self.0.never_skipped(step)
    }

    async fn lacks_after(
        &self,
        run: &cityos_domain::saga_run::Run,
        step: &str,
        log: &Foresight,
    ) -> Result<Option<String>, ExecuteError> {
        self.0.lacks_after(run, step, log).await
    }

    fn policy(&self, step: &str) -> Policy {
        self.0.policy(step)
    }

    async fn act(
        &self,
        run: &cityos_domain::saga_run::Run,
        cx: &Context,
    ) -> Result<(Progress, Value), Failure> {
        self.0.act(run, cx).await
    }

    async fn undo(&self, run: &cityos_domain::saga_run::Run, cx: &Context) -> Result<(), Failure> {
        self.0.undo(run, cx).await
    }

    fn rehearsals(&self) -> Vec<Rehearsal> {
        self.0.rehearsals()
    }
}

#[tokio::test]
async fn a_run_planned_by_another_version_or_of_an_unknown_saga_is_parked_and_not_guessed_at() {
    let other: fn() -> Vec<Box<dyn AnySaga>> =
        || sagas().into_iter().map(|saga| -> Box<dyn AnySaga> { Box::new(OtherPlan(saga)) }).collect();
    let known: fn() -> Vec<Box<dyn AnySaga>> = || sagas().into_iter().skip(1).collect();
    for (starts, drives) in [(other, sagas as fn() -> Vec<Box<dyn AnySaga>>), (sagas, known)] {
        let world = World::new();
        world.life(starts()).await.play("registered", &[registration()], 0).await.unwrap();
        let life = world.life(drives()).await;
        life.settle().await;
        let history = world.history("tenant_opening").await;
        assert!(matches!(history.last(), Some((_, Run::Parked { .. }))), "{history:?}");
        assert!(!world.log().await.iter().any(|it| matches!(it.event, Event::Tenant(_))));
    }
}

#[tokio::test]
async fn d42_what_cannot_be_undone_because_its_saga_is_unknown_is_not_taken_for_undone() {
    let failing = |step, direction, kind| Failing { step, direction, kind, attempts: 2 };
    let script = vec![
        failing(Step::Commit, Direction::Forward, FailureKind::Permanent),
        failing(Step::Reserve, Direction::Back, FailureKind::Transient),
    ];
    let world = World::new();
    let life = world.life(sagas()).await;
    life.play("setting", &opened(), 0).await.unwrap();
    life.play("drill", &[drill(script)], 0).await.unwrap();
    settle(&life.engine).await.unwrap();
    drop(life);
    world.clock.advance(TimeDelta::minutes(1));
    let others = || sagas().into_iter().filter(|saga| saga.name() != "drill").collect();
    world.life(others()).await.settle().await;
    let history = world.history("drill").await;
    assert!(matches!(history.last(), Some((_, Run::Parked { .. }))), "{history:?}");
    assert!(!history.iter().any(|(_, event)| matches!(event, Run::Undone { .. } | Run::Ended { .. })));

    // Who has the saga goes on with it as soon as an operator says so.
    let life = world.life(sagas()).await;
    let [(partition, run)] = world.runs("drill", Position::START).await[..] else { panic!("one run") };
    life.intervene(partition, run, Measure::Retry).await;
    life.settle().await;
    let history = world.history("drill").await;
    assert_eq!(history.last().unwrap().1, Run::ended(Outcome::Compensated));
}

#[tokio::test]
async fn two_operators_who_do_the_same_at_once_do_it_once_and_a_stale_plan_does_nothing() {
    let refused = Failing {
        step: Step::Record,
        direction: Direction::Forward,
        kind: FailureKind::Permanent,
        attempts: 1,
    };
    let world = World::new();
    let life = world.life(sagas()).await;
    life.play("setting", &opened(), 0).await.unwrap();
    life.play("drill", &[drill(vec![refused]), Act::Settle], 0).await.unwrap();
    let [(partition, run)] = world.runs("drill", Position::START).await[..] else { panic!("one run") };
    let retry = life.engine.plan(partition, run, &Measure::Retry).await.unwrap();
    let abandon = life.engine.plan(partition, run, &Measure::Abandon).await.unwrap();
    let mut done = Vec::new();
    for (plan, measure, who) in [
        (retry.clone(), Measure::Retry, "bob"),
        (retry, Measure::Retry, "eve"),
        (abandon, Measure::Abandon, "eve"),
    ] {
        let intervention = Intervention { measure, reason: reason("practice") };
        let taken = life.engine.carry_out(vec![plan], &intervention, &Actor::user(who)).await;
        done.push(match &taken[0].done {
            Ok(before) => Ok(*before),
            Err(NotTaken::Refused(rejected)) => Err(rejected.code.clone()),
            Err(NotTaken::Failed(error)) => panic!("{error}"),
        });
    }
    assert_eq!(done, [Ok(false), Ok(true), Err("SAGA_RUN_MOVED".into())]);
    life.settle().await;
    let history = world.history("drill").await;
    assert_eq!(history.last().unwrap().1, Run::ended(Outcome::Completed));
    assert_eq!(history.iter().filter(|(_, event)| matches!(event, Run::Retried {})).count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn d43_a_repeated_wish_starts_no_second_run_and_an_answer_after_the_end_changes_nothing() {
    let world = World::new();
    let slow = Arc::new(world.life(sagas()).await);
    slow.play("setting", &earned(), 0).await.unwrap();
    world.sandbox.faults().cue(Operation::Transfer, Fault::Late(TimeDelta::minutes(10)));
    for _ in 0..2 {
        slow.play("asked", &ask_for_payout()[..1], 0).await.unwrap();
    }
    let [(partition, run)] = world.runs("payout", Position::START).await[..] else { panic!("one run") };
    let (stop, _) = watch::channel(());
    let worker = slow.work(&stop);
    let attempted = |log: &[Envelope]| {
        log.iter()
            .any(|it| matches!(&it.event, Event::SagaRun(Run::Attempted { step, .. }) if step == "transfer"))
    };
    world.until(attempted).await;
    world.clock.advance(TimeDelta::seconds(40));
    let quick = world.life(sagas()).await;
    quick.engine.drive_due().await.unwrap();
    quick.intervene(partition, run, Measure::Abandon).await;

    world.clock.advance(TimeDelta::minutes(10));
    stop.send(()).unwrap();
    worker.await.unwrap();
    quick.settle().await;
    let [stays, not_done] = [["answer", "claim"], ["submit", "settle"]].map(|it| it.map(Into::into).to_vec());
    let given_up = Run::given_up(stays, vec!["transfer".into()], not_done);
    assert_eq!(world.history("payout").await.last().unwrap().1, given_up);
    // It was made after all: that is what `may_stay` means.
    assert_eq!(world.sandbox.done(Operation::Transfer).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_transfer_made_by_hand_is_told_to_the_payout_which_then_settles_its_books() {
    let world = World::new();
    let life = world.life(sagas()).await;
    life.play("setting", &earned(), 0).await.unwrap();
    for _ in 0..6 {
        world.sandbox.faults().cue(Operation::Transfer, Fault::Unavailable("MAINTENANCE".into()));
    }
    life.play("asked", &ask_for_payout(), 0).await.unwrap();
    let [(partition, run)] = world.runs("payout", Position::START).await[..] else { panic!("one run") };
    let skip = |learned: &[(&str, &str)]| Measure::Skip {
        step: "transfer".into(),
        learned: learned.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect(),
    };
    for untold in [skip(&[]), skip(&[("reference", "bank-4711")]), skip(&[("transfer", " ")])] {
        let planned = life.engine.plan(partition, run, &untold).await.unwrap();
        assert_eq!(
            planned.outlook.unwrap_err().field.as_deref(),
            Some("learned"),
            "its books would never settle"
        );
    }
    let told = skip(&[("transfer", "bank-4711")]);
    assert!(life.engine.plan(partition, run, &told).await.unwrap().outlook.is_ok());
    life.intervene(partition, run, told).await;
    life.settle().await;
    let paid = world.payouts().await;
    let [.., (_, payout::Event::Submitted { reference, .. }), (_, payout::Event::Paid { .. })] = &paid[..]
    else {
        panic!("{paid:?}")
    };
    assert_eq!(reference, "bank-4711");
    assert!(world.sandbox.done(Operation::Transfer).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_subcategory_whose_only_tenant_is_over_can_be_archived() {
    let world = World::new();
    let life = world.life(sagas()).await;
    let closing = &closings()[0];
    let archive = [of_city(ArchivePlace { id: subcategory() })];
    assert_eq!(life.play("setting", &closing.setting, 0).await.unwrap(), 0);
    assert_eq!(life.play("early", &archive, 0).await.unwrap(), 1, "a tenant is below it");
    assert_eq!(life.play("over", &closing.acts, 0).await.unwrap(), 0);
    assert_eq!(life.play("late", &archive, 0).await.unwrap(), 0);
}

#[tokio::test]
async fn an_authorisation_that_runs_out_is_given_back_once_even_after_days_without_a_server() {
    let world = World::new();
    let life = world.life(sagas()).await;
    life.play("setting", &stocked(Policies::default()), 0).await.unwrap();
    life.play("bought", &[request(order(), 2), Act::Settle], 0).await.unwrap();
    drop(life);
    world.clock.advance(TimeDelta::days(12));
    for _ in 0..2 {
        world.life(sagas()).await.settle().await;
    }
    let released = world.sandbox.done(Operation::Release).await.unwrap();
    assert_eq!(released.iter().map(|release| release.minor).collect::<Vec<_>>(), [Some(9_000)]);
    let canceled =
        |it: &Envelope| matches!(&it.event, Event::VendorOrder(vendor_order::Event::Canceled { .. }));
    assert_eq!(world.log().await.iter().filter(|it| canceled(it)).count(), 1);
}

#[tokio::test]
async fn earnings_become_available_after_the_hold_and_scheduled_payouts_run_once_a_day_in_which_there_is_a_server()
 {
    let world = World::new();
    let life = world.life(sagas()).await;
    life.play("setting", &stocked(Policies { hold_days: 2, ..Policies::default() }), 0).await.unwrap();
    let hour = u8::try_from((life.now().hour() + 1) % 24).unwrap();
    let daily = Policies { hold_days: 2, payouts: PayoutSchedule::Daily { hour }, ..Policies::default() };
    let acts = [
        tell::<Tenant>(tenant(), tenant::Command::ChangePolicies(daily)),
        request(order(), 2),
        Act::Settle,
        wish(ShipPart { part: part(order()), tracking: None }),
        Act::Settle,
        wish(DeliverPart { part: part(order()) }),
        Act::Settle,
    ];
    assert_eq!(life.play("sold", &acts, 0).await.unwrap(), 0);
    world.clock.advance(TimeDelta::hours(2));
    life.settle().await;
    assert!(world.payouts().await.is_empty(), "nothing is available yet");

    // Three days without a server, then two at once.
    world.clock.advance(TimeDelta::days(3));
    let (one, two) = (world.life(sagas()).await, world.life(sagas()).await);
    tokio::join!(one.settle(), two.settle());
    one.settle().await;
    world.clock.advance(TimeDelta::days(1));
    one.settle().await;
    let due = |it: &Envelope| matches!(&it.event, Event::Tenant(tenant::Event::PayoutsDue { .. }));
    assert_eq!(world.log().await.iter().filter(|it| due(it)).count(), 3);
    let paid: Vec<_> = world
        .payouts()
        .await
        .into_iter()
        .filter(|(_, event)| matches!(event, payout::Event::Paid { .. }))
        .collect();
    assert_eq!(paid.len(), 1);
}

#[tokio::test]
async fn two_tenants_whose_payouts_are_due_at_the_same_moment_each_have_events_of_their_own() {
    let world = World::new();
    let life = world.life(sagas()).await;
    let tenants: [TenantId; 2] = [id("north"), id("south")];
    for (tenant, slug) in tenants.into_iter().zip(["north", "south"]) {
        let registration = Registration {
            slug: Slug::parse("slug", slug).unwrap(),
            name: introduction(slug).name,
            subcategory: None,
            zone: Zone::UTC,
            locale: Locale::parse("locale", "en").unwrap(),
            currency: currency(),
            tier: Tier::Basic,
        };
        let hour = u8::try_from((life.now().hour() + 1) % 24).unwrap();
        let daily = Policies { payouts: PayoutSchedule::Daily { hour }, ..Policies::default() };
        let change = Tell::<Tenant> { id: tenant, command: tenant::Command::ChangePolicies(daily) };
        let acts = [
            of_city(RegisterTenant { id: tenant, registration }),
            Act::Settle,
            Act::Tell { partition: Partition::Tenant(tenant), intention: Box::new(change) },
        ];
        assert_eq!(life.play(slug, &acts, 0).await.unwrap(), 0);
    }
    world.clock.advance(TimeDelta::hours(2));
    life.settle().await;
    let due = |it: &Envelope| matches!(&it.event, Event::Tenant(tenant::Event::PayoutsDue { .. }));
    let ids: BTreeSet<_> = world.log().await.iter().filter(|it| due(it)).map(|it| it.id).collect();
    assert_eq!(ids.len(), 2);
}

#[tokio::test]
async fn whatever_fails_by_chance_nothing_is_left_hanging_and_no_money_moves_twice() {
    for seed in 0..12 {
        let world = World::new();
        let life = world.life(sagas()).await;
        life.play("setting", &stocked(Policies::default()), 0).await.unwrap();
        let chance = Chance { seed, refuse: 100, unavailable: 200, time_out: 150, lose_reply: 150 };
        world.sandbox.faults().chance(chance);
        for number in 0..4 {
            let order: OrderId = id(&format!("order {number}"));
            let acts = [
                request(order, 1),
                Act::Settle,
                wish(ShipPart { part: part(order), tracking: None }),
                Act::Settle,
                wish(DeliverPart { part: part(order) }),
                Act::Settle,
            ];
            life.play(&format!("order {number}"), &acts, 0).await.unwrap();
        }
        life.play("paid", &ask_for_payout(), 0).await.unwrap();
        world.sandbox.faults().chance(Chance::default());
        for saga in sagas() {
            for (partition, run) in world.runs(saga.name(), Position::START).await {
                let ending = Ending::of(&world).await;
                let parked = |(stream, end): (&cityos_domain::log::StreamId, &Option<End>)| {
                    stream.id == run.0 && *end == Some(End::Parked)
                };
                if ending.runs.iter().any(parked) {
                    life.intervene(partition, run, Measure::Retry).await;
                }
            }
        }
        life.settle().await;
        assert_nothing_hangs(&world, &format!("seed {seed}")).await;
        assert!(Ending::of(&world).await.runs.values().all(|end| *end != Some(End::Parked)), "seed {seed}");
    }
}
