//! Units on hand and held: nobody gets what another holds.

use super::*;
use crate::rehearsal::scene::{price, reason};
use crate::rehearsal::{City, id};
use crate::workspace::Tell;
use chrono::TimeDelta;
use proptest::prelude::*;

fn tell(command: Command) -> Tell<Stock> {
    Tell { id: id("lamp"), command }
}

fn until(city: &City) -> DateTime<Utc> {
    city.now() + TimeDelta::minutes(15)
}

fn reserve(city: &City, name: &str, quantity: u32) -> Tell<Stock> {
    tell(Command::Reserve { reservation: id(name), quantity, expires_at: until(city) })
}

fn release(name: &str) -> Tell<Stock> {
    tell(Command::Release { reservation: id(name) })
}

fn expire(name: &str) -> Tell<Stock> {
    tell(Command::Expire { reservation: id(name) })
}

fn allocate(name: &str) -> Tell<Stock> {
    tell(Command::Allocate { reservation: id(name), part: id("part") })
}

fn take_back(quantity: u32) -> Tell<Stock> {
    tell(Command::Return { quantity, part: id("part") })
}

fn adjust(by: i64) -> AdjustStock {
    AdjustStock { offer: id("lamp"), by, reason: reason() }
}

fn receive(quantity: u32) -> ReceiveStock {
    ReceiveStock { offer: id("lamp"), quantity }
}

fn available(city: &City) -> u32 {
    city.state::<Stock>(id("lamp")).available()
}

/// A lamp with counted units, `quantity` of them on hand.
fn stocked(quantity: u32) -> City {
    let mut city = City::market();
    city.listed_offer("lamp", price(1_000, "EUR"), true);
    city.must(&receive(quantity));
    city
}

#[test]
fn the_last_unit_goes_to_one_of_twenty() {
    let mut city = stocked(1);
    let claims: Vec<_> = (0..20).map(|n| reserve(&city, &format!("buyer {n}"), 1)).collect();
    let claims: Vec<&dyn Intention> = claims.iter().map(|claim| claim as &dyn Intention).collect();
    let results = city.race(&claims);
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    for result in results.iter().filter_map(|result| result.as_ref().err()) {
        assert!(matches!(result, Stop::Rejected(no) if no.code == "STOCK_INSUFFICIENT"
            && no.message == "1 wanted, 0 available"));
    }
    assert_eq!(available(&city), 0);
}

#[test]
fn only_counted_units_are_received_and_counted() {
    let mut city = City::market();
    city.listed_offer("lamp", price(1_000, "EUR"), false);
    assert_eq!(city.refusal(&receive(1)), "STOCK_NOT_COUNTED");
    assert_eq!(city.refusal(&adjust(1)), "STOCK_NOT_COUNTED");
    assert_eq!(city.refusal(&ReceiveStock { offer: id("nothing"), quantity: 1 }), "OFFER_UNKNOWN");
}

#[test]
fn there_are_no_quantities_of_nothing_or_beyond_counting() {
    let mut city = stocked(5);
    let refusals: [&dyn Intention; 6] = [
        &receive(0),
        &receive(QUANTITY_MAX),
        &adjust(i64::from(QUANTITY_MAX)),
        &adjust(i64::MAX),
        &take_back(0),
        &reserve(&city, "cart", 0),
    ];
    for refused in refusals {
        assert_eq!(city.refusal(refused), "STOCK_QUANTITY_OUTSIDE_LIMITS");
    }
}

#[test]
fn a_count_never_takes_what_checkouts_hold() {
    let mut city = stocked(5);
    city.must(&reserve(&city.clone(), "cart", 3));
    assert_eq!(city.refusal(&adjust(-3)), "STOCK_BELOW_HELD");
    assert_eq!(city.refusal(&adjust(i64::MIN)), "STOCK_BELOW_HELD");
    city.must(&adjust(-2));
    assert_eq!(available(&city), 0);
    assert_eq!(city.when(&adjust(0)), Ok(Vec::new()), "already so");
}

#[test]
fn a_reservation_made_again_holds_once() {
    let mut city = stocked(5);
    let claim = reserve(&city, "cart", 3);
    city.must(&claim);
    assert_eq!(city.when(&claim), Ok(Vec::new()), "already so");
    assert_eq!(available(&city), 2);
    assert_eq!(city.refusal(&reserve(&city.clone(), "cart", 2)), "STOCK_HELD_OTHERWISE");
    assert_eq!(city.refusal(&reserve(&city.clone(), "other", 3)), "STOCK_INSUFFICIENT");
}

