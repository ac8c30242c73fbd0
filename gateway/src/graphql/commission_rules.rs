//! A tenant's commission rules: an ordered list of which the first that matches wins.

use crate::access::{Action, Own};
use crate::graphql::answer::{Changed, Mutation, answers, inputs, mutations};
use crate::graphql::connection::{Node, filter, for_admins, lists, ordering};
use crate::graphql::fees::{CommissionFee, CommissionFeeInput};
use crate::graphql::history::state_at;
use crate::graphql::ids::Id;
use crate::graphql::position::PositionToken;
use crate::graphql::refusal::Refusal;
use crate::graphql::services::{Scope, reading, services, wait_for_reads};
use crate::graphql::staleness::stale;
use async_graphql::{Context, InputObject, Object, SimpleObject};
use cityos_domain::aggregate::Aggregate;
use cityos_domain::commission::adding::AddRule;
use cityos_domain::commission::matching::CategoryPaths;
use cityos_domain::commission::rules::{self, Command, Conditions, Listed, Rule};
use cityos_domain::ids::{ProductCategoryId, ProductId, RuleId, TenantId, VendorId};
use cityos_domain::log::Version;
use cityos_domain::rejection::Rejected;
use cityos_domain::workspace::{Intention, Tell};
use cityos_projections::models::commission_rules::{self, CommissionRules};
use cityos_projections::models::product_categories::ProductCategories;
use cityos_projections::{Filter, Query, by_keys};
use std::collections::BTreeMap;

/// A rule in its place: which lines it is for, and how much it takes of them.
pub struct CommissionRule {
    scope: Scope,
    id: RuleId,
    name: String,
    conditions: Conditions,
    fee: rules::Fee,
    enabled: bool,
}

impl Node for CommissionRule {
    type Model = CommissionRules;

    fn visible(own: Own) -> Option<Filter<commission_rules::CommissionRule>> {
        for_admins(own, commission_rules::CommissionRule::id())
    }

    fn show(scope: Scope, row: commission_rules::CommissionRule) -> Self {
        let commission_rules::CommissionRule { id, rank: _, name, conditions, fee, enabled, list_version: _ } =
            row;
        CommissionRule { scope, id, name, conditions, fee, enabled }
    }
}

impl CommissionRule {
    fn listed(scope: Scope, Listed { rule, enabled }: &Listed) -> Self {
        let Rule { id, name, conditions, fee } = rule.clone();
        CommissionRule { scope, id, name, conditions, fee, enabled: *enabled }
    }
}

#[Object]
impl CommissionRule {
    /// Its id.
    async fn id(&self) -> Id<RuleId> {
        self.id.into()
    }

    /// What people call it.
    async fn name(&self) -> &str {
        &self.name
    }

    /// Whether it takes part.
    async fn enabled(&self) -> bool {
        self.enabled
    }

    /// Only for sales of these vendors; empty: of all.
    async fn vendors(&self) -> Vec<Id<VendorId>> {
        self.conditions.vendors.iter().copied().map(Id).collect()
    }

    /// Only for these products; empty: for all.
    async fn products(&self) -> Vec<Id<ProductId>> {
        self.conditions.products.iter().copied().map(Id).collect()
    }

    /// Only for products in these categories or below; empty: for all.
    async fn product_categories(&self) -> Vec<Id<ProductCategoryId>> {
        self.conditions.categories.iter().copied().map(Id).collect()
    }

    /// How much it takes.
    async fn fee(&self) -> CommissionFee {
        CommissionFee::from(&self.fee)
    }

    /// Whether it is out of date: something that happened later did not fit it, and it waits for an operator.
    async fn stale(&self, ctx: &Context<'_>) -> Result<bool, Refusal> {
        stale::<CommissionRules>(ctx, self.scope.partition, self.id).await
    }
}

filter! {
    /// Which rules.
    CommissionRuleFilter for CommissionRules {
        /// This one.
        id: Id<RuleId> => |id: Id<RuleId>| commission_rules::CommissionRule::id().is(id.0);
    }
}

ordering! {
    /// In which order.
    CommissionRuleSort for CommissionRules {
        /// From the top down, as they are tried.
        Precedence => commission_rules::CommissionRule::rank().descending();
    }
}

