//! A marketplace to begin a test in: made by the same intentions that make a real one, so that no test stands
//! on a state the rules would not allow.

use super::{City, id};
use crate::calendar::Zone;
use crate::foundation::tenancy::Registration;
use crate::foundation::tenant::{self, ProvisionTenant, Tenant, Tier};
use crate::ids::{OfferId, ProductId, VendorId};
use crate::marketplace::offer::{ListOffer, Listing, Price};
use crate::marketplace::product::CreateProduct;
use crate::marketplace::vendor::{self, ApplyAsVendor, Introduction, KycStatus, Vendor};
use crate::money::{Currency, Money};
use crate::text::{Code, LocalText, Locale, Reason, Slug};
use crate::workspace::{Intention, Tell};

/// A slug that is known to be one.
pub fn slug(text: &str) -> Slug {
    Slug::parse("slug", text).expect("tests name slugs that are")
}

/// A code that is known to be one.
pub fn code(text: &str) -> Code {
    Code::parse("code", text).expect("tests name codes that are")
}

/// An English text.
pub fn text(text: &str) -> LocalText {
    let locale = Locale::parse("locale", "en").expect("English is a language");
    LocalText::parse("text", [(locale, text.to_owned())]).expect("tests name texts that are")
}

/// A reason nobody reads.
pub fn reason() -> Reason {
    Reason::parse("reason", "as rehearsed").expect("it is one line")
}

/// A currency that is known to be one.
pub fn currency(code: &str) -> Currency {
    Currency::parse("currency", code).expect("tests name currencies that are")
}

/// A price without freight or tax, in minor units.
pub fn price(minor: i64, code: &str) -> Price {
    Price { unit: Money { minor, currency: currency(code) }, freight_minor: 0, includes_tax: false }
}

/// What a tenant in Riyadh that sells in euros begins with.
pub fn registration(name: &str) -> Registration {
    Registration {
        slug: slug(name),
        name: text(name),
        subcategory: None,
        zone: Zone::parse("zone", "Asia/Riyadh").expect("Riyadh has a zone"),
        locale: Locale::parse("locale", "en").expect("English is a language"),
        currency: currency("EUR"),
        tier: Tier::Basic,
    }
}

/// The vendor called `name` asks to sell.
pub fn application(name: &str) -> ApplyAsVendor {
    let introduction = Introduction { handle: code(name), name: text(name), contact: None };
    ApplyAsVendor { id: id(name), introduction }
}

/// `vendor` offers `product` for `price`, its units counted or not.
pub fn offer(
    name: &str,
    vendor: VendorId,
    product: ProductId,
    price: Price,
    stock_tracked: bool,
) -> ListOffer {
    let listing = Listing { vendor, product, sku: code(name), prices: vec![price], stock_tracked };
    ListOffer { id: id(name), listing }
}

impl City {
    /// A city in the partition of a tenant that trades.
    pub fn market() -> Self {
        let tenant = id("market");
        let mut city = City::of_tenant(tenant);
        city.must(&ProvisionTenant { registration: registration("market") });
        city.must(&Tell::<Tenant> { id: tenant, command: tenant::Command::Activate });
        city
    }

    /// Does what is known to be allowed.
    pub fn must(&mut self, intention: &dyn Intention) -> &mut Self {
        if let Err(stop) = self.when(intention) {
            panic!("expected no refusal, got {stop:?}");
        }
        self
    }

    /// Gives one command, known to be allowed, to a vendor.
    pub fn tell_vendor(&mut self, id: VendorId, command: vendor::Command) -> &mut Self {
        self.must(&Tell::<Vendor> { id, command })
    }

    /// A vendor that may sell and can be paid.
    pub fn approved_vendor(&mut self, name: &str) -> VendorId {
        let id = id(name);
        let kyc = |status| vendor::Command::ChangeKyc { status, reason: reason() };
        self.must(&application(name))
            .tell_vendor(id, vendor::Command::StartOnboarding)
            .tell_vendor(id, vendor::Command::OpenPayoutAccount { account: format!("account of {name}") })
            .tell_vendor(id, kyc(KycStatus::Pending))
            .tell_vendor(id, kyc(KycStatus::Verified))
            .tell_vendor(id, vendor::Command::SubmitForReview)
            .tell_vendor(id, vendor::Command::Approve { evidence: 1 });
        id
    }

    /// A product without category.
    pub fn product(&mut self, name: &str) -> ProductId {
        let id = id(name);
        let (code, title) = (code(name), text(name));
        self.must(&CreateProduct { id, code, title, category: None, weight_g: None });
        id
    }

    /// An offer that can be bought: of a product and by an approved vendor of its own.
    pub fn listed_offer(&mut self, name: &str, price: Price, stock_tracked: bool) -> OfferId {
        let vendor = self.approved_vendor(&format!("vendor-of-{name}"));
        let product = self.product(&format!("product-of-{name}"));
        self.must(&offer(name, vendor, product, price, stock_tracked));
        id(name)
    }
}
