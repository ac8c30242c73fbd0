//! Who may do what: one row for every field of the schema's roots says where it works (the platform's partition, or
//! that of the token's tenant) and for whom; callers bound to one vendor or customer get only what is theirs ([`Own`],
//! by `Node::visible`, `ownership` and fields that are null for others). Rules about a single input or argument stand
//! there: discounts (`orders`), canceling for the marketplace (`order_parts`), tokens for others (`session`), any
//! tenant's lookup by an admin of the city (`tenants`).

use crate::context::{Caller, RequestContext, Role};
use crate::graphql::refusal::Refusal;
use cityos_domain::ids::{CustomerId, VendorId};
use cityos_domain::log::Partition;

/// Where a field works.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reach {
    /// In the platform's partition, whatever tenant the token is for.
    Platform,
    /// In the partition of the token's tenant, and no other.
    Tenant,
}

use Reach::{Platform, Tenant};
use Role::{Customer, PlatformAdmin, TenantAdmin, Vendor};

const EVERYONE: &[Role] = &[PlatformAdmin, TenantAdmin, Vendor, Customer];
const CITY: &[Role] = &[PlatformAdmin];
const ADMINS: &[Role] = &[PlatformAdmin, TenantAdmin];
const SELLERS: &[Role] = &[PlatformAdmin, TenantAdmin, Vendor];
const BUYERS: &[Role] = &[PlatformAdmin, TenantAdmin, Customer];

macro_rules! actions {
    ($($action:ident $field:literal $reach:ident $who:ident;)*) => {
        /// Every field of the schema's roots.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Action {
            $(#[doc = concat!("`", $field, "`.")] $action,)*
        }

        impl Action {
            /// All of them.
            pub const ALL: &[Action] = &[$(Action::$action),*];

            /// The field's name in the schema. Command ids derive from it, so it never changes.
            pub fn field(self) -> &'static str {
                match self { $(Action::$action => $field,)* }
            }

            /// Where it works.
            pub fn reach(self) -> Reach {
                match self { $(Action::$action => $reach,)* }
            }

            /// Who may.
            pub fn roles(self) -> &'static [Role] {
                match self { $(Action::$action => $who,)* }
            }
        }
    };
}

