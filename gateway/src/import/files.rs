//! The three files of the layout: sellers, products and order lines, read row by row into typed values.

use super::rejects::{Reject, Wrong};
use anyhow::{Context, bail};
use chrono::{DateTime, Utc};
use cityos_domain::money::{Currency, Money};
use cityos_domain::text::{Code, Slug};
use std::path::Path;

/// Where a row stands.
pub type LineNumber = u64;

/// A row of `sellers.csv`.
#[derive(Clone, Debug)]
pub struct Seller {
    /// `seller_id`.
    pub id: Code,
    /// `zip_prefix`, `city` and `state`, as an address of one line.
    pub address: String,
}

/// A row of `products.csv`.
#[derive(Clone, Debug)]
pub struct Product {
    /// `product_id`: the product's code and its offers' SKU.
    pub id: Code,
    /// `category`; none where blank.
    pub category: Option<Slug>,
    /// `weight_g`; none where blank.
    pub weight_g: Option<u32>,
}

/// What became of an order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// `delivered` or blank: captured, shipped and delivered.
    Delivered,
    /// `shipped`: captured and shipped.
    Shipped,
    /// `invoiced` or `processing`: authorised.
    Authorised,
    /// `canceled`: authorised, then released.
    Canceled,
}

/// A row of `order_lines.csv`.
#[derive(Clone, Debug)]
pub struct OrderLine {
    /// Where it stands.
    pub at_line: LineNumber,
    /// `order_id`.
    pub order: Code,
    /// `line`: its number in the order.
    pub number: u32,
    /// `product_id`.
    pub product: Code,
    /// `seller_id`.
    pub seller: Code,
    /// `unit_price` in `currency`.
    pub unit: Money,
    /// `freight` in `currency`.
    pub freight: Money,
    /// `ship_by`.
    pub ship_by: DateTime<Utc>,
    /// `order_status`.
    pub status: Status,
    /// `purchased_at`, where known.
    pub purchased_at: Option<DateTime<Utc>>,
    /// `approved_at`, where known.
    pub approved_at: Option<DateTime<Utc>>,
    /// `delivered_at`, where known.
    pub delivered_at: Option<DateTime<Utc>>,
}

/// The rows of a file that could be read, and those that could not.
#[derive(Debug)]
pub struct Rows<T> {
    /// In file order.
    pub taken: Vec<T>,
    /// In file order.
    pub rejects: Vec<Reject>,
}

/// A row under its column names.
pub struct Row<'a> {
    columns: &'a [String],
    record: &'a csv::StringRecord,
}

impl Row<'_> {
    /// The trimmed text of a column; every column asked for is one the file was checked to have.
    fn text(&self, column: &str) -> &str {
        let place = self.columns.iter().position(|name| name == column);
        place.and_then(|place| self.record.get(place)).unwrap_or_default().trim()
    }

    fn required(&self, column: &str) -> Result<&str, Wrong> {
        match self.text(column) {
            "" => Err(Wrong::new(column, "is missing")),
            text => Ok(text),
        }
    }

    fn code(&self, column: &str) -> Result<Code, Wrong> {
        Code::parse(column, self.required(column)?).map_err(|no| Wrong::from_rules(column, no))
    }

    fn amount(&self, column: &str, currency: Currency) -> Result<Money, Wrong> {
        let text = self.required(column)?;
        let money = Money::parse(column, text, currency).map_err(|no| Wrong::from_rules(column, no))?;
        if money.minor < 0 { Err(Wrong::new(column, "must not be negative")) } else { Ok(money) }
    }

    fn whole(&self, column: &str) -> Result<Option<u32>, Wrong> {
        match self.text(column) {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| Wrong::new(column, "is not a whole number")),
        }
    }

    fn instant(&self, column: &str) -> Result<Option<DateTime<Utc>>, Wrong> {
        let wrong = || Wrong::new(column, "is not an RFC 3339 instant such as 2018-01-18T14:48:00Z");
        match self.text(column) {
            "" => Ok(None),
            text => DateTime::parse_from_rfc3339(text).map(|at| Some(at.to_utc())).map_err(|_| wrong()),
        }
    }
}

/// Reads `sellers.csv`: `seller_id`, and optionally `zip_prefix`, `city`, `state`.
pub fn sellers(path: &Path) -> anyhow::Result<Rows<Seller>> {
    read("sellers", path, &["seller_id"], |_, row| {
        let address = ["zip_prefix", "city", "state"].map(|column| row.text(column)).join(" ");
        Ok(Seller { id: row.code("seller_id")?, address: address.trim().to_owned() })
    })
}