lists! {
    /// The tenant's commission rules, from the top down to the catch-all.
    CommissionRuleList { commission_rules: CommissionRule, Action::CommissionRules, CommissionRuleFilter, CommissionRuleSort }
}

/// All commission rules of a tenant.
#[derive(SimpleObject)]
pub struct CommissionRuleBook {
    /// The version of the list: what `expectedVersion` means.
    version: u64,
    /// From the top down to the catch-all.
    rules: Vec<CommissionRule>,
    #[graphql(skip)]
    unreachable: Vec<Id<RuleId>>,
}

/// Asking for the rules as a whole.
#[derive(Default)]
pub struct CommissionRuleBookQuery;

#[Object]
impl CommissionRuleBookQuery {
    /// The tenant's commission rules as a whole, with the version they are at.
    async fn commission_rule_book(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Waits until what is shown is as new as this place, which a mutation answered.")]
        at_least: Option<PositionToken>,
    ) -> Result<CommissionRuleBook, Refusal> {
        let scope = reading(ctx, Action::CommissionRuleBook, at_least.as_ref()).await?;
        let top_down = commission_rules::CommissionRule::rank().descending();
        let rows = Query::<CommissionRules>::new(scope.partition).sort(top_down);
        let rows = rows.fetch(&services(ctx).reads).await?;
        let version = rows.last().map_or(0, |catch_all| catch_all.list_version);
        let rules = rows.into_iter().map(|row| CommissionRule::show(scope, row)).collect();
        Ok(CommissionRuleBook { version, rules, unreachable: Vec::new() })
    }
}

answers! {
    /// What became of the commission rules.
    CommissionRulesResult, CommissionRulesChanged {
        book: CommissionRuleBook, version "The version of the list: what `expectedVersion` means.",
        /// Rules below the one that was added that no sale reaches any more because of it. Empty where none was added.
        unreachable: Vec<Id<RuleId>>
    }
}

/// A new rule.
#[derive(InputObject)]
pub struct AddCommissionRuleInput {
    /// What people call it.
    name: String,
    /// Only for sales of these vendors; empty: of all.
    #[graphql(default)]
    vendors: Vec<Id<VendorId>>,
    /// Only for these products; empty: for all.
    #[graphql(default)]
    products: Vec<Id<ProductId>>,
    /// Only for products in these categories or below; empty: for all.
    #[graphql(default)]
    product_categories: Vec<Id<ProductCategoryId>>,
    /// How much it takes.
    fee: CommissionFeeInput,
}

inputs! {
    "Which rule."
    [EnableCommissionRuleInput, DisableCommissionRuleInput, RemoveCommissionRuleInput] {
        /// The rule.
        rule: Id<RuleId>,
    }
}

/// The fee where no other rule matches.
#[derive(InputObject)]
pub struct ChangeCatchAllCommissionInput {
    /// How much it takes.
    fee: CommissionFeeInput,
}

mutations! {
    /// Mutations of the commission rules. Orders already placed keep the commission they were placed with.
    CommissionRuleMutations {
        /// Puts a rule on top of the list, enabled.
        add_commission_rule
            = AddCommissionRule(mutation, input: AddCommissionRuleInput, expected) -> CommissionRulesResult {
            let id = mutation.command().creates("commission rule");
            let conditions = Conditions {
                vendors: input.vendors.into_iter().map(|Id(id)| id).collect(),
                products: input.products.into_iter().map(|Id(id)| id).collect(),
                categories: input.product_categories.into_iter().map(|Id(id)| id).collect(),
            };
            let fee = input.fee.parse("fee");
            let add = fee.map(|fee| AddRule { rule: Rule { id, name: input.name, conditions, fee } });
            answer(mutation, Some(id), add, expected).await
        }

        /// Lets a rule take part.
        enable_commission_rule
            = EnableCommissionRule(mutation, input: EnableCommissionRuleInput, expected) -> CommissionRulesResult {
            tell(mutation, Ok(Command::Enable { rule: input.rule.0 }), expected).await
        }

        /// Keeps a rule in the list, but out of use.
        disable_commission_rule
            = DisableCommissionRule(mutation, input: DisableCommissionRuleInput, expected) -> CommissionRulesResult {
            tell(mutation, Ok(Command::Disable { rule: input.rule.0 }), expected).await
        }

        /// Takes a rule out of the list.
        remove_commission_rule
            = RemoveCommissionRule(mutation, input: RemoveCommissionRuleInput, expected) -> CommissionRulesResult {
            tell(mutation, Ok(Command::Remove { rule: input.rule.0 }), expected).await
        }

        /// Gives the catch-all at the bottom another fee. It stays enabled or disabled as it was.
        change_catch_all_commission
            = ChangeCatchAllCommission(mutation, input: ChangeCatchAllCommissionInput, expected)
            -> CommissionRulesResult {
            tell(mutation, input.fee.parse("fee").map(|fee| Command::ChangeCatchAll { fee }), expected).await
        }
    }
}

