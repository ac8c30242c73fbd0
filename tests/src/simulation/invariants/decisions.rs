//! Nothing is decided that what stands in the log right then forbids: what a decision relied on cannot have moved.

use super::{Invariant, hold};
use cityos_domain::event::Event;
use cityos_domain::foundation::tenant;
use cityos_domain::ids::{OfferId, VendorId, VendorOrderId};
use cityos_domain::ledger::payout;
use cityos_domain::log::{Envelope, Partition};
use cityos_domain::marketplace::offer;
use cityos_domain::marketplace::vendor::{self, KycStatus, Stage};
use cityos_domain::orders::vendor_order;
use std::collections::{BTreeMap, BTreeSet};

/// How things stand.
#[derive(Default)]
pub struct Decisions {
    tenants: BTreeMap<Partition, Tenant>,
    vendors: BTreeMap<VendorId, Vendor>,
    sold_by: BTreeMap<OfferId, VendorId>,
    withdrawn: BTreeSet<OfferId>,
    open_parts: BTreeMap<VendorOrderId, (Partition, VendorId)>,
}

#[derive(Default)]
struct Tenant {
    trades: bool,
    suspended: bool,
    over: bool,
    rules_version: u64,
}

#[derive(Default)]
struct Vendor {
    stage: Option<Stage>,
    kyc: KycStatus,
    has_account: bool,
}

impl Invariant for Decisions {
    fn see(&mut self, event: &Envelope) -> Result<(), String> {
        let partition = event.stream.partition;
        let tenant = self.tenants.entry(partition).or_default();
        if let Event::Tenant(happened) = &event.event {
            tenant.learn(happened);
            let open = self.open_parts.values().filter(|(within, _)| *within == partition).count();
            return hold(!tenant.over || open == 0, || format!("a tenant is over with {open} open parts"));
        } else if let Event::CommissionRules(_) = &event.event {
            tenant.rules_version += 1;
        } else if let Event::Vendor(happened) = &event.event {
            let id = VendorId(event.stream.id);
            let vendor = self.vendors.entry(id).or_default();
            vendor.learn(happened);
            let open = self.open_parts.values().filter(|(_, whose)| *whose == id).count();
            return hold(vendor.stage != Some(Stage::Terminated) || open == 0, || {
                format!("a vendor is terminated with {open} open parts")
            });
        } else if let Event::Offer(happened) = &event.event {
            self.learn_of_offer(OfferId(event.stream.id), happened);
        } else if let Event::VendorOrder(happened) = &event.event {
            self.learn_of_part(partition, VendorOrderId(event.stream.id), happened)?;
        } else if let Event::Payout(payout::Event::Claimed { vendor, .. }) = &event.event {
            hold(!tenant.suspended && !tenant.over, || "a tenant that may not pay pays".into())?;
            let vendor = self.vendors.entry(*vendor).or_default();
            let held = matches!(vendor.stage, Some(Stage::Suspended | Stage::Rejected | Stage::Terminated));
            hold(!held, || "a vendor is paid whose payouts are held".into())?;
            hold(vendor.kyc == KycStatus::Verified, || "a vendor is paid who is not proven".into())?;
            hold(vendor.has_account, || "a vendor is paid who has no account".into())?;
        }
        Ok(())
    }
}

impl Decisions {
    fn learn_of_offer(&mut self, id: OfferId, happened: &offer::Event) {
        match happened {
            offer::Event::Listed { vendor, .. } => {
                self.sold_by.insert(id, *vendor);
            }
            offer::Event::Withdrawn { .. } => {
                self.withdrawn.insert(id);
            }
            offer::Event::Relisted { .. } => {
                self.withdrawn.remove(&id);
            }
            offer::Event::PriceChanged { .. } => {}
        }
    }

    fn learn_of_part(
        &mut self,
        partition: Partition,
        id: VendorOrderId,
        happened: &vendor_order::Event,
    ) -> Result<(), String> {
        use vendor_order::Event as E;
        match happened {
            E::Placed { belongs, lines, .. } => {
                self.open_parts.insert(id, (partition, belongs.vendor));
                let tenant = self.tenants.entry(partition).or_default();
                hold(tenant.trades, || "an order is placed with a tenant that may not trade".into())?;
                let vendor = self.vendors.entry(belongs.vendor).or_default();
                hold(vendor.stage == Some(Stage::Approved), || {
                    format!("an order is placed with a vendor that may not sell: {:?}", vendor.stage)
                })?;
                for line in lines {
                    let now = tenant.rules_version;
                    hold(line.commission.rules_version == now, || {
                        format!("commission is taken by rules {}, not {now}", line.commission.rules_version)
                    })?;
                    let sells = self.sold_by.get(&line.offer) == Some(&belongs.vendor);
                    hold(sells, || "a vendor sells what another offers".into())?;
                    let sold = !self.withdrawn.contains(&line.offer);
                    hold(sold, || format!("offer {} is sold and withdrawn", line.offer))?;
                }
            }
            E::Canceled { .. } | E::Delivered { .. } => {
                self.open_parts.remove(&id);
            }
            E::UnitsCanceled { .. }
            | E::Shipped { .. }
            | E::Captured { .. }
            | E::CaptureFailed { .. }
            | E::EarningsReleased { .. } => {}
        }
        Ok(())
    }
}

impl Tenant {
    fn learn(&mut self, happened: &tenant::Event) {
        use tenant::Event as E;
        match happened {
            E::Activated {} | E::Resumed { .. } => (self.trades, self.suspended) = (true, false),
            E::Suspended { .. } => (self.trades, self.suspended) = (false, true),
            E::ClosingStarted { .. } => (self.trades, self.suspended) = (false, false),
            E::Closed {} => (self.trades, self.over) = (false, true),
            E::Provisioned { .. }
            | E::TierChanged { .. }
            | E::PoliciesChanged { .. }
            | E::DefaultStoreChosen { .. }
            | E::PayoutsDue { .. } => {}
        }
    }
}

impl Vendor {
    fn learn(&mut self, happened: &vendor::Event) {
        use vendor::Event as E;
        match happened {
            E::Applied { .. } => self.stage = Some(Stage::Applied),
            E::Invited { .. } => self.stage = Some(Stage::Invited),
            E::OnboardingStarted {} => self.stage = Some(Stage::Onboarding),
            E::SubmittedForReview { .. } => self.stage = Some(Stage::ReadyForReview),
            E::Approved { .. } | E::Resumed { .. } => self.stage = Some(Stage::Approved),
            E::Rejected { .. } => self.stage = Some(Stage::Rejected),
            E::Suspended { .. } => self.stage = Some(Stage::Suspended),
            E::Terminated { .. } => self.stage = Some(Stage::Terminated),
            E::PayoutAccountOpened { .. } => self.has_account = true,
            E::PayoutAccountClosed {} => self.has_account = false,
            E::KycChanged { status, .. } => self.kyc = *status,
            E::PayoutAccountRequested {} => {}
        }
    }
}
