//! Asks for a payout for every vendor who has something available: on the tenant's schedule, or because an operator
//! says so. Both may happen at once: a vendor and currency still get one payout, and every entry is in one.

use crate::context::NO_INPUT;
use crate::engine::{Engine, EngineError};
use cityos_domain::ids::{CommandId, derive};
use cityos_domain::ledger::book::LedgerOf;
use cityos_domain::ledger::paying_out::RequestPayout;
use cityos_domain::ledger::payout::Trigger;
use cityos_domain::log::{Meta, Partition, Position};
use cityos_domain::rejection::Rejected;
use cityos_eventstore::executor::{Command, ExecuteError};
use cityos_projections::Query;
use cityos_projections::models::vendor_balances::{VendorBalance, VendorBalances};
use futures_util::future::try_join_all;

/// How many payouts are asked for at once.
const REQUESTS_AT_ONCE: usize = 8;

/// What a sweep led to.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Swept {
    /// How many payouts are under way because of it, those that somebody else asked for a moment before included.
    pub requested: usize,
    /// Why vendors with a balance were left out: too little, not verified, suspended, ….
    pub left_out: Vec<Rejected>,
    /// The log as of the last of them.
    pub position: Option<Position>,
}

impl Engine {
    /// Asks for a payout for every vendor of the partition who has money available, as the read models show them.
    /// `meta` is that of the wish: the same wish again asks for nothing more.
    pub async fn sweep_payouts(
        &self,
        partition: Partition,
        meta: &Meta,
        trigger: Trigger,
    ) -> Result<Swept, EngineError> {
        let mut swept = Swept::default();
        let mut rows = Query::<VendorBalances>::new(partition).page(self.reads()).await?;
        loop {
            let available = rows.rows.iter().filter(|(_, row)| row.available_minor > 0);
            let to: Vec<LedgerOf> = available
                .map(|(_, VendorBalance { vendor, currency, .. })| LedgerOf {
                    vendor: *vendor,
                    currency: *currency,
                })
                .collect();
            for some in to.chunks(REQUESTS_AT_ONCE) {
                let requests = some.iter().map(|to| self.request_payout(partition, meta, trigger, *to));
                for answer in try_join_all(requests).await? {
                    match answer {
                        Ok(position) => {
                            swept.requested += 1;
                            swept.position = swept.position.max(Some(position));
                        }
                        Err(rejected) => swept.left_out.push(rejected),
                    }
                }
            }
            match rows.rows.last() {
                Some((last, _)) if rows.more => {
                    let next = Query::<VendorBalances>::new(partition).after(last.clone());
                    rows = next.page(self.reads()).await?;
                }
                Some(_) | None => return Ok(swept),
            }
        }
    }

    async fn request_payout(
        &self,
        partition: Partition,
        meta: &Meta,
        trigger: Trigger,
        LedgerOf { vendor, currency }: LedgerOf,
    ) -> Result<Result<Position, Rejected>, EngineError> {
        let wish = meta.command.to_string();
        let id = CommandId(derive(&["payout sweep", &wish, &vendor.to_string(), currency.code()]));
        let meta = Meta { command: id, ..meta.clone() };
        let command = Command { partition, at: self.now(), meta, input: NO_INPUT, expected: None };
        match self.executor().execute(&command, &RequestPayout { vendor, currency, trigger }).await {
            Ok(executed) => Ok(Ok(executed.position)),
            Err(ExecuteError::Rejected(rejected)) => Ok(Err(rejected)),
            Err(error) => Err(error.into()),
        }
    }
}
