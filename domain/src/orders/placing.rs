//! Placing a requested order once its money is held: prices, discount and commission are frozen in the lines,
//! each vendor gets a part, and the payment is split over the parts, all in one append.

use super::order::{self, Cart, Order, Part, Totals, part_id, payment_id, reservation_id};
use super::payment::{Authorisation, Command as Pay, Method, Payment, Split};
use super::requesting::{buyable, offers};
use super::vendor_order::{Belongs, Command, Line, Placement, TaxSource, VendorOrder};
use crate::calendar::Month;
use crate::commission::calculation::{Commission, Sale};
use crate::commission::charging::charge;
use crate::foundation::tenant::{self, CaptureMoment};
use crate::ids::{OfferId, OrderId, ProductCategoryId, ProductId, VendorId, VendorOrderId};
use crate::marketplace::product::Product;
use crate::marketplace::product_category::ancestors;
use crate::marketplace::stock::{self, Stock};
use crate::money::allocation::allocate;
use crate::money::{Money, Rate};
use crate::workspace::{Intention, Stop, Workspace};
use chrono::TimeDelta;

/// Places a requested order against an authorised payment of exactly what it comes to. Placed already: nothing
/// happens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlaceOrder {
    /// Which order.
    pub order: OrderId,
    /// How it is paid.
    pub method: Method,
    /// How much is held.
    pub authorised: Money,
    /// The provider's reference of the authorisation.
    pub reference: String,
}

impl Intention for PlaceOrder {
    fn decide(&self, city: &mut Workspace) -> Result<(), Stop> {
        let order = city.see::<Order>(self.order)?;
        if matches!(*order, Order::Placed { .. }) {
            return Ok(());
        }
        let cart = order.requested()?.clone();
        drop(order);
        let tenant = tenant::trading(city)?;
        buyable(city, &cart)?;
        let payable = cart.payable();
        if payable != self.authorised {
            return Err(order::Rejection::AmountDiffers { authorised: self.authorised, payable }.into());
        }

        let date = tenant.zone.date(city.at());
        let lines = freeze(city, self.order, &cart, date.month())?;
        let placements: Vec<(VendorOrderId, Placement)> = by_vendor(lines)
            .into_iter()
            .map(|(vendor, lines)| {
                let placement = Placement {
                    belongs: Belongs { order: self.order, vendor, currency: cart.currency },
                    store: cart.store,
                    customer: cart.customer,
                    payment: payment_id(self.order),
                    date,
                    // What was paid elsewhere is not taken by us, and so not before the part ships.
                    capture: match self.method {
                        Method::Provider => tenant.policies.capture,
                        Method::External => CaptureMoment::AtShipment,
                    },
                    lines,
                };
                (part_id(self.order, vendor), placement)
            })
            .collect();
        self.authorise(city, &placements, tenant.policies.authorisation_hours)?;

        let part =
            |(id, placement): &(VendorOrderId, Placement)| Part { id: *id, vendor: placement.belongs.vendor };
        let parts: Vec<Part> = placements.iter().map(part).collect();
        let totals = placements.iter().map(|(_, placement)| placement.totals());
        let totals = totals.fold(Totals::default(), Totals::plus);
        let placement = order::Placement { date, parts, totals };
        city.send::<Order>(self.order, &order::Command::Place { order: self.order, placement })?;

        let ids: Vec<VendorOrderId> = placements.iter().map(|(id, _)| *id).collect();
        city.see_all::<VendorOrder>(&ids)?;
        for (id, placement) in placements {
            city.send::<VendorOrder>(id, &Command::Place(placement.clone()))?;
            allocate_stock(city, id, &placement.lines)?;
        }
        Ok(())
    }
}

impl PlaceOrder {
    fn authorise(
        &self,
        city: &mut Workspace,
        placements: &[(VendorOrderId, Placement)],
        hours: u32,
    ) -> Result<(), Stop> {
        let split = |(part, placement): &(VendorOrderId, Placement)| Split {
            part: *part,
            minor: placement.totals().payable_minor(),
        };
        let expires_at = match self.method {
            Method::Provider => Some(city.at() + TimeDelta::hours(hours.into())),
            Method::External => None,
        };
        let authorisation = Authorisation {
            order: self.order,
            method: self.method,
            amount: self.authorised,
            reference: self.reference.clone(),
            expires_at,
            splits: placements.iter().map(split).collect(),
        };
        city.send::<Payment>(payment_id(self.order), &Pay::Authorise(authorisation))
    }
}

