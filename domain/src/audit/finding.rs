//! What an audit finds: what does not add up, of whom, and where in the log it first does not.

use crate::ids::{OrderId, PayoutId, TransactionId, VendorId, VendorOrderId};
use crate::ledger::book::LedgerOf;
use crate::ledger::month::Account;
use crate::log::{Partition, Position, StreamId};
use crate::money::Currency;
use std::collections::HashMap;
use std::fmt;
use std::mem;

/// Something that does not add up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// The event by which it should.
    pub position: Position,
    /// The stream of that event.
    pub stream: StreamId,
    /// Whose money it is.
    pub subject: Subject,
    /// What is wrong.
    pub breach: Breach,
}

/// Whose money does not add up.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Subject {
    /// No more is known than the stream.
    Stream,
    /// An order as a whole.
    Order(OrderId),
    /// A vendor's part of it.
    Part {
        /// The order.
        order: OrderId,
        /// The part.
        part: VendorOrderId,
        /// The vendor.
        vendor: VendorId,
    },
    /// A vendor's ledger.
    Ledger(LedgerOf),
    /// A payout.
    Payout {
        /// The payout.
        payout: PayoutId,
        /// To whom.
        vendor: VendorId,
    },
    /// All of a tenant's money in one currency.
    Currency(Currency),
}

/// What is wrong. Amounts are in minor units.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Breach {
    /// A transaction makes money, or loses it.
    #[error("the legs of the transaction sum to {sum_minor}, not to nothing")]
    Unbalanced {
        /// Their sum.
        sum_minor: i128,
    },
    /// A transaction moves what its occasion does not.
    #[error("a transaction on this occasion does not move the account {account:?}")]
    StrayLeg {
        /// The account.
        account: Account,
    },
    /// A transaction is there twice.
    #[error("the transaction {transaction} is posted again")]
    Repeated {
        /// The transaction.
        transaction: TransactionId,
    },
    /// Something is written into another month than the one that is open, or that is opened beside another.
    #[error("this is not the month of the ledger that is open")]
    MonthNotOpen,
    /// What was to be paid once is paid again.
    #[error(
        "the entry {entry} is not there to be paid: {}",
        .held_by.map_or("it was paid before, or never earned".into(), |other| format!("the payout {other} has it"))
    )]
    EntryNotOpen {
        /// The entry.
        entry: TransactionId,
        /// The payout that has claimed it, if it is under way.
        held_by: Option<PayoutId>,
    },
    /// An order that is over, or was never placed, moves money.
    #[error("no such order, or part of an order, is open: it is over, or was never placed")]
    OrderNotOpen,
    /// A payout goes a way that payouts do not.
    #[error("the payout is {stage}: this cannot happen to it now")]
    PayoutNotNow {
        /// How far it is.
        stage: &'static str,
    },
    /// What is one vendor's is said to be another's.
    #[error("this is of the vendor {expected}, and {found} is named")]
    OtherVendor {
        /// Who is named.
        found: VendorId,
        /// Whose it is by all that was said of it before.
        expected: VendorId,
    },
    /// Money turns into that of another currency.
    #[error("this is in {expected}, and {found} is named")]
    OtherCurrency {
        /// Which is named.
        found: Currency,
        /// Which it is by all that was said of it before.
        expected: Currency,
    },
    /// Two sums that must be the same are not.
    #[error("{figure}: {found_minor}, not {expected_minor}")]
    Differs {
        /// Which.
        figure: Figure,
        /// The first, as `figure` names them.
        found_minor: i128,
        /// The second.
        expected_minor: i128,
    },
}

impl Breach {
    /// A stable name of what is wrong.
    pub fn code(&self) -> &'static str {
        match self {
            Breach::Unbalanced { .. } => "unbalanced",
            Breach::StrayLeg { .. } => "stray_leg",
            Breach::Repeated { .. } => "repeated",
            Breach::MonthNotOpen => "month_not_open",
            Breach::EntryNotOpen { .. } => "entry_not_open",
            Breach::OrderNotOpen => "order_not_open",
            Breach::PayoutNotNow { .. } => "payout_not_now",
            Breach::OtherVendor { .. } => "other_vendor",
            Breach::OtherCurrency { .. } => "other_currency",
            Breach::Differs { figure, .. } => figure.code(),
        }
    }
}

/// Two sums that must be the same: what is found, and by what it is judged.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Figure {
    /// Of an order: received + credit redeemed + discounts the marketplace bears = refunded + earned + commission +
    /// tax held.
    OrderSum,
    /// Of all orders in a currency: the same.
    CurrencySum,
    /// Of an order: what its parts come to.
    Placed(Amount),
    /// Of an order: the authorisation.
    Authorised,
    /// Of a part: what its lines come to.
    Lines(Amount),
    /// Of a part: its share of the authorisation.
    Split,
    /// Of a part: what of its share is neither taken nor given back.
    Held,
    /// Of a part: what is left of it, which is nothing once it is canceled.
    Left(Amount),
    /// Of a part: what was captured, by what was left of it.
    Captured(Amount),
    /// Of a part: what the payment took.
    Received,
    /// Of a part: what the ledger says of its capture.
    Booked(Amount),
    /// Of a part: what was made available to the vendor.
    Released,
    /// Of a ledger: an account as its month begins, by how the month before ended.
    Carried(Account),
    /// Of a ledger: the number of payouts as its month begins.
    CarriedPayouts,
    /// Of a ledger: the number of entries the month before handed on.
    CarriedEntries,
    /// Of a ledger: what is available, by the entries that are unclaimed.
    Available,
    /// Of a ledger: what is on its way, by the entries of the payouts under way.
    InTransit,
    /// Of a payout: the sum of its entries.
    Entries,
    /// Of a payout: what the ledger claimed for it.
    Claimed,
    /// Of a payout: what the ledger says was paid.
    Settled,
    /// Of a payout: what the ledger made available again.
    Returned,
    /// Of a payout that came to nothing: the number of entries available again.
    ReturnedEntries,
}