actions! {
    // Queries.
    Me                       "me"                       Platform EVERYONE;
    Places                   "places"                   Platform EVERYONE;
    Place                    "place"                    Platform EVERYONE;
    Tenants                  "tenants"                  Platform CITY;
    Tenant                   "tenant"                   Tenant   EVERYONE;
    Stores                   "stores"                   Tenant   EVERYONE;
    Store                    "store"                    Tenant   EVERYONE;
    Vendors                  "vendors"                  Tenant   SELLERS;
    Vendor                   "vendor"                   Tenant   SELLERS;
    Customers                "customers"                Tenant   BUYERS;
    Customer                 "customer"                 Tenant   BUYERS;
    CustomersByEmail         "customersByEmail"         Tenant   ADMINS;
    ProductCategories        "productCategories"        Tenant   EVERYONE;
    ProductCategory          "productCategory"          Tenant   EVERYONE;
    Products                 "products"                 Tenant   EVERYONE;
    Product                  "product"                  Tenant   EVERYONE;
    Offers                   "offers"                   Tenant   EVERYONE;
    Offer                    "offer"                    Tenant   EVERYONE;
    Orders                   "orders"                   Tenant   BUYERS;
    Order                    "order"                    Tenant   BUYERS;
    OrderParts               "orderParts"               Tenant   SELLERS;
    OrderPart                "orderPart"                Tenant   SELLERS;
    OrderLines               "orderLines"               Tenant   SELLERS;
    CommissionRules          "commissionRules"          Tenant   ADMINS;
    CommissionRuleBook       "commissionRuleBook"       Tenant   ADMINS;
    Commissions              "commissions"              Tenant   SELLERS;
    VendorBalances           "vendorBalances"           Tenant   SELLERS;
    LedgerEntries            "ledgerEntries"            Tenant   SELLERS;
    Payouts                  "payouts"                  Tenant   SELLERS;
    Payout                   "payout"                   Tenant   SELLERS;
    SagaRuns                 "sagaRuns"                 Tenant   ADMINS;
    SagaRun                  "sagaRun"                  Tenant   ADMINS;
    SagaRunRepairs           "sagaRunRepairs"           Tenant   ADMINS;
    DueTimers                "dueTimers"                Tenant   ADMINS;
    FrozenRows               "frozenRows"               Tenant   ADMINS;
    TenantDays               "tenantDays"               Tenant   ADMINS;
    MarketplaceTotals        "marketplaceTotals"        Tenant   ADMINS;

    // Mutations.
    DevelopmentToken         "developmentToken"         Platform ADMINS;
    CreatePlace              "createPlace"              Platform CITY;
    RenamePlace              "renamePlace"              Platform CITY;
    ChangePlaceSlug          "changePlaceSlug"          Platform CITY;
    ArchivePlace             "archivePlace"             Platform CITY;
    CreateTenant             "createTenant"             Platform CITY;
    SuspendTenant            "suspendTenant"            Platform CITY;
    ResumeTenant             "resumeTenant"             Platform CITY;
    StartClosingTenant       "startClosingTenant"       Platform CITY;
    CloseTenant              "closeTenant"              Platform CITY;
    ChangeTenantTier         "changeTenantTier"         Platform CITY;
    ChangeTenantPolicies     "changeTenantPolicies"     Tenant   ADMINS;
    OpenStore                "openStore"                Tenant   ADMINS;
    ChooseDefaultStore       "chooseDefaultStore"       Tenant   ADMINS;
    ChangeStoreRegions       "changeStoreRegions"       Tenant   ADMINS;
    ChangeStoreTheme         "changeStoreTheme"         Tenant   ADMINS;
    CloseStore               "closeStore"               Tenant   ADMINS;
    ApplyAsVendor            "applyAsVendor"            Tenant   EVERYONE;
    InviteVendor             "inviteVendor"             Tenant   ADMINS;
    SubmitVendorForReview    "submitVendorForReview"    Tenant   SELLERS;
    ApproveVendor            "approveVendor"            Tenant   ADMINS;
    RejectVendor             "rejectVendor"             Tenant   ADMINS;
    SuspendVendor            "suspendVendor"            Tenant   ADMINS;
    ResumeVendor             "resumeVendor"             Tenant   ADMINS;
    TerminateVendor          "terminateVendor"          Tenant   ADMINS;
    ChangeVendorKyc          "changeVendorKyc"          Tenant   ADMINS;
    RegisterCustomer         "registerCustomer"         Tenant   ADMINS;
    ChangeCustomerContact    "changeCustomerContact"    Tenant   BUYERS;
    CreateProductCategory    "createProductCategory"    Tenant   ADMINS;
    RenameProductCategory    "renameProductCategory"    Tenant   ADMINS;
    ArchiveProductCategory   "archiveProductCategory"   Tenant   ADMINS;
    CreateProduct            "createProduct"            Tenant   SELLERS;
    RetitleProduct           "retitleProduct"           Tenant   ADMINS;
    RecategoriseProduct      "recategoriseProduct"      Tenant   ADMINS;
    ArchiveProduct           "archiveProduct"           Tenant   ADMINS;
    ListOffer                "listOffer"                Tenant   SELLERS;
    ChangeOfferPrice         "changeOfferPrice"         Tenant   SELLERS;
    WithdrawOffer            "withdrawOffer"            Tenant   SELLERS;
    RelistOffer              "relistOffer"              Tenant   SELLERS;
    ReceiveStock             "receiveStock"             Tenant   SELLERS;
    AdjustStock              "adjustStock"              Tenant   SELLERS;
    AddCommissionRule        "addCommissionRule"        Tenant   ADMINS;
    EnableCommissionRule     "enableCommissionRule"     Tenant   ADMINS;
    DisableCommissionRule    "disableCommissionRule"    Tenant   ADMINS;
    RemoveCommissionRule     "removeCommissionRule"     Tenant   ADMINS;
    ChangeCatchAllCommission "changeCatchAllCommission" Tenant   ADMINS;
    PlaceOrder               "placeOrder"               Tenant   BUYERS;
    ShipPart                 "shipPart"                 Tenant   SELLERS;
    DeliverPart              "deliverPart"              Tenant   SELLERS;
    CancelPart               "cancelPart"               Tenant   SELLERS;
    CancelUnits              "cancelUnits"              Tenant   SELLERS;
    PostAdjustment           "postAdjustment"           Tenant   ADMINS;
    RequestPayout            "requestPayout"            Tenant   SELLERS;
    RunPayouts               "runPayouts"               Tenant   ADMINS;
    RetrySagaRun             "retrySagaRun"             Tenant   ADMINS;
    CompensateSagaRun        "compensateSagaRun"        Tenant   ADMINS;
    SkipSagaRunStep          "skipSagaRunStep"          Tenant   ADMINS;
    AbandonSagaRun           "abandonSagaRun"           Tenant   ADMINS;
    RepairSagaRuns           "repairSagaRuns"           Tenant   ADMINS;
}