/// The lines of a cart as they will stand for ever, each with its vendor.
fn freeze(
    city: &mut Workspace,
    order: OrderId,
    cart: &Cart,
    month: Month,
) -> Result<Vec<(VendorId, Line)>, Stop> {
    let offers = offers(city, cart)?;
    let goods: Vec<i64> = cart.lines.iter().map(|line| line.goods_minor()).collect();
    let discounts = allocate(cart.discount.map_or(0, |discount| discount.minor), &goods);
    let bearer = cart.discount.map(|discount| discount.bearer);

    let mut lines = Vec::new();
    for (index, (asked, offer)) in cart.lines.iter().zip(&offers).enumerate() {
        let number = u32::try_from(index + 1).expect("a cart has few lines");
        let profile = offer.known()?;
        let price = offer.buyable(cart.currency)?;
        let line = Line {
            number,
            offer: asked.offer,
            product: profile.product,
            sku: profile.sku.clone(),
            quantity: asked.quantity,
            unit_minor: asked.agreed_unit_minor(),
            includes_tax: asked.includes_tax.unwrap_or(price.includes_tax),
            discount_minor: discounts[index],
            discount_bearer: bearer,
            net_minor: goods[index] - discounts[index],
            tax_minor: 0,
            tax_rate: Rate { millionths: 0 },
            tax_source: TaxSource::None,
            freight_net_minor: asked.freight_minor.unwrap_or(0),
            freight_tax_minor: 0,
            commission: Commission::default(),
            reservation: profile.stock_tracked.then(|| reservation_id(order, number)),
        };
        lines.push((profile.vendor, line));
    }
    charge_lines(city, order, cart, month, &mut lines)?;
    Ok(lines)
}

fn charge_lines(
    city: &mut Workspace,
    order: OrderId,
    cart: &Cart,
    month: Month,
    lines: &mut [(VendorId, Line)],
) -> Result<(), Stop> {
    let tenant = city.partition().tenant().ok_or(tenant::Rejection::Unknown)?;
    let products: Vec<ProductId> = lines.iter().map(|(_, line)| line.product).collect();
    let paths = category_paths(city, &products)?;
    let sales: Vec<(VendorOrderId, Sale<'_>)> = lines
        .iter()
        .zip(&paths)
        .map(|((vendor, line), categories)| {
            // The vendor earns as if there were no discount where the marketplace bears it.
            let borne = line.totals().marketplace_discount_minor;
            let sale = Sale {
                vendor: *vendor,
                product: line.product,
                categories,
                currency: cart.currency,
                quantity: line.quantity,
                net_minor: line.net_minor + borne,
                gross_minor: line.net_minor + line.tax_minor + borne,
                freight_net_minor: line.freight_net_minor,
                freight_gross_minor: line.freight_net_minor + line.freight_tax_minor,
            };
            (part_id(order, *vendor), sale)
        })
        .collect();
    let commissions = charge(city, tenant, month, &sales)?;
    for ((_, line), commission) in lines.iter_mut().zip(commissions) {
        line.commission = commission;
    }
    Ok(())
}

/// The category of each product and all above it.
fn category_paths(city: &mut Workspace, products: &[ProductId]) -> Result<Vec<Vec<ProductCategoryId>>, Stop> {
    let mut categories = Vec::new();
    for product in city.see_all::<Product>(products)? {
        categories.push(product.known()?.category);
    }
    // All paths are tried before the first failure counts, so that each level of the tree is loaded at once.
    let paths: Vec<Result<Vec<_>, Stop>> = categories
        .into_iter()
        .map(|category| category.map_or(Ok(Vec::new()), |category| ancestors(city, category)))
        .collect();
    paths.into_iter().collect()
}

/// The lines of each vendor, vendors in the order of their first lines.
fn by_vendor(lines: Vec<(VendorId, Line)>) -> Vec<(VendorId, Vec<Line>)> {
    let mut vendors: Vec<(VendorId, Vec<Line>)> = Vec::new();
    for (vendor, line) in lines {
        match vendors.iter_mut().find(|(known, _)| *known == vendor) {
            Some((_, lines)) => lines.push(line),
            None => vendors.push((vendor, vec![line])),
        }
    }
    vendors
}

fn allocate_stock(city: &mut Workspace, part: VendorOrderId, lines: &[Line]) -> Result<(), Stop> {
    let claims: Vec<_> = lines.iter().filter_map(|line| Some((line.offer, line.reservation?))).collect();
    let offers: Vec<OfferId> = claims.iter().map(|(offer, _)| *offer).collect();
    city.see_all::<Stock>(&offers)?;
    for (offer, reservation) in claims {
        city.send::<Stock>(offer, &stock::Command::Allocate { reservation, part })?;
    }
    Ok(())
}