/// Reads `products.csv`: `product_id`, and optionally `category`, `weight_g`. Its `seller_id` says nothing the
/// order lines do not say again.
pub fn products(path: &Path) -> anyhow::Result<Rows<Product>> {
    read("products", path, &["product_id"], |_, row| {
        let category = match row.text("category") {
            "" => None,
            text => Some(Slug::parse("category", text).map_err(|no| Wrong::from_rules("category", no))?),
        };
        Ok(Product { id: row.code("product_id")?, category, weight_g: row.whole("weight_g")? })
    })
}

/// Reads `order_lines.csv`: `order_id`, `line`, `product_id`, `seller_id`, `unit_price`, `freight`, `currency`,
/// `ship_by`, `order_status`, and optionally `purchased_at`, `approved_at`, `delivered_at`.
pub fn order_lines(path: &Path) -> anyhow::Result<Rows<OrderLine>> {
    let columns = [
        "order_id",
        "line",
        "product_id",
        "seller_id",
        "unit_price",
        "freight",
        "currency",
        "ship_by",
        "order_status",
    ];
    read("order_lines", path, &columns, |at_line, row| {
        let currency = row.required("currency")?;
        let currency =
            Currency::parse("currency", currency).map_err(|no| Wrong::from_rules("currency", no))?;
        let status = match row.text("order_status") {
            "" | "delivered" => Status::Delivered,
            "shipped" => Status::Shipped,
            "invoiced" | "processing" => Status::Authorised,
            "canceled" => Status::Canceled,
            _ => {
                let known = "is none of delivered, shipped, invoiced, processing, canceled or blank";
                return Err(Wrong::new("order_status", known));
            }
        };
        let number = row.whole("line")?.filter(|number| *number > 0);
        Ok(OrderLine {
            at_line,
            order: row.code("order_id")?,
            number: number.ok_or_else(|| Wrong::new("line", "must be a whole number from 1"))?,
            product: row.code("product_id")?,
            seller: row.code("seller_id")?,
            unit: row.amount("unit_price", currency)?,
            freight: row.amount("freight", currency)?,
            ship_by: row.instant("ship_by")?.ok_or_else(|| Wrong::new("ship_by", "is missing"))?,
            status,
            purchased_at: row.instant("purchased_at")?,
            approved_at: row.instant("approved_at")?,
            delivered_at: row.instant("delivered_at")?,
        })
    })
}

fn read<T>(
    file: &'static str,
    path: &Path,
    required: &[&str],
    parse: impl Fn(LineNumber, &Row<'_>) -> Result<T, Wrong>,
) -> anyhow::Result<Rows<T>> {
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .from_path(path)
        .with_context(|| format!("opening {}", path.display()))?;
    let headers = reader.headers().with_context(|| format!("reading the header of {}", path.display()))?;
    let columns: Vec<String> = headers.iter().map(|name| name.trim().to_owned()).collect();
    if let Some(missing) = required.iter().find(|name| !columns.iter().any(|column| column == **name)) {
        bail!("{} has no column `{missing}`", path.display());
    }
    let mut rows = Rows { taken: Vec::new(), rejects: Vec::new() };
    let mut bytes = csv::ByteRecord::new();
    while reader.read_byte_record(&mut bytes).with_context(|| format!("reading {}", path.display()))? {
        let line = bytes.position().map_or(0, csv::Position::line);
        let wrong_length = bytes.len() != columns.len();
        let (record, not_text) = match csv::StringRecord::from_byte_record(bytes.clone()) {
            Ok(record) => (record, false),
            Err(error) => (csv::StringRecord::from_byte_record_lossy(error.into_byte_record()), true),
        };
        let row = Row { columns: &columns, record: &record };
        let parsed = if wrong_length {
            Err(Wrong::new("", format!("has {} fields where the header has {}", record.len(), columns.len())))
        } else if not_text {
            Err(Wrong::new("", "is not UTF-8"))
        } else {
            parse(line, &row)
        };
        match parsed {
            Ok(taken) => rows.taken.push(taken),
            Err(Wrong { field, reason }) => {
                // Only what has the form of an order id is repeated: a broken row may hold anything.
                let order = row.code("order_id").map(|code| code.to_string()).unwrap_or_default();
                rows.rejects.push(Reject { file, line, order, field, reason });
            }
        }
    }
    Ok(rows)
}
