//! A tenant's commission rules as they are shown: from the top down by rank, the catch-all at the bottom.

use crate::fields::json;
use crate::model::{Keys, ReadModel, Unfit, existing};
use crate::row::table;
use cityos_domain::commission::rules::{self, CommissionRules as List, Conditions, Fee, Rule, catch_all};
use cityos_domain::event::Event;
use cityos_domain::foundation::tenant;
use cityos_domain::ids::RuleId;
use cityos_domain::log::Envelope;

json!(Conditions, Fee);

table! {
    /// A rule in its place.
    pub struct CommissionRule {
        key {
            /// Its id.
            id: RuleId,
        }
        indexed {
            /// Greater is nearer to the top; 0 for the catch-all.
            rank: u64,
        }
        plain {
            /// What people call it.
            name: String,
            /// Which lines it is for.
            conditions: Conditions,
            /// How much it takes.
            fee: Fee,
            /// Whether it takes part.
            enabled: bool,
            /// The version of the whole list. It stands with the catch-all, which is always there: 0 with the others.
            list_version: u64,
        }
    }
}

/// The rules.
pub struct CommissionRules;

impl ReadModel for CommissionRules {
    const NAME: &'static str = "commission_rules";
    const VERSION: u32 = 1;
    type Row = CommissionRule;

    fn keys(event: &Envelope) -> Keys<RuleId> {
        if let Event::CommissionRules(happened) = &event.event {
            match rule_of(happened) {
                rule if rule == catch_all() => Keys::One(rule),
                rule => Keys::Many(vec![rule, catch_all()]),
            }
        } else if let Event::Tenant(tenant::Event::Provisioned { .. }) = &event.event {
            // Every tenant has the catch-all from its first day.
            Keys::One(catch_all())
        } else {
            Keys::None
        }
    }

    fn evolve(
        row: Option<CommissionRule>,
        id: &RuleId,
        event: &Envelope,
    ) -> Result<Option<CommissionRule>, Unfit> {
        let row = row.or_else(|| (*id == catch_all()).then(untouched_catch_all));
        let Event::CommissionRules(happened) = &event.event else { return Ok(row) };
        let version = event.version.0;
        let row = if *id == rule_of(happened) { changed(row, happened, version)? } else { row };
        Ok(row.map(|row| match row.id == catch_all() {
            true => CommissionRule { list_version: version, ..row },
            false => row,
        }))
    }
}

/// The rule an event is about.
fn rule_of(happened: &rules::Event) -> RuleId {
    use rules::Event as E;
    match happened {
        E::Added { rule } => rule.id,
        E::Enabled { rule } | E::Disabled { rule } | E::Removed { rule } => *rule,
        E::CatchAllChanged { .. } => catch_all(),
    }
}

fn changed(
    row: Option<CommissionRule>,
    happened: &rules::Event,
    version: u64,
) -> Result<Option<CommissionRule>, Unfit> {
    use rules::Event as E;
    Ok(match happened {
        E::Added { rule } => Some(listed(rule, version, true)),
        E::Enabled { .. } => Some(CommissionRule { enabled: true, ..existing(row)? }),
        E::Disabled { .. } => Some(CommissionRule { enabled: false, ..existing(row)? }),
        E::Removed { .. } => None,
        E::CatchAllChanged { fee } => Some(CommissionRule { fee: fee.clone(), ..existing(row)? }),
    })
}

fn listed(rule: &Rule, rank: u64, enabled: bool) -> CommissionRule {
    CommissionRule {
        id: rule.id,
        rank,
        name: rule.name.clone(),
        conditions: rule.conditions.clone(),
        fee: rule.fee.clone(),
        enabled,
        list_version: 0,
    }
}

fn untouched_catch_all() -> CommissionRule {
    let list = List::default();
    let bottom = list.in_order().last().expect("the catch-all is always there");
    listed(&bottom.rule, 0, bottom.enabled)
}