#[test]
fn released_units_are_free_again_and_releasing_nothing_is_already_so() {
    let mut city = stocked(1);
    assert_eq!(city.when(&release("cart")), Ok(Vec::new()));
    city.must(&reserve(&city.clone(), "cart", 1)).must(&release("cart"));
    assert_eq!(available(&city), 1);
    assert_eq!(city.when(&release("cart")), Ok(Vec::new()));
    assert_eq!(city.refusal(&allocate("cart")), "STOCK_NOT_HELD");
}

#[test]
fn a_reservation_expires_when_it_is_due_and_not_before() {
    let mut city = stocked(1);
    city.must(&reserve(&city.clone(), "cart", 1));
    let due = until(&city);
    city.set_time(due - TimeDelta::microseconds(1));
    assert_eq!(city.refusal(&expire("cart")), "STOCK_RESERVATION_NOT_DUE");
    city.set_time(due);
    assert_eq!(city.when(&expire("cart")).unwrap().len(), 1);
    assert_eq!(city.when(&expire("cart")), Ok(Vec::new()), "already so");
    assert_eq!(available(&city), 1);
}

#[test]
fn allocated_units_are_gone_until_they_are_returned() {
    let mut city = stocked(5);
    city.must(&reserve(&city.clone(), "cart", 3)).must(&allocate("cart"));
    assert_eq!(available(&city), 2);
    assert_eq!(city.refusal(&allocate("cart")), "STOCK_NOT_HELD");
    assert_eq!(city.when(&release("cart")), Ok(Vec::new()), "a late release gives nothing back");
    city.must(&take_back(2));
    assert_eq!(available(&city), 4);
}

#[derive(Clone, Debug)]
enum Move {
    Receive(u32),
    Adjust(i64),
    Reserve(u8, u32),
    Release(u8),
    Expire(u8),
    Allocate(u8),
}

fn any_move() -> impl Strategy<Value = Move> {
    prop_oneof![
        (0_u32..5).prop_map(Move::Receive),
        (-5_i64..5).prop_map(Move::Adjust),
        (0_u8..4, 0_u32..4).prop_map(|(cart, quantity)| Move::Reserve(cart, quantity)),
        (0_u8..4).prop_map(Move::Release),
        (0_u8..4).prop_map(Move::Expire),
        (0_u8..4).prop_map(Move::Allocate),
    ]
}

proptest! {
    #[test]
    fn every_unit_received_is_on_hand_held_or_gone_to_an_order(
        moves in proptest::collection::vec(any_move(), 0..60),
    ) {
        let mut city = stocked(3);
        for next in moves {
            let cart = |cart: u8| format!("cart {cart}");
            let intention: Box<dyn Intention> = match next {
                Move::Receive(quantity) => Box::new(receive(quantity)),
                Move::Adjust(by) => Box::new(adjust(by)),
                Move::Reserve(name, quantity) => Box::new(reserve(&city, &cart(name), quantity)),
                Move::Release(name) => Box::new(release(&cart(name))),
                Move::Expire(name) => Box::new(expire(&cart(name))),
                Move::Allocate(name) => Box::new(allocate(&cart(name))),
            };
            city.pass(TimeDelta::minutes(5)).when(&*intention).ok();
            let (mut on_hand, mut held) = (0_i64, 0_i64);
            for envelope in city.log() {
                if let crate::event::Event::Stock(event) = &envelope.event {
                    match event {
                        Event::Received { quantity } | Event::Returned { quantity, .. } => on_hand += i64::from(*quantity),
                        Event::Adjusted { by, .. } => on_hand += by,
                        Event::Reserved { quantity, .. } => held += i64::from(*quantity),
                        Event::Released { quantity, .. } => held -= i64::from(*quantity),
                        Event::Allocated { quantity, .. } => {
                            on_hand -= i64::from(*quantity);
                            held -= i64::from(*quantity);
                        }
                    }
                }
            }
            prop_assert!(0 <= held && held <= on_hand, "{held} of {on_hand} are held");
            prop_assert_eq!(i64::from(available(&city)), on_hand - held);
        }
    }
}