/// Which amount of an order or a part.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Amount {
    /// What the customer pays.
    Payable,
    /// What the vendor earns.
    Earnings,
    /// What the marketplace keeps.
    Commission,
    /// The discount the marketplace bears.
    Borne,
    /// Tax on top.
    Tax,
}

impl Figure {
    fn code(self) -> &'static str {
        match self {
            Figure::OrderSum => "order_sum",
            Figure::CurrencySum => "currency_sum",
            Figure::Placed(_) => "placed",
            Figure::Authorised => "authorised",
            Figure::Lines(_) => "lines",
            Figure::Split => "split",
            Figure::Held => "held",
            Figure::Left(_) => "left",
            Figure::Captured(_) => "captured",
            Figure::Received => "received",
            Figure::Booked(_) => "booked",
            Figure::Released => "released",
            Figure::Carried(_) => "carried",
            Figure::CarriedPayouts => "carried_payouts",
            Figure::CarriedEntries => "carried_entries",
            Figure::Available => "available",
            Figure::InTransit => "in_transit",
            Figure::Entries => "payout_entries",
            Figure::Claimed => "payout_claimed",
            Figure::Settled => "payout_settled",
            Figure::Returned => "payout_returned",
            Figure::ReturnedEntries => "payout_returned_entries",
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Figure::OrderSum => {
                f.write_str("what was received is not what was refunded, earned, kept and held of it")
            }
            Figure::CurrencySum => {
                f.write_str("what was received in all is not what was refunded, earned, kept and held of it")
            }
            Figure::Placed(amount) => write!(f, "{amount} of the order is not that of its parts"),
            Figure::Authorised => f.write_str("what was authorised is not what the order comes to"),
            Figure::Lines(amount) => write!(f, "{amount} of the part is not that of its lines"),
            Figure::Split => f.write_str("the part's share of the authorisation is not what it comes to"),
            Figure::Held => f.write_str("what is held for the part is not what may still be taken for it"),
            Figure::Left(amount) => write!(f, "{amount} of the part is not that of what was not canceled"),
            Figure::Captured(amount) => {
                write!(f, "{amount} that was captured is not that of what was left of the part")
            }
            Figure::Received => f.write_str("what was taken for the part is not what was captured"),
            Figure::Booked(amount) => write!(f, "{amount} in the ledger is not that of what was captured"),
            Figure::Released => f.write_str("what became available of the part is not what it earned"),
            Figure::Carried(account) => {
                write!(f, "the month does not begin with what the one before ended with on {account:?}")
            }
            Figure::CarriedPayouts => f.write_str("the month does not begin with the payouts there were"),
            Figure::CarriedEntries => f.write_str("the month was not handed on all entries that are open"),
            Figure::Available => f.write_str("what is available is not the sum of the unclaimed entries"),
            Figure::InTransit => f.write_str("what is on its way is not the sum of the payouts' entries"),
            Figure::Entries => f.write_str("the sum of the payout's entries is not what it claimed"),
            Figure::Claimed => f.write_str("what the ledger claimed for the payout is not what it pays"),
            Figure::Settled => f.write_str("what the ledger settled is not what the payout paid"),
            Figure::Returned => f.write_str("what became available again is not what came to nothing"),
            Figure::ReturnedEntries => f.write_str("not all entries of the payout became available again"),
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Amount::Payable => "what is payable",
            Amount::Earnings => "what is earned",
            Amount::Commission => "the commission",
            Amount::Borne => "the discount that the marketplace bears",
            Amount::Tax => "the tax",
        })
    }
}

/// Where in the log something is looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place {
    pub stream: StreamId,
    pub position: Position,
}

/// What was found since it was last asked for.
#[derive(Default)]
pub(super) struct Findings {
    new: Vec<Violation>,
    /// By how much figures are known to differ: each is found once, not again with every event that leaves it so.
    known: HashMap<(Partition, Subject, Figure), i128>,
}

impl Findings {
    pub fn add(&mut self, place: Place, subject: Subject, breach: Breach) {
        self.new.push(Violation { position: place.position, stream: place.stream, subject, breach });
    }

    /// Finds that a vendor is named who is not the one it is of.
    pub fn same_vendor(&mut self, place: Place, subject: Subject, found: VendorId, expected: VendorId) {
        if found != expected {
            self.add(place, subject, Breach::OtherVendor { found, expected });
        }
    }

    /// Finds that a currency is named that it is not in.
    pub fn same_currency(&mut self, place: Place, subject: Subject, found: Currency, expected: Currency) {
        if found != expected {
            self.add(place, subject, Breach::OtherCurrency { found, expected });
        }
    }

    /// Finds that `figure` differs, unless it is known to differ by as much.
    pub fn equal(
        &mut self,
        place: Place,
        subject: Subject,
        figure: Figure,
        found_minor: i128,
        expected_minor: i128,
    ) {
        let off = found_minor - expected_minor;
        if off == 0 && self.known.is_empty() {
            return;
        }
        let key = (place.stream.partition, subject, figure);
        let known = if off == 0 { self.known.remove(&key) } else { self.known.insert(key, off) };
        if off != 0 && known != Some(off) {
            self.add(place, subject, Breach::Differs { figure, found_minor, expected_minor });
        }
    }

    pub fn drain(&mut self) -> Vec<Violation> {
        mem::take(&mut self.new)
    }
}
