//! Whose money it is and in which currency: whatever says otherwise is found, and so is money that went to another.

use super::*;
use crate::ids::VendorId;
use serde_json::json;

/// Names another in the `n`th place of a body that names a vendor or a currency, if there is one, and says which it was.
fn name_another(body: &mut Value, n: usize) -> Option<&'static str> {
    fn walk(value: &mut Value, left: &mut usize) -> Option<&'static str> {
        let Value::Object(fields) = value else {
            return value.as_array_mut()?.iter_mut().find_map(|value| walk(value, left));
        };
        for (name, value) in fields {
            let (name, another) = match name.as_str() {
                "vendor" => ("vendor", json!(id::<VendorId>("eve"))),
                "currency" => ("currency", json!("USD")),
                _ => match walk(value, left) {
                    Some(found) => return Some(found),
                    None => continue,
                },
            };
            if *left == 0 {
                *value = another;
                return Some(name);
            }
            *left -= 1;
        }
        None
    }
    walk(body, &mut { n })
}

#[test]
fn whatever_vendor_or_currency_is_changed_is_found_by_the_command_that_wrote_it() {
    let log = history();
    let mut changed = Vec::new();
    for place in (0..log.len()).filter(|place| concerns(&log[*place])) {
        let stored = log[place].event.encode();
        for n in 0.. {
            let mut body: Value = serde_json::from_str(&stored.body).unwrap();
            let Some(name) = name_another(&mut body, n) else { break };
            let mut log = log.clone();
            log[place].event = Event::decode(&stored.type_name, &body.to_string()).unwrap();
            let first = found(&log).into_iter().next();
            let first = first.unwrap_or_else(|| panic!("the {name} of {stored:?} at {place} is not found"));
            let is_named = match name {
                // A month's id is made of both.
                _ if stored.type_name.starts_with("ledger.") => first.breach == Breach::MonthNotOpen,
                "vendor" => matches!(first.breach, Breach::OtherVendor { .. }),
                _ => matches!(first.breach, Breach::OtherCurrency { .. }),
            };
            // A payout that was only asked for has moved nothing: it shows when it claims something.
            let shows_later = stored.type_name == "payout.requested";
            let at_once = log[first.position.0 as usize - 1].meta.command == log[place].meta.command;
            assert!(is_named && (at_once || shows_later), "the {name} of {stored:?} is found as {first:?}");
            changed.push((stored.type_name.clone(), name));
        }
    }
    changed.sort_unstable();
    changed.dedup();
    for [type_name, name] in [
        ["order.placed", "currency"],
        ["payment.authorised", "currency"],
        ["payment.captured", "currency"],
        ["payment.released", "currency"],
        ["vendor_order.captured", "currency"],
        ["vendor_order.captured", "vendor"],
        ["ledger.posted", "currency"],
        ["ledger.posted", "vendor"],
        ["payout.requested", "currency"],
        ["payout.requested", "vendor"],
        ["payout.claimed", "currency"],
        ["payout.claimed", "vendor"],
        ["payout.paid", "vendor"],
    ] {
        assert!(changed.contains(&(type_name.to_owned(), name)), "no {name} of {type_name} was changed");
    }
}

#[test]
fn a_capture_in_another_currency_is_named_where_it_is_and_neither_currency_adds_up() {
    let mut log = history();
    let place = place(
        &log,
        |event| matches!(event, Event::Payment(payment::Event::Captured { order, .. }) if *order == id("small")),
    );
    let Event::Payment(payment::Event::Captured { currency: of, minor, .. }) = &mut log[place].event else {
        panic!()
    };
    *of = currency("USD");
    let minor = i128::from(*minor);
    let violations = found(&log);
    let (order, part) = (id("small"), part_id(id("small"), id("ann")));
    let breach = Breach::OtherCurrency { found: currency("USD"), expected: currency("EUR") };
    assert_eq!((violations[0].position, &violations[0].breach), (log[place].position, &breach));
    assert_eq!(violations[0].subject, Subject::Part { order, part, vendor: id("ann") });
    let off_by = |code| {
        let of = |violation: &&Violation| violation.subject == Subject::Currency(currency(code));
        let violation = violations.iter().find(of).unwrap();
        let Breach::Differs { figure: Figure::CurrencySum, found_minor, expected_minor } = violation.breach
        else {
            panic!("{violation:?}")
        };
        found_minor - expected_minor
    };
    assert_eq!((off_by("EUR"), off_by("USD")), (-minor, minor));
}

#[test]
fn what_a_vendor_earned_is_found_in_the_ledger_of_another() {
    let mut market = Market::open().with_vendor("ann").with_vendor("bob").with_offer("ann", "cup", 1000);
    does(&mut market, &PostAdjustment { vendor: id("bob"), ..adjustment("goodwill", 1) });
    market.buy(id("order"), Market::cart(&[("cup", 1)])).unwrap();
    let part = part_id(id::<OrderId>("order"), id("ann"));
    does(&mut market, &ShipPart { part, tracking: None });
    does(&mut market, &RecordCapture { part, minor: 1000, reference: "capture".into() });
    does(&mut market, &DeliverPart { part });
    let mut log = market.city.log().to_vec();
    assert_eq!(found(&log), []);

    let of = |wanted: &str| {
        let opened = |envelope: &&Envelope| matches!(&envelope.event, Event::Ledger(month::Event::Opened { vendor, .. }) if *vendor == id(wanted));
        log.iter().find(opened).unwrap().stream
    };
    let (anns, bobs) = (of("ann"), of("bob"));
    for envelope in log.iter_mut().filter(|envelope| envelope.stream == anns) {
        if let Event::Ledger(month::Event::Posted { vendor, .. }) = &mut envelope.event {
            (*vendor, envelope.stream) = (id("bob"), bobs);
        }
    }
    let violations = found(&log);
    let breach = Breach::OtherVendor { found: id("bob"), expected: id("ann") };
    assert_eq!(violations.iter().map(|violation| &violation.breach).collect::<Vec<_>>(), [&breach, &breach]);
    for violation in &violations {
        let at = &log[violation.position.0 as usize - 1];
        assert!(matches!(at.event, Event::Ledger(month::Event::Posted { .. })), "{violation:?}");
        assert_eq!(violation.subject, Subject::Part { order: id("order"), part, vendor: id("ann") });
    }
}
