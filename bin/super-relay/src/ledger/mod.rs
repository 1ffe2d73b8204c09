//! The ledger of a running node, through its admin socket: sponsorships, and totals for billing.

mod api;
mod columns;
mod report;
mod server;

pub use server::routes;

use std::io::Write;

use clap::Args;
use paymaster_relay::store::{EntryState, LedgerQuery, Page, UsageBy, UsageQuery, UsageRow};
use proto::Address;

use crate::admin_socket::Node;
use crate::calendar::{parse_month, parse_time};
use crate::config::Config;
use crate::error::Error;
use api::{LEDGER, USAGE};
use columns::{columns_of_entries, columns_of_totals};
use report::{Format, Reader, Report};

/// Which sponsorships to print.
#[derive(Args)]
pub struct EntryArgs {
    /// Requested at this time or later: a date (2026-11-28, in UTC), a time (2026-11-28T12:45:00Z)
    /// or Unix seconds.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    from: Option<u64>,
    /// Requested before this time.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    to: Option<u64>,
    /// On this chain.
    #[arg(long, value_name = "ID")]
    chain_id: Option<u64>,
    /// By this policy.
    #[arg(long, value_name = "ID")]
    policy: Option<String>,
    /// Presented by the API key with this ID.
    #[arg(long, value_name = "ID")]
    api_key: Option<String>,
    /// For this smart account.
    #[arg(long, value_name = "ADDRESS")]
    sender: Option<Address>,
    /// In this state: `reserved`, `signed`, `mined` (in a block that is not final), `settled`,
    /// `released` (not mined), `unknown` (its nonce was used, and no log shows by what).
    #[arg(long, value_name = "STATE")]
    state: Option<EntryState>,
    /// The format.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

/// Which totals to print.
#[derive(Args)]
pub struct TotalArgs {
    /// `policy`, `api-key` or `month`: one row for each in each month; `chain`: one row over all
    /// months. Amounts of different chains are never added up.
    #[arg(long, value_name = "SUBJECT")]
    by: UsageBy,
    /// The first month, as in 2026-11.
    #[arg(long, value_name = "MONTH", value_parser = parse_month)]
    from: Option<String>,
    /// The last month.
    #[arg(long, value_name = "MONTH", value_parser = parse_month)]
    to: Option<String>,
    /// The format.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

/// Prints the sponsorships page by page.
pub async fn print_entries(args: EntryArgs, config: &Config, out: &mut impl Write) -> Result<(), Error> {
    let node = Node::at(config.for_relay()?.admin_socket())?;
    let EntryArgs { from, to, chain_id, policy, api_key, sender, state, format } = args;
    let mut query = LedgerQuery { after: None, from, to, chain_id, policy, api_key, sender, state };
    let mut report = Report::new(format, columns_of_entries(), out);
    loop {
        let Page { entries, next } = node.post(LEDGER, &query).await?;
        match (report.print(&entries)?, next) {
            (Reader::Reads, Some(next)) => query.after = Some(next),
            (Reader::Gone, _) | (_, None) => return Ok(()),
        }
    }
}

/// Prints the totals page by page.
pub async fn print_totals(args: TotalArgs, config: &Config, out: &mut impl Write) -> Result<(), Error> {
    let node = Node::at(config.for_relay()?.admin_socket())?;
    let TotalArgs { by, from, to, format } = args;
    let mut query = UsageQuery { by, from, to, skip: 0 };
    let mut report = Report::new(format, columns_of_totals(by), out);
    loop {
        let rows: Vec<UsageRow> = node.post(USAGE, &query).await?;
        let count = u32::try_from(rows.len()).unwrap_or(u32::MAX);
        if report.print(&rows)? == Reader::Gone || count == 0 {
            return Ok(());
        }
        query.skip = query.skip.saturating_add(count);
    }
}
