//! A small marketplace to rehearse in: one tenant, one store, one vendor who may sell and be paid, one offer.

use super::Act;
use cityos_domain::aggregate::Aggregate;
use cityos_domain::calendar::Zone;
use cityos_domain::foundation::store::{OpenStore, Opening, StoreKind};
use cityos_domain::foundation::tenancy::{RegisterTenant, Registration};
use cityos_domain::foundation::tenant::{self, Policies, Tenant, Tier};
use cityos_domain::ids::{
    CustomerId, OfferId, OrderId, PlaceId, ProductId, StoreId, TenantId, VendorId, VendorOrderId,
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

/// Its vendor.
pub fn vendor() -> VendorId {
    id("miller")
}

/// An order.
pub fn order() -> OrderId {
    id("order")
}

/// The vendor's part of an order.
pub fn part(order: OrderId) -> VendorOrderId {
    part_id(order, vendor())
}

/// The currency everything costs.
pub fn currency() -> Currency {
    Currency::parse("currency", "EUR").expect(VALID)
}

/// A reason.
pub fn reason(text: &str) -> Reason {
    Reason::parse("reason", text).expect(VALID)
}

/// Someone wants something done in the platform's partition.
pub fn of_city(intention: impl Intention + 'static) -> Act {
    Act::Tell { partition: Partition::Platform, intention: Box::new(intention) }
}

/// Someone wants something done in the tenant's partition.
pub fn wish(intention: impl Intention + 'static) -> Act {
    Act::Tell { partition: partition(), intention: Box::new(intention) }
}

/// Someone tells one aggregate of the tenant's partition something.
pub fn tell<A: Aggregate>(id: A::Id, command: A::Command) -> Act
where
    A::Id: Send + Sync,
    A::Command: Send + Sync,
{
    wish(Tell::<A> { id, command })
}

/// The tenant is registered.
pub fn registration() -> Act {
    registration_below(None)
}

/// The tenant is registered in a subcategory, or in none.
pub fn registration_below(subcategory: Option<PlaceId>) -> Act {
    let registration = Registration {
        slug: slug("harbour"),
        name: text("Harbour"),
        subcategory,
        zone: Zone::UTC,
        locale: locale(),
        currency: currency(),
        tier: Tier::Basic,
    };
    of_city(RegisterTenant { id: tenant(), registration })
}

/// The tenant, open and active.
pub fn opened() -> Vec<Act> {
    vec![registration(), Act::Settle]
}

/// How a vendor of this name introduces itself.
pub fn introduction(name: &str) -> Introduction {
    Introduction { handle: code(name), name: text(name), contact: None }
}

/// The tenant with a vendor who may sell and be paid, and an offer that is in stock.
pub fn stocked(policies: Policies) -> Vec<Act> {
    let mut acts = opened();
    acts.push(tell::<Tenant>(tenant(), tenant::Command::ChangePolicies(policies)));
    acts.push(wish(OpenStore {
        id: store(),
        opening: Opening {
            slug: slug("main"),
            name: text("Main"),
            brand: "Harbour".into(),
            kind: StoreKind::Marketplace,
            currencies: vec![currency()],
            locales: vec![locale()],
            regions: vec![],
        },
    }));
    acts.extend(seller("miller"));
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

/// A vendor of this name who may sell and be paid.
pub fn seller(name: &str) -> Vec<Act> {
    let vendor = id(name);
    let mut acts = vec![wish(ApplyAsVendor { id: vendor, introduction: introduction(name) }), Act::Settle];
    acts.extend(approval(vendor));
    acts.extend(proof(vendor));
    acts
}

/// Who a vendor is gets proven.
pub fn proof(vendor: VendorId) -> Vec<Act> {
    let seen = |status| vendor::Command::ChangeKyc { status, reason: reason("papers seen") };
    let statuses = [KycStatus::Pending, KycStatus::Verified];
    statuses.map(|status| tell::<Vendor>(vendor, seen(status))).into()
}

/// A vendor submits everything and is approved.
pub fn approval(vendor: VendorId) -> Vec<Act> {
    vec![
        tell::<Vendor>(vendor, vendor::Command::SubmitForReview),
        Act::Settle,
        tell::<Vendor>(vendor, vendor::Command::Approve { evidence: 1 }),
        Act::Settle,
    ]
}

/// The customer wants so many units.
pub fn request(order: OrderId, quantity: u32) -> Act {
    let line = RequestedLine {
        offer: offer(),
        quantity,
        expected_unit: None,
        freight_minor: None,
        includes_tax: None,
    };
    let cart = Cart {
        store: store(),
        customer: customer(),
        currency: currency(),
        lines: vec![line],
        discount: None,
        reference: None,
    };
    wish(RequestOrder { order, cart })
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

pub(super) fn slug(text: &str) -> Slug {
    Slug::parse("slug", text).expect(VALID)
}

pub(super) fn text(text: &str) -> LocalText {
    LocalText::parse("name", [(locale(), text.into())]).expect(VALID)
}
