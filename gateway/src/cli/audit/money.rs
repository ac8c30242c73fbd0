//! `cityos audit money`: adds up all the money in the log, and names what does not fit.

use crate::cli::log::{Log, reason};
use crate::cli::table::table;
use crate::cli::{SOMETHING_WRONG, complain, say};
use crate::settings::Settings;
use cityos_domain::audit::{Breach, Covered, MoneyAudit, Subject, Violation};
use cityos_domain::event::Kind;
use cityos_domain::ids::TenantId;
use cityos_domain::log::{Envelope, Partition, Position};
use cityos_domain::money::{Currency, decimal};
use cityos_eventstore::store::StoreError;
use cityos_eventstore::stored::StoredEvent;
use clap::Args;
use futures_util::StreamExt;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::pin::pin;
use std::process::ExitCode;
use uuid::Uuid;

/// The exit code where there was nothing to add up: that proves nothing.
const NOTHING_COVERED: u8 = 4;

/// Adds up all the money in the log and names what does not fit, with its position. Changes nothing; may run beside a
/// running server.
///
/// For each tenant and currency it proves, at every position: that every ledger transaction sums to zero and moves only
/// accounts of its occasion; that no entry is in two payouts and no payout is settled twice; that each payout is the sum of
/// its entries; that a month begins with what the one before ended with; that what is available and on its way is the sum
/// of the entries; that no more is taken than was authorised; that what is earned and paid out stays with its vendor and in
/// the currency of its order; and for each order, and for all of them together, that received + credit redeemed + discounts
/// the marketplace bears = refunded + earned + commission + tax held.
///
/// It judges what is in the log: that an event is gone of which nothing after it tells, such as a vendor's last adjustment,
/// shows only in `cityos audit verify`.
///
/// Exits with 0 where all of it holds, with 3 where something does not, and with 4 where there was no ledger transaction to
/// look at: that proves nothing.
#[derive(Args)]
pub struct Money {
    /// Only of this tenant: slug or id.
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,
    /// Prints one JSON object a line: each violation, then each tenant and currency covered. Amounts are in minor units;
    /// those beyond 64 bits are text.
    #[arg(long)]
    json: bool,
}

/// An event that tells of money, or what is found of one that may and cannot be read.
type Told = Result<Envelope, Box<Finding>>;

impl Money {
    pub async fn run(self, settings: Settings) -> anyhow::Result<ExitCode> {
        let log = Log::open(&settings).await?;
        let partition = match &self.tenant {
            Some(name) => Some(log.partition(name).await?.id()),
            None => None,
        };
        let told = move |page: Vec<StoredEvent>| -> Vec<Told> {
            let of_tenant = |event: &StoredEvent| partition.is_none_or(|wanted| event.partition == wanted);
            let concerns =
                |event: &StoredEvent| Kind::from_name(&event.kind).is_none_or(MoneyAudit::concerns);
            let concerned = page.into_iter().filter(|event| of_tenant(event) && concerns(event));
            let read = |event: StoredEvent| {
                event.decode().map_err(|error| Box::new(Finding::unreadable(&event, &error)))
            };
            concerned.map(read).collect()
        };
        let mut found = 0;
        let mut audit = MoneyAudit::default();
        let mut pages = pin!(log.pages(Position::START, told));
        while let Some(page) = pages.next().await {
            for told in page? {
                let findings = match told {
                    Ok(event) => audit.take(&event).iter().map(Finding::of).collect(),
                    Err(finding) => vec![*finding],
                };
                found += findings.len();
                self.tell(&log, findings).await?;
            }
        }
        let (violations, covered) = audit.finish();
        found += violations.len();
        self.tell(&log, violations.iter().map(Finding::of).collect()).await?;
        self.report(&log, &covered).await?;
        Ok(match (found, covered.values().any(|covered| covered.transactions > 0)) {
            (0, true) => {
                if !self.json {
                    say("All of it adds up.\n")?;
                }
                ExitCode::SUCCESS
            }
            (0, false) => {
                complain("there is no ledger transaction to look at: this proves nothing");
                ExitCode::from(NOTHING_COVERED)
            }
            (found, _) => {
                complain(&format!("{found} things do not add up"));
                ExitCode::from(SOMETHING_WRONG)
            }
        })
    }

    async fn tell(&self, log: &Log, findings: Vec<Finding>) -> anyhow::Result<()> {
        for Finding { partition, position, stream, mut fields, message } in findings {
            if !self.json {
                let tenant = log.names().of(partition).await;
                let named = ["order", "part", "payout", "vendor", "currency"];
                let named =
                    named.iter().filter_map(|name| Some(format!("{name} {}", fields.get(*name)?.as_str()?)));
                let of = named.collect::<Vec<_>>().join(", ");
                let of = if of.is_empty() { of } else { format!(" ({of})") };
                say(&format!("position {}, {tenant}, {stream}: {message}{of}\n", position.0))?;
                continue;
            }
            fields.insert("tenant".into(), json!(Partition::from_id(partition).tenant()));
            fields.insert("position".into(), json!(position));
            fields.insert("stream".into(), json!(stream));
            fields.insert("message".into(), json!(message));
            say(&format!("{}\n", Value::Object(fields)))?;
        }
        Ok(())
    }

