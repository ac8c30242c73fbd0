//! Charging sales: the rule that is for each, what that takes, and the month it counts towards.

use super::calculation::{Commission, Sale};
use super::rules::{CommissionRules, Fee, Rule};
use super::tier::{self, CommissionTier, Counted};
use crate::calendar::Month;
use crate::ids::{TenantId, VendorOrderId};
use crate::workspace::{Stop, Workspace};

/// The commission of each line sold in `month` with the part it belongs to, counted towards the month where its
/// rule has tiers: a line sees what those before it counted.
pub fn charge(
    city: &mut Workspace,
    tenant: TenantId,
    month: Month,
    sales: &[(VendorOrderId, Sale<'_>)],
) -> Result<Vec<Commission>, Stop> {
    let rules = city.see::<CommissionRules>(tenant)?;
    let applied: Vec<Option<(&Rule, Option<Counted>)>> = sales
        .iter()
        .map(|(_, sale)| rules.rule_for(sale).map(|rule| (rule, rule.counted(sale, month))))
        .collect();
    let counts: Vec<_> = applied.iter().flatten().filter_map(|(_, counted)| Some((*counted)?.id())).collect();
    city.see_all::<CommissionTier>(&counts)?;

    let mut commissions = Vec::new();
    for ((part, sale), applied) in sales.iter().zip(applied) {
        let nothing = Commission {
            rules_version: rules.version(),
            base_minor: sale.net_minor,
            ..Commission::default()
        };
        commissions.push(match applied {
            None => nothing,
            Some((rule, counted)) => {
                let before = match counted {
                    Some(counted) => Some(city.see::<CommissionTier>(counted.id())?.total_minor()),
                    None => None,
                };
                let taken = rule.fee.of(sale, before.unwrap_or(0));
                if let Some(counted) = counted {
                    let advance = tier::Command::Advance { counted, by_minor: taken.base_minor, part: *part };
                    city.send::<CommissionTier>(counted.id(), &advance)?;
                }
                Commission {
                    minor: taken.minor,
                    rule: Some(rule.id),
                    base_minor: taken.base_minor,
                    rate: taken.rate,
                    counted_before_minor: before,
                    ..nothing
                }
            }
        });
    }
    Ok(commissions)
}

impl Rule {
    fn counted(&self, sale: &Sale<'_>, month: Month) -> Option<Counted> {
        match self.fee {
            Fee::Percent { .. } | Fee::PerUnit { .. } => None,
            Fee::Tiered { .. } => {
                Some(Counted { rule: self.id, vendor: sale.vendor, month, currency: sale.currency })
            }
        }
    }
}