/// What is about runs and timers: the city has its own, too.
const OF_RUNS: &[Action] = &[
    Action::SagaRuns,
    Action::SagaRun,
    Action::SagaRunRepairs,
    Action::DueTimers,
    Action::FrozenRows,
    Action::RetrySagaRun,
    Action::CompensateSagaRun,
    Action::SkipSagaRunStep,
    Action::AbandonSagaRun,
    Action::RepairSagaRuns,
];

/// A caller who may do what they ask for, and where.
#[derive(Clone, Debug)]
pub struct Admitted {
    /// Who.
    pub caller: Caller,
    /// Where all they see and do with it lies.
    pub partition: Partition,
    /// What of it is theirs.
    pub own: Own,
}

/// What of a tenant's things a caller may see and touch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Own {
    /// All of them.
    All,
    /// One vendor's.
    Vendor(VendorId),
    /// One customer's.
    Customer(CustomerId),
}

impl Own {
    /// The vendor all must belong to, if one.
    pub fn vendor(self) -> Option<VendorId> {
        match self {
            Own::All | Own::Customer(_) => None,
            Own::Vendor(vendor) => Some(vendor),
        }
    }

    /// The customer all must belong to, if one.
    pub fn customer(self) -> Option<CustomerId> {
        match self {
            Own::All | Own::Vendor(_) => None,
            Own::Customer(customer) => Some(customer),
        }
    }

    /// Whether what belongs to `vendor` may be seen by someone with this share: commission, balances and what
    /// else a buyer is not told.
    pub fn sells(self, vendor: VendorId) -> bool {
        match self {
            Own::All => true,
            Own::Vendor(own) => own == vendor,
            Own::Customer(_) => false,
        }
    }
}

/// Decides whether whoever asks may do `action`.
pub fn admit(context: &RequestContext, action: Action) -> Result<Admitted, Refusal> {
    let caller = context.caller.clone()?;
    if !caller.is_any(action.roles()) {
        return Err(Refusal::Forbidden);
    }
    let partition = match (action.reach(), caller.tenant) {
        (Platform, _) => Partition::Platform,
        (Tenant, Some(tenant)) => Partition::Tenant(tenant),
        // An admin of the city without a tenant looks after the city's own runs, timers and rows.
        (Tenant, None) if OF_RUNS.contains(&action) => Partition::Platform,
        (Tenant, None) => return Err(Refusal::NoTenant),
    };
    let own = own(&caller, action);
    Ok(Admitted { caller, partition, own })
}

/// The share of someone with several roles is that of the strongest that may do `action`.
fn own(caller: &Caller, action: Action) -> Own {
    let may_as = |role| action.roles().contains(&role);
    match (caller.vendor, caller.customer) {
        (_, _) if caller.is_admin() => Own::All,
        (Some(vendor), _) if may_as(Vendor) => Own::Vendor(vendor),
        (_, Some(customer)) if may_as(Customer) => Own::Customer(customer),
        // No role of theirs may: `admit` has refused.
        (_, _) => Own::All,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cityos_domain::ids::TenantId;
    use uuid::Uuid;

    fn context(role: Role, tenant: bool) -> RequestContext {
        let id = Uuid::from_u128(7);
        RequestContext {
            caller: Ok(Caller {
                subject: "ada".into(),
                roles: [role].into(),
                tenant: tenant.then_some(TenantId(id)),
                vendor: (role == Vendor).then_some(VendorId(id)),
                customer: (role == Customer).then_some(CustomerId(id)),
            }),
            locale: None,
            correlation: id,
            traceparent: None,
        }
    }

    #[test]
    fn only_the_roles_of_a_row_get_in_and_only_where_the_row_says() {
        for action in Action::ALL {
            for role in EVERYONE {
                let admitted = admit(&context(*role, true), *action);
                assert_eq!(admitted.is_ok(), action.roles().contains(role), "{action:?} as {role:?}");
                if let Ok(admitted) = admitted {
                    let tenant = admitted.partition.tenant().is_some();
                    assert_eq!(tenant, action.reach() == Tenant, "{action:?}");
                }
            }
        }
    }

    #[test]
    fn an_admin_of_the_city_without_a_tenant_sees_nothing_of_any_tenant() {
        let city = context(PlatformAdmin, false);
        for action in Action::ALL {
            if let Ok(admitted) = admit(&city, *action) {
                assert_eq!(admitted.partition, Partition::Platform, "{action:?}");
            }
        }
        assert!(matches!(admit(&city, Action::Orders), Err(Refusal::NoTenant)));
    }

    #[test]
    fn vendors_and_customers_get_no_more_than_what_is_theirs() {
        for action in Action::ALL {
            for role in [Vendor, Customer] {
                if let Ok(admitted) = admit(&context(role, true), *action) {
                    assert_ne!(admitted.own, Own::All, "{action:?} as {role:?}");
                }
            }
        }
    }
}
