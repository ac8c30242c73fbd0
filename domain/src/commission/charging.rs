//! Charging a line: the rule that is for it, what that takes, and the month it counts towards.

use super::calculation::{Commission, Sale};
use super::rules::{CommissionRules, Fee};
use super::tier::{self, CommissionTier, Counted};
use crate::calendar::Month;
use crate::ids::{TenantId, VendorOrderId};
use crate::workspace::{Stop, Workspace};

/// The commission of one line sold in `month`, counted towards the month where its rule has tiers. Lines that
/// are charged later in the same decision see what earlier ones counted.
pub fn charge(
    city: &mut Workspace,
    tenant: TenantId,
    sale: &Sale<'_>,
    month: Month,
    part: VendorOrderId,
) -> Result<Commission, Stop> {
    let rules = city.see::<CommissionRules>(tenant)?;
    let rules_version = rules.version();
    let Some(rule) = rules.rule_for(sale) else {
        return Ok(Commission { rules_version, base_minor: sale.net_minor, ..Commission::default() });
    };
    let counted = match rule.fee {
        Fee::Percent { .. } | Fee::PerUnit { .. } => None,
        Fee::Tiered { .. } => {
            Some(Counted { rule: rule.id, vendor: sale.vendor, month, currency: sale.currency })
        }
    };
    let counted_before_minor = match counted {
        Some(counted) => Some(city.see::<CommissionTier>(counted.id())?.total_minor()),
        None => None,
    };
    let taken = rule.fee.of(sale, counted_before_minor.unwrap_or(0));
    if let Some(counted) = counted {
        let advance = tier::Command::Advance { counted, by_minor: taken.base_minor, part };
        city.send::<CommissionTier>(counted.id(), &advance)?;
    }
    Ok(Commission {
        minor: taken.minor,
        rule: Some(rule.id),
        rules_version,
        base_minor: taken.base_minor,
        rate: taken.rate,
        counted_before_minor,
    })
}
