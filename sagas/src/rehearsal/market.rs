//! A small marketplace to rehearse in: one tenant, one store, one vendor who may sell and be paid, one offer.

use super::Act;
use cityos_domain::aggregate::Aggregate;
use cityos_domain::calendar::Zone;
use cityos_domain::foundation::store::{OpenStore, Opening, StoreKind};
use cityos_domain::foundation::tenancy::{RegisterTenant, Registration};
use cityos_domain::foundation::tenant::{self, Policies, Tenant, Tier};
use cityos_domain::ids::{
    CustomerId, OfferId, OrderId, ProductId, StoreId, TenantId, VendorId, VendorOrderId,
};
use cityos_domain::log::Partition;
use cityos_domain::marketplace::customer::RegisterCustomer;
use cityos_domain::marketplace::offer::{ListOffer, Listing, Price};
use cityos_domain::marketplace::product::CreateProduct;
use cityos_domain::marketplace::stock::ReceiveStock;
use cityos_domain::marketplace::vendor::{self, ApplyAsVendor, Introduction, KycStatus, Vendor};
use cityos_domain::money::{Currency, Money};
use cityos_domain::orders::order::{Cart, RequestedLine, part_id};
use cityos_domain::orders::requesting::RequestOrder;
use cityos_domain::rehearsal::id;
use cityos_domain::text::{Code, LocalText, Locale, Reason, Slug};
use cityos_domain::workspace::{Intention, Tell};

/// The currency everything costs.
pub const CURRENCY: &str = "EUR";

/// How many units of the offer there are.
const STOCK: u32 = 5;

/// What one unit costs, in minor units.
const UNIT_MINOR: i64 = 4_000;

/// What sending one unit costs, in minor units.
const FREIGHT_MINOR: i64 = 500;

const VALID: &str = "rehearsals use valid values";

/// The tenant.
pub fn tenant() -> TenantId {
    id("tenant")
}

/// Its partition.
pub fn partition() -> Partition {
    Partition::Tenant(tenant())
}

pub(super) fn vendor() -> VendorId {
    id("vendor")
}

pub(super) fn order() -> OrderId {
    id("order")
}

pub(super) fn part() -> VendorOrderId {
    part_id(order(), vendor())
}

pub(super) fn currency() -> Currency {
    Currency::parse("currency", CURRENCY).expect(VALID)
}

pub(super) fn reason(text: &str) -> Reason {
    Reason::parse("reason", text).expect(VALID)
}

/// Someone wants something done in the tenant's partition.
pub(super) fn wish(intention: impl Intention + 'static) -> Act {
    Act::Tell { partition: partition(), intention: Box::new(intention) }
}

pub(super) fn tell<A: Aggregate>(id: A::Id, command: A::Command) -> Act
where
    A::Id: Send + Sync,
    A::Command: Send + Sync,
{
    wish(Tell::<A> { id, command })
}

pub(super) fn registration() -> Act {
    let registration = Registration {
        slug: Slug::parse("slug", "harbour").expect(VALID),
        name: text("Harbour"),
        subcategory: None,
        zone: Zone::UTC,
        locale: locale(),
        currency: currency(),
        tier: Tier::Basic,
    };
    let intention = Box::new(RegisterTenant { id: tenant(), registration });
    Act::Tell { partition: Partition::Platform, intention }
}

/// The tenant, open and active.
pub(super) fn opened() -> Vec<Act> {
    vec![registration(), Act::Settle]
}

pub(super) fn introduction() -> Introduction {
    Introduction { handle: code("miller"), name: text("Miller"), contact: None }
}

/// The tenant with a vendor who may sell and be paid, and an offer that is in stock.
pub(super) fn stocked(policies: Policies) -> Vec<Act> {
    let mut acts = opened();
    acts.push(tell::<Tenant>(tenant(), tenant::Command::ChangePolicies(policies)));
    acts.push(wish(OpenStore {
        id: store(),
        opening: Opening {
            slug: Slug::parse("slug", "main").expect(VALID),
            name: text("Main"),
            brand: "Harbour".into(),
            kind: StoreKind::Marketplace,
            currencies: vec![currency()],
            locales: vec![locale()],
            regions: vec![],
        },
    }));
    acts.push(wish(ApplyAsVendor { id: vendor(), introduction: introduction() }));
    acts.push(Act::Settle);
    acts.extend(approval());
    for status in [KycStatus::Pending, KycStatus::Verified] {
        acts.push(tell::<Vendor>(
            vendor(),
            vendor::Command::ChangeKyc { status, reason: reason("papers seen") },
        ));
    }
    acts.push(wish(CreateProduct {
        id: id::<ProductId>("lamp"),
        code: code("lamp"),
        title: text("Lamp"),
        category: None,
        weight_g: None,
    }));
    let unit = Money { minor: UNIT_MINOR, currency: currency() };
    acts.push(wish(ListOffer {
        id: offer(),
        listing: Listing {
            vendor: vendor(),
            product: id("lamp"),
            sku: code("lamp-1"),
            prices: vec![Price { unit, freight_minor: FREIGHT_MINOR, includes_tax: true }],
            stock_tracked: true,
        },
    }));
    acts.push(wish(ReceiveStock { offer: offer(), quantity: STOCK }));
    acts.push(wish(RegisterCustomer { id: customer(), guest: true, contact: None }));
    acts.push(Act::Settle);
    acts
}

/// The vendor submits everything and is approved.
pub(super) fn approval() -> Vec<Act> {
    vec![
        tell::<Vendor>(vendor(), vendor::Command::SubmitForReview),
        Act::Settle,
        tell::<Vendor>(vendor(), vendor::Command::Approve { evidence: 1 }),
        Act::Settle,
    ]
}

/// The customer wants so many units.
pub(super) fn request(quantity: u32) -> Act {
    let line = RequestedLine { offer: offer(), quantity, expected_unit: None, freight_minor: None };
    let cart = Cart {
        store: store(),
        customer: customer(),
        currency: currency(),
        lines: vec![line],
        discount: None,
        reference: None,
    };
    wish(RequestOrder { order: order(), cart })
}

fn store() -> StoreId {
    id("store")
}

fn customer() -> CustomerId {
    id("customer")
}

fn offer() -> OfferId {
    id("offer")
}

fn code(text: &str) -> Code {
    Code::parse("code", text).expect(VALID)
}

fn locale() -> Locale {
    Locale::parse("locale", "en").expect(VALID)
}

fn text(text: &str) -> LocalText {
    LocalText::parse("name", [(locale(), text.into())]).expect(VALID)
}
