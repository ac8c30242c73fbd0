//! `cityos import`: brings in sellers, products and orders from CSV files.

use super::say;
use crate::import::{self, Commands, Plan, Target};
use crate::settings::Settings;
use anyhow::Context;
use cityos_domain::calendar::Zone;
use cityos_domain::money::{Currency, Rate};
use cityos_domain::text::Slug;
use cityos_eventstore::clock::{Clock, SystemClock};
use cityos_eventstore::executor::Executor;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

/// The exit code where some rows were refused and everything else was brought in.
const SOME_REJECTED: u8 = 3;

/// Brings in sellers, products and orders from CSV files. Running it again changes nothing; stopped anywhere
/// and run again it goes on. Exits with 3 where rows were refused.
#[derive(Args)]
pub struct Import {
    /// Slug of the tenant; it is made if there is none.
    #[arg(long)]
    tenant: String,
    /// IANA time zone of the tenant, such as America/Sao_Paulo.
    #[arg(long)]
    timezone: String,
    /// ISO 4217 code of the tenant's currency.
    #[arg(long)]
    currency: String,
    /// CSV with seller_id and optionally zip_prefix, city, state.
    #[arg(long, value_name = "FILE")]
    sellers: PathBuf,
    /// CSV with product_id and optionally category, weight_g.
    #[arg(long, value_name = "FILE")]
    products: PathBuf,
    /// CSV with order_id, line, product_id, seller_id, unit_price, freight, currency, ship_by, order_status and
    /// optionally purchased_at, approved_at, delivered_at.
    #[arg(long, value_name = "FILE")]
    order_lines: PathBuf,
    /// What the marketplace takes of all goods, in percent. Nothing is imported where the tenant has decided
    /// otherwise.
    #[arg(long, value_name = "PERCENT")]
    commission_percent: Option<String>,
    /// Where refused rows go. An older file of refused rows is replaced, or removed where none were refused; any
    /// other file stays, and nothing is imported.
    #[arg(long, value_name = "FILE", default_value = "rejects.csv")]
    rejects: PathBuf,
}

impl Import {
    pub async fn run(self, settings: Settings) -> anyhow::Result<ExitCode> {
        let target = Target {
            slug: Slug::parse("--tenant", &self.tenant)?,
            zone: Zone::parse("--timezone", &self.timezone)?,
            currency: Currency::parse("--currency", &self.currency)?,
            commission: self
                .commission_percent
                .as_deref()
                .map(|percent| Rate::parse_percent("--commission-percent", percent))
                .transpose()?,
        };
        import::prepare_rejects(&self.rejects, &[&self.sellers, &self.products, &self.order_lines])?;
        let mut plan = import::plan(
            import::sellers(&self.sellers)?,
            import::products(&self.products)?,
            import::order_lines(&self.order_lines)?,
            SystemClock.now(),
        );
        let stores = crate::app::Stores::open(&settings, Arc::new(SystemClock)).await?;
        let executor = Executor::new(stores.log.clone(), Arc::new(SystemClock), Arc::new(()));
        let commands = Commands::new(executor, stores.input_key);
        let begun = Instant::now();
        let bar = bar(&plan)?;
        let mut rejects = std::mem::take(&mut plan.rejects);
        let done = import::run(&commands, &stores.sealer, &target, &plan, &mut rejects, || bar.inc(1)).await;
        bar.finish_and_clear();
        let written = import::write_rejects(&self.rejects, &rejects).context("writing the rejects");
        if let Ok(Some(path)) = &written {
            say(&format!("{} rows were refused: see {}\n", rejects.len(), path.display()))?;
        }
        let report = done?;
        let seconds = begun.elapsed().as_secs_f64();
        let per_second = report.commands as f64 / seconds;
        say(&format!(
            "{report}\n{} commands in {seconds:.1} s: {per_second:.0} a second\n",
            report.commands
        ))?;
        Ok(match written? {
            None => ExitCode::SUCCESS,
            Some(_) => ExitCode::from(SOME_REJECTED),
        })
    }
}

fn bar(plan: &Plan) -> anyhow::Result<ProgressBar> {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} orders, {per_sec}, {eta} left")?;
    Ok(ProgressBar::new(plan.orders.len() as u64).with_style(style))
}
