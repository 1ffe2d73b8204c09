//! The columns of the reports.

use paymaster_relay::store::{Entry, UsageBy, UsageRow};

use super::report::Column;
use paymaster_relay::calendar::timestamp;

/// `is_short` are those of a table.
const fn column<R>(name: &'static str, is_short: bool, cell: fn(&R) -> String) -> Column<R> {
    Column { name, is_short, cell }
}

fn text<T: ToString>(value: Option<&T>) -> String {
    value.map(ToString::to_string).unwrap_or_default()
}

pub fn columns_of_entries() -> Vec<Column<Entry>> {
    vec![
        column("requested_at", true, |entry| timestamp(entry.requested_at)),
        column("state", true, |entry| entry.state.to_string()),
        column("chain_id", true, |entry| entry.chain_id.to_string()),
        column("account_id", true, |entry| entry.account_id.clone()),
        column("sender", true, |entry| entry.sender.to_string()),
        column("policy", true, |entry| entry.policy.clone()),
        column("api_key", true, |entry| text(entry.api_key.as_ref())),
        column("worst_case_wei", true, |entry| entry.worst_case.0.to_string()),
        column("cost_wei", true, |entry| text(entry.cost.map(|cost| cost.0).as_ref())),
        column("gas_used", false, |entry| text(entry.gas_used.as_ref())),
        column("succeeded", false, |entry| text(entry.succeeded.as_ref())),
        column("block", false, |entry| text(entry.block.as_ref())),
        column("transaction", true, |entry| text(entry.transaction.as_ref())),
        column("user_op_hash", false, |entry| text(entry.user_op_hash.as_ref())),
        column("entry_point", false, |entry| entry.entry_point.to_string()),
        column("paymaster", false, |entry| entry.paymaster.to_string()),
        column("valid_until", false, |entry| timestamp(entry.valid_until)),
        column("id", false, |entry| entry.id.clone()),
    ]
}

pub fn columns_of_totals(by: UsageBy) -> Vec<Column<UsageRow>> {
    let mut columns = vec![column("chain_id", true, |row: &UsageRow| row.chain_id.to_string())];
    if by != UsageBy::Chain {
        columns.insert(0, column("month", true, |row| row.month.clone()));
    }
    match by {
        UsageBy::Policy => columns.push(column("policy", true, |row| row.subject.clone())),
        UsageBy::ApiKey => columns.push(column("api_key", true, |row| row.subject.clone())),
        UsageBy::Month | UsageBy::Chain => {}
    }
    columns.extend([
        column("settled", true, |row: &UsageRow| row.settled.to_string()),
        column("succeeded", true, |row| row.succeeded.to_string()),
        column("reverted", true, |row| row.reverted.to_string()),
        column("released", true, |row| row.released.to_string()),
        column("worst_case_wei", true, |row| row.worst_case.0.to_string()),
        column("cost_wei", true, |row| row.cost.0.to_string()),
        column("gas_used", true, |row| row.gas_used.to_string()),
    ]);
    columns
}
