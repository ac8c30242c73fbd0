//! Nothing hangs: checkouts and payouts end, held money is taken or given back, and nobody who is gone is owed
//! anything; unless an operator has the run that should see to it in hand.

use super::{Invariant, Rest, hold};
use cityos_domain::event::Event;
use cityos_domain::ids::{OrderId, PaymentId, PayoutId, VendorId, VendorOrderId};
use cityos_domain::ledger::month::{self, Account};
use cityos_domain::ledger::payout;
use cityos_domain::log::{Envelope, Origin};
use cityos_domain::marketplace::vendor;
use cityos_domain::money::Currency;
use cityos_domain::orders::{order, payment};
use std::collections::{BTreeMap, BTreeSet};

/// What is still open.
#[derive(Default)]
pub struct Ends {
    checkouts: BTreeSet<OrderId>,
    payouts: BTreeSet<PayoutId>,
    payments: BTreeMap<PaymentId, Held>,
    owed: BTreeMap<(VendorId, Currency), BTreeMap<Account, i64>>,
    terminated: BTreeSet<VendorId>,
}

#[derive(Default)]
struct Held {
    expired: bool,
    parts: BTreeMap<VendorOrderId, i64>,
}

impl Invariant for Ends {
    fn see(&mut self, event: &Envelope) -> Result<(), String> {
        if let Event::Order(happened) = &event.event {
            let order = OrderId(event.stream.id);
            match happened {
                order::Event::Requested { .. } => self.checkouts.insert(order),
                order::Event::Placed { .. } | order::Event::Declined { .. } => self.checkouts.remove(&order),
            };
        } else if let Event::Payout(happened) = &event.event {
            let payout = PayoutId(event.stream.id);
            match happened {
                payout::Event::Requested { .. } => self.payouts.insert(payout),
                payout::Event::Paid { .. } | payout::Event::Failed { .. } | payout::Event::Voided { .. } => {
                    self.payouts.remove(&payout)
                }
                payout::Event::Claimed { .. } | payout::Event::Submitted { .. } => true,
            };
        } else if let Event::Payment(happened) = &event.event
            && event.meta.origin != Origin::Import
        {
            self.payments.entry(PaymentId(event.stream.id)).or_default().learn(happened);
        } else if let Event::Ledger(month::Event::Posted { vendor, currency, transaction }) = &event.event {
            let owed = self.owed.entry((*vendor, *currency)).or_default();
            for leg in &transaction.legs {
                *owed.entry(leg.account).or_default() += leg.minor;
            }
        } else if let Event::Vendor(vendor::Event::Terminated { .. }) = &event.event {
            self.terminated.insert(VendorId(event.stream.id));
        }
        Ok(())
    }

    fn at_rest(&mut self, rest: &Rest<'_>) -> Result<(), String> {
        let hangs = |saga: &str, about: String| !rest.runs.is_answered_for(saga, &about);
        let checkout = self.checkouts.iter().find(|order| hangs("checkout", order.to_string()));
        hold(checkout.is_none(), || format!("the checkout of order {checkout:?} has no end"))?;
        let payout = self.payouts.iter().find(|payout| hangs("payout", payout.to_string()));
        hold(payout.is_none(), || format!("payout {payout:?} has no end"))?;
        for (id, Held { parts, expired }) in &self.payments {
            let held = parts.iter().filter(|(_, minor)| **minor != 0);
            let held: Vec<_> = held.filter(|(part, _)| hangs("capture", part.to_string())).collect();
            let time_is_up = *expired || rest.at_the_end;
            hold(!time_is_up || held.is_empty(), || format!("payment {id} is held for ever: {held:?}"))?;
        }
        for ((vendor, currency), balances) in &self.owed {
            let owed = [Account::VendorPending, Account::VendorAvailable, Account::VendorInTransit];
            let owed: i64 =
                owed.iter().filter_map(|account| balances.get(account)).map(|minor| minor.abs()).sum();
            hold(owed == 0 || !self.terminated.contains(vendor), || {
                format!("vendor {vendor} is terminated, and this is owed in {currency}: {balances:?}")
            })?;
        }
        Ok(())
    }
}

impl Held {
    fn learn(&mut self, happened: &payment::Event) {
        match happened {
            payment::Event::Authorised { splits, .. } => {
                self.parts = splits.iter().map(|split| (split.part, split.minor)).collect();
            }
            payment::Event::Captured { part, minor, .. } | payment::Event::Released { part, minor, .. } => {
                *self.parts.entry(*part).or_default() -= minor;
            }
            payment::Event::Expired { .. } => self.expired = true,
        }
    }
}
