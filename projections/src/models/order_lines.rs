//! The lines of orders, as they were frozen when placed, and what of them was canceled since.

use crate::fields::named;
use crate::model::{Keys, ReadModel, Unfit, existing};
use crate::row::table;
use cityos_domain::commission::calculation::Commission;
use cityos_domain::event::Event;
use cityos_domain::ids::{OfferId, OrderId, ProductId, VendorId, VendorOrderId};
use cityos_domain::log::Envelope;
use cityos_domain::money::{Currency, Rate};
use cityos_domain::orders::order::{Bearer, Totals};
use cityos_domain::orders::vendor_order::{self, Belongs, Line, TaxSource};
use cityos_domain::text::Code;

named!(Bearer, TaxSource);
crate::fields::json!(Commission);

table! {
    /// A line. Amounts are for the whole line as placed, in minor units.
    pub struct OrderLine {
        key {
            /// The part it is in.
            part: VendorOrderId,
            /// Its number in the order, from 1.
            number: u32,
        }
        indexed {
            /// The order.
            order: OrderId,
            /// Who sells.
            vendor: VendorId,
            /// What was bought.
            offer: OfferId,
            /// The product.
            product: ProductId,
        }
        plain {
            /// In what currency.
            currency: Currency,
            /// The vendor's name for it.
            sku: Code,
            /// How many.
            quantity: u32,
            /// How many of them will not be shipped.
            canceled_quantity: u32,
            /// What those amounted to.
            canceled: Totals,
            /// The price of one.
            unit_minor: i64,
            /// Whether that price includes tax.
            includes_tax: bool,
            /// Taken off.
            discount_minor: i64,
            /// Who pays for what is taken off.
            discount_bearer: Option<Bearer>,
            /// Goods after discount, without tax.
            net_minor: i64,
            /// Tax on the goods.
            tax_minor: i64,
            /// Its rate.
            tax_rate: Rate,
            /// Where it came from.
            tax_source: TaxSource,
            /// Freight without tax.
            freight_net_minor: i64,
            /// Tax on the freight.
            freight_tax_minor: i64,
            /// What the marketplace keeps, and why.
            commission: Commission,
            /// Whether what is left of it is paid for.
            captured: bool,
        }
    }
}

/// The lines.
pub struct OrderLines;

/// The lines of a part an event is about: as placed, or by number.
pub(super) fn lines_of(event: &Envelope) -> Keys<(VendorOrderId, u32)> {
    let Event::VendorOrder(happened) = &event.event else { return Keys::None };
    let part = VendorOrderId(event.stream.id);
    use vendor_order::Event as E;
    match happened {
        E::Placed { lines, .. } => Keys::Many(lines.iter().map(|line| (part, line.number)).collect()),
        E::UnitsCanceled { line, .. } => Keys::One((part, *line)),
        E::Captured { lines, .. } => Keys::Many(lines.iter().map(|line| (part, *line)).collect()),
        E::Canceled { .. }
        | E::Shipped { .. }
        | E::CaptureFailed { .. }
        | E::Delivered { .. }
        | E::EarningsReleased { .. } => Keys::None,
    }
}

/// The line of this number.
pub(super) fn line(lines: &[Line], number: u32) -> Result<&Line, Unfit> {
    lines.iter().find(|line| line.number == number).ok_or(Unfit::Missing)
}

impl ReadModel for OrderLines {
    const NAME: &'static str = "order_lines";
    const VERSION: u32 = 1;
    type Row = OrderLine;

    fn keys(event: &Envelope) -> Keys<(VendorOrderId, u32)> {
        lines_of(event)
    }

    fn evolve(
        row: Option<OrderLine>,
        (part, number): &(VendorOrderId, u32),
        event: &Envelope,
    ) -> Result<Option<OrderLine>, Unfit> {
        let Event::VendorOrder(happened) = &event.event else { return Ok(row) };
        use vendor_order::Event as E;
        match happened {
            E::Placed { belongs, lines, .. } => Ok(Some(placed(*part, belongs, line(lines, *number)?))),
            E::UnitsCanceled { quantity, totals, .. } => {
                let mut line = existing(row)?;
                line.canceled_quantity += quantity;
                line.canceled = line.canceled.plus(*totals);
                if line.canceled_quantity > line.quantity {
                    return Err(Unfit::Contradiction("more units are canceled than were placed"));
                }
                Ok(Some(line))
            }
            E::Captured { .. } => Ok(Some(OrderLine { captured: true, ..existing(row)? })),
            E::Canceled { .. }
            | E::Shipped { .. }
            | E::CaptureFailed { .. }
            | E::Delivered { .. }
            | E::EarningsReleased { .. } => Ok(row),
        }
    }
}

fn placed(part: VendorOrderId, belongs: &Belongs, line: &Line) -> OrderLine {
    OrderLine {
        part,
        number: line.number,
        order: belongs.order,
        vendor: belongs.vendor,
        offer: line.offer,
        product: line.product,
        currency: belongs.currency,
        sku: line.sku.clone(),
        quantity: line.quantity,
        canceled_quantity: 0,
        canceled: Totals::default(),
        unit_minor: line.unit_minor,
        includes_tax: line.includes_tax,
        discount_minor: line.discount_minor,
        discount_bearer: line.discount_bearer,
        net_minor: line.net_minor,
        tax_minor: line.tax_minor,
        tax_rate: line.tax_rate,
        tax_source: line.tax_source,
        freight_net_minor: line.freight_net_minor,
        freight_tax_minor: line.freight_tax_minor,
        commission: line.commission.clone(),
        captured: false,
    }
}
