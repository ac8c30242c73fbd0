//! Paying a vendor what is available: asking for a payout, claiming entries for it, and how it ends. The claim
//! and the payout are written in one append, so that no entry is ever claimed without one.

use super::book::LedgerOf;
use super::payout::{Command, Payout, Rejection, Trigger, payout_id};
use super::posting::{post, standing};
use super::standing::Standing;
use super::transactions;
use crate::foundation::tenant;
use crate::ids::{PayoutId, VendorId};
use crate::marketplace::vendor::Vendor;
use crate::money::{Currency, Money};
use crate::workspace::{Intention, Stop, Workspace};

/// Asks for a payout of all that is available to a vendor in one currency. The payout's id derives from how
/// many there were: of two who ask at once the second finds it is already so.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RequestPayout {
    /// To whom.
    pub vendor: VendorId,
    /// In what currency.
    pub currency: Currency,
    /// Who wants it.
    pub trigger: Trigger,
}

impl Intention for RequestPayout {
    fn decide(&self, city: &mut Workspace) -> Result<(), Stop> {
        let to = LedgerOf { vendor: self.vendor, currency: self.currency };
        let ordinal = payable(city, to)?.payouts;
        let mut voided = 0;
        while matches!(&*city.see::<Payout>(payout_id(to, ordinal, voided))?, Payout::Voided { .. }) {
            voided += 1;
        }
        let request = Command::Request { to, ordinal, trigger: self.trigger };
        city.send::<Payout>(payout_id(to, ordinal, voided), &request)
    }
}

/// Claims all unclaimed entries for a requested payout. Where the vendor cannot be paid now, or too little is
/// left, the payout is voided instead. Claimed or over already: nothing happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClaimEntries {
    /// For which payout.
    pub payout: PayoutId,
}

impl Intention for ClaimEntries {
    fn decide(&self, city: &mut Workspace) -> Result<(), Stop> {
        let to = match &*city.see::<Payout>(self.payout)? {
            Payout::Unknown => return Err(Rejection::Unknown.into()),
            Payout::Requested { to } => *to,
            Payout::Voided { .. } | Payout::Claimed { .. } | Payout::Paid { .. } | Payout::Failed { .. } => {
                return Ok(());
            }
        };
        let standing = match payable(city, to) {
            Ok(standing) => standing,
            Err(Stop::Rejected(held)) => {
                return city.send::<Payout>(self.payout, &Command::Void { reason: held.to_string() });
            }
            Err(stop @ (Stop::Missing | Stop::Moved { .. })) => return Err(stop),
        };
        let amount = Money { minor: standing.available_minor(), currency: to.currency };
        let transaction = transactions::claimed(self.payout, tenant::today(city)?, amount.minor);
        post(city, to, transaction)?;
        city.send::<Payout>(self.payout, &Command::Claim { amount })
    }
}

/// Records that the transfer provider has a claimed payout. May be repeated with the same reference.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordSubmitted {
    /// Which payout.
    pub payout: PayoutId,
    /// The provider's reference.
    pub reference: String,
}

impl Intention for RecordSubmitted {
    fn decide(&self, city: &mut Workspace) -> Result<(), Stop> {
        city.send::<Payout>(self.payout, &Command::RecordSubmitted { reference: self.reference.clone() })
    }
}

/// Records that the transfer of a submitted payout was made. May be repeated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SettlePayout {
    /// Which payout.
    pub payout: PayoutId,
}

impl Intention for SettlePayout {
    fn decide(&self, city: &mut Workspace) -> Result<(), Stop> {
        let payout = city.see::<Payout>(self.payout)?;
        city.send::<Payout>(self.payout, &Command::Settle)?;
        if let Payout::Claimed { to, amount, .. } = &*payout {
            let transaction = transactions::settled(self.payout, tenant::today(city)?, amount.minor);
            post(city, *to, transaction)?;
        }
        Ok(())
    }
}

/// Ends a payout that came to nothing: its entries are available again. One that claimed nothing yet is voided.
/// May be repeated; a payout that was paid is refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FailPayout {
    /// Which payout.
    pub payout: PayoutId,
    /// Why.
    pub reason: String,
}

impl Intention for FailPayout {
    fn decide(&self, city: &mut Workspace) -> Result<(), Stop> {
        let reason = self.reason.clone();
        match &*city.see::<Payout>(self.payout)? {
            Payout::Requested { .. } => city.send::<Payout>(self.payout, &Command::Void { reason }),
            Payout::Voided { .. } => Ok(()),
            Payout::Claimed { to, amount, .. } => {
                city.send::<Payout>(self.payout, &Command::Fail { reason })?;
                let transaction = transactions::unclaimed(self.payout, tenant::today(city)?, amount.minor);
                post(city, *to, transaction)
            }
            Payout::Unknown | Payout::Paid { .. } | Payout::Failed { .. } => {
                city.send::<Payout>(self.payout, &Command::Fail { reason })
            }
        }
    }
}

/// Where the ledger stands, if the vendor may be paid now and enough is available.
fn payable(city: &mut Workspace, to: LedgerOf) -> Result<Standing, Stop> {
    let tenant = tenant::paying(city)?;
    city.see::<Vendor>(to.vendor)?.can_be_paid()?;
    let standing = standing(city, to)?;
    let minimum_minor = tenant.policies.payout_minimum_minor(to.currency);
    if standing.available_minor() < minimum_minor {
        let available = Money { minor: standing.available_minor(), currency: to.currency };
        let minimum = Money { minor: minimum_minor, currency: to.currency };
        return Err(Rejection::BelowMinimum { available, minimum }.into());
    }
    Ok(standing)
}