    async fn report(&self, log: &Log, all: &BTreeMap<(Partition, Currency), Covered>) -> anyhow::Result<()> {
        let (mut counted, mut summed) = (Vec::new(), Vec::new());
        for ((partition, currency), covered) in all {
            if self.json {
                say(&format!("{}\n", json_line(partition.tenant(), *currency, covered)))?;
                continue;
            }
            let (tenant, code) = (log.names().of(partition.id()).await.to_string(), currency.to_string());
            let (covered, amount) = (*covered, |minor| decimal(minor, *currency));
            counted.push([
                tenant.clone(),
                code.clone(),
                covered.transactions.to_string(),
                amount(covered.moved_minor),
                covered.orders.to_string(),
                covered.orders_open.to_string(),
                covered.payouts.to_string(),
                covered.payouts_paid.to_string(),
                amount(covered.paid_minor),
            ]);
            let sums = covered.sums;
            summed.push([
                tenant,
                code,
                amount(sums.received_minor),
                amount(sums.credit_redeemed_minor),
                amount(sums.borne_minor),
                amount(sums.refunded_minor),
                amount(sums.earned_minor),
                amount(sums.commission_minor),
                amount(sums.tax_held_minor),
            ]);
        }
        if self.json || all.is_empty() {
            return Ok(());
        }
        let heads =
            ["tenant", "currency", "transactions", "moved", "orders", "open", "payouts", "paid", "paid_out"];
        say(&table(heads, counted))?;
        let heads = [
            "tenant",
            "currency",
            "received",
            "credit",
            "borne",
            "= refunded",
            "earned",
            "commission",
            "tax",
        ];
        say(&format!("\n{}", table(heads, summed)))
    }
}

fn json_line(tenant: Option<TenantId>, currency: Currency, covered: &Covered) -> Value {
    let sums = covered.sums;
    json!({
        "tenant": tenant,
        "currency": currency,
        "transactions": covered.transactions,
        "moved_minor": minor(covered.moved_minor),
        "orders": covered.orders,
        "orders_open": covered.orders_open,
        "payouts": covered.payouts,
        "payouts_paid": covered.payouts_paid,
        "paid_minor": minor(covered.paid_minor),
        "received_minor": minor(sums.received_minor),
        "credit_redeemed_minor": minor(sums.credit_redeemed_minor),
        "borne_minor": minor(sums.borne_minor),
        "refunded_minor": minor(sums.refunded_minor),
        "earned_minor": minor(sums.earned_minor),
        "commission_minor": minor(sums.commission_minor),
        "tax_held_minor": minor(sums.tax_held_minor),
    })
}

/// An amount in minor units: a number, or decimal text where it is more than a number of JSON surely holds.
fn minor(amount: i128) -> Value {
    i64::try_from(amount).map_or_else(|_| json!(amount.to_string()), Value::from)
}

/// What is told of something that does not add up.
struct Finding {
    partition: Uuid,
    position: Position,
    stream: String,
    /// A stable name of what is wrong, whose money it is, and amounts in minor units.
    fields: Map<String, Value>,
    message: String,
}

impl Finding {
    fn of(violation: &Violation) -> Self {
        let mut fields = match violation.subject {
            Subject::Stream => json!({}),
            Subject::Order(order) => json!({ "order": order }),
            Subject::Part { order, part, vendor } => {
                json!({ "order": order, "part": part, "vendor": vendor })
            }
            Subject::Ledger(of) => json!({ "vendor": of.vendor, "currency": of.currency }),
            Subject::Payout { payout, vendor } => json!({ "payout": payout, "vendor": vendor }),
            Subject::Currency(currency) => json!({ "currency": currency }),
        };
        match violation.breach {
            Breach::Differs { found_minor, expected_minor, .. } => {
                fields["found_minor"] = minor(found_minor);
                fields["expected_minor"] = minor(expected_minor);
            }
            Breach::OtherVendor { found, expected } => {
                fields["found_vendor"] = json!(found);
                fields["expected_vendor"] = json!(expected);
            }
            Breach::OtherCurrency { found, expected } => {
                fields["found_currency"] = json!(found);
                fields["expected_currency"] = json!(expected);
            }
            Breach::Unbalanced { .. }
            | Breach::StrayLeg { .. }
            | Breach::Repeated { .. }
            | Breach::MonthNotOpen
            | Breach::EntryNotOpen { .. }
            | Breach::OrderNotOpen
            | Breach::PayoutNotNow { .. } => {}
        }
        let stream = violation.stream;
        Finding {
            partition: stream.partition.id(),
            position: violation.position,
            stream: format!("{}/{}", stream.kind.name(), stream.id),
            fields: named(violation.breach.code(), fields),
            message: violation.breach.to_string(),
        }
    }

    fn unreadable(event: &StoredEvent, error: &StoreError) -> Self {
        Finding {
            partition: event.partition,
            position: event.position,
            stream: format!("{}/{}", event.kind, event.id),
            fields: named("unreadable", json!({})),
            message: reason(error),
        }
    }
}

fn named(violation: &str, fields: Value) -> Map<String, Value> {
    let mut all = Map::from_iter([("violation".to_owned(), json!(violation))]);
    if let Value::Object(fields) = fields {
        all.extend(fields);
    }
    all
}
