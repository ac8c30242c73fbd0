//! What those who act in a simulation know of a marketplace: the names of what there is, or was once.

use super::dice::Dice;
use super::wishes::Makes;
use cityos_domain::calendar::Zone;
use cityos_domain::ids::{
    CustomerId, OfferId, OrderId, ProductId, RuleId, StoreId, TenantId, VendorId, VendorOrderId, derive,
};
use cityos_domain::log::Partition;
use cityos_domain::money::Currency;
use cityos_domain::orders::order::part_id;
use cityos_domain::text::{Code, LocalText, Locale, Reason, Slug};
use uuid::Uuid;

/// How often, in a thousand times, it is about the same thing as before.
const SAME_AGAIN: u16 = 350;

const VALID: &str = "simulations use valid values";

/// An order somebody asked for.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Which.
    pub order: OrderId,
    /// From whom.
    pub vendors: Vec<VendorId>,
    /// How many lines.
    pub lines: u32,
}

/// A marketplace.
pub struct Market {
    /// Whose it is.
    pub tenant: TenantId,
    /// Where its days begin and end.
    pub zone: Zone,
    /// What things cost in: its main currency first.
    pub currencies: Vec<Currency>,
    /// Where things are sold.
    pub store: StoreId,
    /// Who sells.
    pub vendors: Vec<VendorId>,
    /// Who buys.
    pub customers: Vec<CustomerId>,
    /// What there is.
    pub products: Vec<ProductId>,
    /// What is sold, and by whom.
    pub offers: Vec<(OfferId, VendorId)>,
    /// What was asked for.
    pub orders: Vec<Asked>,
    /// The rules beside the catch-all.
    pub rules: Vec<RuleId>,
    names: u32,
    last_vendor: Option<VendorId>,
    last_order: Option<Asked>,
}

impl Market {
    /// One in which there is nothing yet.
    pub fn new(number: usize, zone: &str, currencies: &[&str]) -> Self {
        let tenant = TenantId(derive(&["simulation", &number.to_string()]));
        let mut market = Market {
            tenant,
            zone: Zone::parse("zone", zone).expect(VALID),
            currencies: currencies.iter().map(|code| currency(code)).collect(),
            store: StoreId::default(),
            vendors: Vec::new(),
            customers: Vec::new(),
            products: Vec::new(),
            offers: Vec::new(),
            orders: Vec::new(),
            rules: Vec::new(),
            names: 0,
            last_vendor: None,
            last_order: None,
        };
        market.store = market.new_id("store");
        market
    }

    /// Its partition of the log.
    pub fn partition(&self) -> Partition {
        Partition::Tenant(self.tenant)
    }

    /// The id of something new.
    pub fn new_id<Id: From<Uuid>>(&mut self, what: &str) -> Id {
        self.names += 1;
        derive(&["simulation", &self.tenant.to_string(), what, &self.names.to_string()]).into()
    }

    /// A word nobody has used here.
    pub fn new_word(&mut self, what: &str) -> String {
        self.names += 1;
        format!("{what}-{}", self.names)
    }

    /// One of its currencies, mostly the main one.
    pub fn currency(&self, dice: &mut Dice) -> Currency {
        if dice.falls(800) { self.currencies[0] } else { *dice.pick(&self.currencies).expect(VALID) }
    }

    /// A vendor: often the one it was about before.
    pub fn vendor(&mut self, dice: &mut Dice) -> Option<VendorId> {
        let again = self.last_vendor.filter(|_| dice.falls(SAME_AGAIN));
        self.last_vendor = again.or_else(|| dice.pick(&self.vendors).copied());
        self.last_vendor
    }

    /// An offer.
    pub fn offer(&self, dice: &mut Dice) -> Option<(OfferId, VendorId)> {
        dice.pick(&self.offers).copied()
    }

    /// An order: often the one it was about before, mostly one of the latest.
    pub fn order(&mut self, dice: &mut Dice) -> Option<Asked> {
        let again = self.last_order.clone().filter(|_| dice.falls(SAME_AGAIN));
        let latest = &self.orders[self.orders.len().saturating_sub(12)..];
        let among = if dice.falls(850) { latest } else { &self.orders[..] };
        self.last_order = again.or_else(|| dice.pick(among).cloned());
        self.last_order.clone()
    }

    /// A vendor's part of an order.
    pub fn part(&mut self, dice: &mut Dice) -> Option<VendorOrderId> {
        let asked = self.order(dice)?;
        Some(part_id(asked.order, *dice.pick(&asked.vendors)?))
    }

    /// Takes down what there is now.
    pub fn learn(&mut self, made: &Makes) {
        match made {
            Makes::Nothing => {}
            Makes::Offer(offer, vendor) => self.offers.push((*offer, *vendor)),
            Makes::Order(asked) => {
                self.last_order = Some(asked.clone());
                self.orders.push(asked.clone());
            }
        }
    }
}

/// A currency by its code.
pub fn currency(code: &str) -> Currency {
    Currency::parse("currency", code).expect(VALID)
}

/// A code.
pub fn code(text: &str) -> Code {
    Code::parse("code", text).expect(VALID)
}

/// A slug.
pub fn slug(text: &str) -> Slug {
    Slug::parse("slug", text).expect(VALID)
}

/// A locale.
pub fn locale() -> Locale {
    Locale::parse("locale", "en").expect(VALID)
}

/// A name.
pub fn text(text: &str) -> LocalText {
    LocalText::parse("name", [(locale(), text.into())]).expect(VALID)
}

/// A reason.
pub fn reason() -> Reason {
    Reason::parse("reason", "it was drawn").expect(VALID)
}
