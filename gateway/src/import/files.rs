//! The three files of the layout: sellers, products and order lines, read line by line into typed values. No field
//! of the layout holds a line break: a stray quote spoils the line it stands in and no other.

use super::rejects::{Reject, Wrong};
use anyhow::{Context, anyhow, bail};
use chrono::{DateTime, Utc};
use cityos_domain::money::{Currency, Money};
use cityos_domain::text::{Code, Slug};
use csv::{ReaderBuilder, StringRecord, Terminator};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// Where a row stands in its file, from 1; every line counts, the header and blank ones too.
pub type LineNumber = u64;

/// The column that says whose row it is, in `order_lines.csv`.
const ORDER_ID: &str = "order_id";

/// A row of `sellers.csv`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seller {
    /// `seller_id`.
    pub id: Code,
    /// `zip_prefix`, `city` and `state`, as an address of one line.
    pub address: String,
}

/// A row of `products.csv`.
#[derive(Clone, PartialEq, Eq, Debug)]
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

impl Status {
    /// Its name. Receipts depend on it: it never changes.
    pub fn name(self) -> &'static str {
        match self {
            Status::Delivered => "delivered",
            Status::Shipped => "shipped",
            Status::Authorised => "authorised",
            Status::Canceled => "canceled",
        }
    }
}

/// A row of `order_lines.csv`.
#[derive(Clone, Debug)]
pub struct OrderLine {
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
    /// In file order, each with where it stands.
    pub taken: Vec<(LineNumber, T)>,
    /// In file order.
    pub rejects: Vec<Reject>,
    /// Whom rows that could not be read are about, as far as that can be read.
    pub broken: BTreeSet<Code>,
}

/// A row under its column names.
struct Row<'a> {
    columns: &'a [&'a str],
    fields: &'a StringRecord,
}

impl Row<'_> {
    /// The trimmed text of a column; every column asked for is one the file was checked to have.
    fn text(&self, column: &str) -> &str {
        let place = self.columns.iter().position(|name| *name == column);
        place.and_then(|place| self.fields.get(place)).unwrap_or_default().trim()
    }

    fn required(&self, column: &str) -> Result<&str, Wrong> {
        match self.text(column) {
            "" => Err(Wrong::new(column, "is missing")),
            text => Ok(text),
        }
    }

    fn code(&self, column: &str) -> Result<Code, Wrong> {
        Ok(Code::parse(column, self.required(column)?)?)
    }

    fn amount(&self, column: &str, currency: Currency) -> Result<Money, Wrong> {
        let text = self.required(column)?;
        let money = Money::parse(column, text, currency)?;
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
    read("sellers", path, "seller_id", &[], |row| {
        let address = ["zip_prefix", "city", "state"].map(|column| row.text(column)).join(" ");
        Ok(Seller { id: row.code("seller_id")?, address: address.trim().to_owned() })
    })
}

/// Reads `products.csv`: `product_id`, and optionally `category`, `weight_g`. Its `seller_id` says nothing the
/// order lines do not say again.
pub fn products(path: &Path) -> anyhow::Result<Rows<Product>> {
    read("products", path, "product_id", &[], |row| {
        let category = match row.text("category") {
            "" => None,
            text => Some(Slug::parse("category", text)?),
        };
        Ok(Product { id: row.code("product_id")?, category, weight_g: row.whole("weight_g")? })
    })
}

/// Reads `order_lines.csv`: `order_id`, `line`, `product_id`, `seller_id`, `unit_price`, `freight`, `currency`,
/// `ship_by`, `order_status`, and optionally `purchased_at`, `approved_at`, `delivered_at`.
pub fn order_lines(path: &Path) -> anyhow::Result<Rows<OrderLine>> {
    let columns =
        ["line", "product_id", "seller_id", "unit_price", "freight", "currency", "ship_by", "order_status"];
    read("order_lines", path, ORDER_ID, &columns, |row| {
        let currency = Currency::parse("currency", row.required("currency")?)?;
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
            order: row.code(ORDER_ID)?,
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
    id: &str,
    required: &[&str],
    parse: impl Fn(&Row<'_>) -> Result<T, Wrong>,
) -> anyhow::Result<Rows<T>> {
    let opened = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    let is_blank = |text: &io::Result<Vec<u8>>| text.as_ref().is_ok_and(|text| text.trim_ascii().is_empty());
    let mut lines =
        BufReader::new(opened).split(b'\n').zip(1..).filter(|(text, _)| !is_blank(text)).map(
            |(text, line)| anyhow::Ok((text.with_context(|| format!("reading {}", path.display()))?, line)),
        );
    let Some((header, _)) = lines.next().transpose()? else { bail!("{} has no header", path.display()) };
    let header =
        fields(&header).map_err(|wrong| anyhow!("the header of {} {}", path.display(), wrong.reason))?;
    let columns: Vec<_> = header.iter().map(str::trim).collect();
    if let Some(missing) = [id].iter().chain(required).find(|name| !columns.contains(name)) {
        bail!("{} has no column `{missing}`", path.display());
    }
    let mut rows = Rows { taken: Vec::new(), rejects: Vec::new(), broken: BTreeSet::new() };
    for numbered in lines {
        let (text, line) = numbered?;
        let (fields, broken) = match fields_of(&text, columns.len()) {
            Ok(fields) => (fields, None),
            Err(wrong) => (unquoted(&text), Some(wrong)),
        };
        let row = Row { columns: &columns, fields: &fields };
        match broken.map_or_else(|| parse(&row), Err) {
            Ok(taken) => rows.taken.push((line, taken)),
            Err(Wrong { field, reason }) => {
                // Only what has the form of an id is repeated: a broken row may hold anything.
                let about = row.code(id).ok();
                let order = about.as_ref().filter(|_| id == ORDER_ID).map(Code::to_string);
                rows.rejects.push(Reject { file, line, order: order.unwrap_or_default(), field, reason });
                rows.broken.extend(about);
            }
        }
    }
    Ok(rows)
}

/// The fields of a line that has as many as the header.
fn fields_of(line: &[u8], columns: usize) -> Result<StringRecord, Wrong> {
    let fields = fields(line)?;
    match fields.len() == columns {
        true => Ok(fields),
        false => Err(Wrong::new("", format!("has {} fields where the header has {columns}", fields.len()))),
    }
}

fn fields(line: &[u8]) -> Result<StringRecord, Wrong> {
    let closed = line.trim_ascii_end().chain(&b"\n"[..]);
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .terminator(Terminator::Any(b'\n'))
        .buffer_capacity(line.len() + 1)
        .from_reader(closed);
    let mut fields = StringRecord::new();
    // Reading from memory fails at nothing else.
    reader.read_record(&mut fields).map_err(|_| Wrong::new("", "is not UTF-8"))?;
    match fields.iter().any(|field| field.contains('\n')) {
        true => Err(Wrong::new("", "has a quote that is not closed")),
        false => Ok(fields),
    }
}

/// What can be read of a broken line: enough to tell whose row it is.
fn unquoted(line: &[u8]) -> StringRecord {
    String::from_utf8_lossy(line).replace('"', "").split(',').collect()
}
