//! Asks for a payout for every vendor who has something available: on the tenant's schedule, or because an operator
//! says so. Both may happen at once: a vendor and currency still get one payout, and every entry is in one.

use crate::context::NO_INPUT;
use crate::engine::{Engine, EngineError};
use cityos_domain::ids::{CommandId, derive};
use cityos_domain::ledger::book::LedgerOf;
use cityos_domain::ledger::paying_out::RequestPayout;
use cityos_domain::ledger::payout::Trigger;
use cityos_domain::log::{Meta, Partition};
use cityos_eventstore::executor::{Command, ExecuteError};
use cityos_projections::Query;
use cityos_projections::models::vendor_balances::{VendorBalance, VendorBalances};
use futures_util::future::join_all;
use std::error::Error;

/// How many payouts are asked for at once.
const REQUESTS_AT_ONCE: usize = 8;

impl Engine {
    /// Asks for a payout for every vendor of the partition who has money available, as the read models show them.
    /// Whoever cannot be paid now, or has too little, is left out. `meta` is that of the wish: the same wish again
    /// asks for nothing more. What fails for one vendor keeps no other from being paid; the first error is given at
    /// the end.
    pub async fn sweep_payouts(
        &self,
        partition: Partition,
        meta: &Meta,
        trigger: Trigger,
    ) -> Result<(), EngineError> {
        let mut balances = Query::<VendorBalances>::new(partition);
        let mut outcome = Ok(());
        loop {
            let page = balances.page(self.reads()).await?;
            let available = page.rows.iter().filter(|(_, row)| row.available_minor > 0);
            let to: Vec<LedgerOf> = available
                .map(|(_, VendorBalance { vendor, currency, .. })| LedgerOf {
                    vendor: *vendor,
                    currency: *currency,
                })
                .collect();
            for some in to.chunks(REQUESTS_AT_ONCE) {
                let requests = some.iter().map(|to| self.request_payout(partition, meta, trigger, *to));
                outcome = join_all(requests).await.into_iter().fold(outcome, Result::and);
            }
            match page.rows.last() {
                Some((last, _)) if page.more => {
                    balances = Query::<VendorBalances>::new(partition).after(last.clone());
                }
                Some(_) | None => return outcome,
            }
        }
    }

    async fn request_payout(
        &self,
        partition: Partition,
        meta: &Meta,
        trigger: Trigger,
        LedgerOf { vendor, currency }: LedgerOf,
    ) -> Result<(), EngineError> {
        let wish = meta.command.to_string();
        let id = CommandId(derive(&["payout sweep", &wish, &vendor.to_string(), currency.code()]));
        let meta = Meta { command: id, ..meta.clone() };
        let command = Command { partition, at: self.now(), meta, input: NO_INPUT, expected: None };
        match self.executor().execute(&command, &RequestPayout { vendor, currency, trigger }).await {
            Ok(_) => Ok(()),
            Err(ExecuteError::Rejected(rejected)) => {
                tracing::debug!(%vendor, currency = currency.code(), %rejected, "left out of the payouts");
                Ok(())
            }
            Err(error) => {
                tracing::error!(%vendor, currency = currency.code(), error = &error as &dyn Error, "a payout could not be asked for");
                Err(error.into())
            }
        }
    }
}