async fn tell(
    mutation: &Mutation<'_>,
    command: Result<Command, Rejected>,
    expected: Option<u64>,
) -> Result<CommissionRulesResult, Refusal> {
    let id = tenant(mutation)?;
    answer(mutation, None, command.map(|command| Tell::<rules::CommissionRules> { id, command }), expected)
        .await
}

/// The list's stream carries the tenant's id.
fn tenant(mutation: &Mutation<'_>) -> Result<TenantId, Refusal> {
    mutation.partition().tenant().ok_or(Refusal::NoTenant)
}

async fn answer(
    mutation: &Mutation<'_>,
    added: Option<RuleId>,
    intention: Result<impl Intention, Rejected>,
    expected: Option<u64>,
) -> Result<CommissionRulesResult, Refusal> {
    let stream = rules::CommissionRules::stream(mutation.partition(), tenant(mutation)?);
    let expected = expected.map(|version| (stream, Version(version)));
    let reached = match mutation.give(intention, expected).await? {
        Ok(reached) => reached,
        Err(denied) => return Ok(CommissionRulesResult::of(mutation.services, Err(denied))),
    };
    let store = mutation.services.executor.store().as_ref();
    let then = state_at::<rules::CommissionRules>(store, stream, reached.position);
    let (list, version) = then.await.map_err(Refusal::failed)?;
    let unreachable = match list.in_order().find(|listed| Some(listed.rule.id) == added) {
        Some(listed) => {
            // No category ever moves: read models this far know all that is named, and answer a repetition the same.
            wait_for_reads(mutation.services, reached.position).await?;
            list.unreachable_after_adding(&listed.rule, &paths(mutation, &list).await?)
        }
        None => Vec::new(),
    };
    let scope = mutation.scope();
    let rules = list.in_order().map(|listed| CommissionRule::listed(scope, listed)).collect();
    let unreachable = unreachable.into_iter().map(Id).collect();
    let node = CommissionRuleBook { version: version.0, rules, unreachable };
    Ok(CommissionRulesResult::of(mutation.services, Ok(Changed { node, version, reached })))
}

/// The categories that rules name, each with all above it: one statement for each level of the tree.
async fn paths(mutation: &Mutation<'_>, list: &rules::CommissionRules) -> Result<CategoryPaths, Refusal> {
    let named = list.in_order().flat_map(|listed| listed.rule.conditions.categories.iter().copied());
    let mut paths: CategoryPaths = named.map(|category| (category, vec![category])).collect();
    let mut parents = BTreeMap::new();
    loop {
        let highest = |path: &Vec<ProductCategoryId>| *path.last().expect("a path begins with its category");
        let unknown: Vec<_> = paths.values().map(highest).filter(|id| !parents.contains_key(id)).collect();
        if unknown.is_empty() {
            return Ok(paths);
        }
        let reads = &mutation.services.reads;
        let found = by_keys::<ProductCategories>(reads, mutation.partition(), unknown.iter().copied());
        let found = found.await?;
        parents.extend(unknown.into_iter().map(|id| (id, found.get(&id).and_then(|row| row.parent))));
        for path in paths.values_mut() {
            while let Some(Some(parent)) = parents.get(&highest(path)) {
                path.push(*parent);
            }
        }
    }
}
