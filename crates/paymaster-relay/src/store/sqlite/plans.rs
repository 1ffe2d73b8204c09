//! Checks the query plans of the store's statements: the duration of a request must not depend on
//! other requests' rows.

use sqlx::{AssertSqlSafe, SqlitePool};
use tempfile::TempDir;

use super::{
    SqliteStore, booked, counters, expired, forget, keys, known_blocks, ledger, outbox, reserve, settle, usage,
};

/// All statements that run while the store is open, except for the probe and the comparison at its
/// start.
fn statements() -> Vec<String> {
    let fixed = [
        reserve::INSERT,
        reserve::BEGIN_SETTLEMENT,
        keys::USE,
        keys::OF_SPONSORSHIP,
        keys::NOTE,
        counters::OF_SPONSORSHIP,
        usage::OF_SPONSORSHIP,
        usage::FORGET,
        settle::FIND,
        settle::NOTE,
        settle::NOTED,
        settle::TAKE_BACK,
        settle::CLOSE,
        settle::MOVE_ON,
        known_blocks::HIGHEST,
        known_blocks::NOTE,
        known_blocks::FORGET,
        known_blocks::KNOWN,
        known_blocks::READ_AGAIN,
        known_blocks::FORGET_ABOVE,
        super::BEGIN_SIGNING,
        super::RENEW,
        super::RECORD_SIGNED,
        super::RELEASE,
        super::TAKE_BACK_SIGNING,
        expired::LIST,
        expired::RELEASE,
        expired::SETTLE_UNKNOWN,
        expired::SETTLE_MISSED,
        expired::OF_OPERATION,
        outbox::TELL,
        outbox::TELL_NOBODY,
        outbox::DUE,
        outbox::BEGIN,
        outbox::FORGET,
        outbox::POSTPONE,
        outbox::DROP,
        outbox::HAS_OLD,
        outbox::WAITING,
        super::NEXT_BLOCKS,
        super::RESERVED,
        super::NEXT_BLOCK,
        ledger::PAGE,
        ledger::NEXT_CHAIN,
        forget::HAS_OLD_OPEN,
        forget::OLD,
        forget::KEEP_KEY,
        forget::FORGET_HASHES,
        forget::FORGET,
        forget::FORGET_OUTCOMES,
        forget::FORGET_HOURS,
        booked::BETWEEN,
        booked::OF_HASH,
        booked::OF_NONCE,
        booked::RECONCILED,
        booked::NOTE_RECONCILED,
        booked::SPENT,
        booked::OUTCOMES,
    ];
    fixed.iter().map(ToString::to_string).chain([super::find_by_intent()]).collect()
}

/// The statements of the triggers, from the database; the columns of their row are parameters here.
async fn of_triggers(pool: &SqlitePool) -> Vec<String> {
    let triggers: Vec<String> =
        sqlx::query_scalar("SELECT sql FROM sqlite_master WHERE type = 'trigger'").fetch_all(pool).await.unwrap();
    let body = |sql: &str| sql.split_once("BEGIN").unwrap().1.trim_end().trim_end_matches("END").to_owned();
    let parameters = |statement: &str| {
        let is_column = |letter: char| letter.is_ascii_lowercase() || letter == '_';
        let mut parts = statement.split("OLD.").flat_map(|part| part.split("NEW."));
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |sql, part| format!("{sql}?{}", part.trim_start_matches(is_column)))
    };
    let statements = triggers.iter().flat_map(|sql| body(sql).split(';').map(parameters).collect::<Vec<_>>());
    // Statements that only refuse a change read nothing, and can't stand outside a trigger.
    let reads = |statement: &String| !statement.trim().is_empty() && !statement.contains("RAISE(");
    statements.filter(reads).collect()
}

/// `counter` are the rows from the column of one sponsorship; the constant row is that of a query
/// without a table.
fn scans_a_table(step: &str) -> bool {
    step.starts_with("SCAN") && !step.starts_with("SCAN counter ") && step != "SCAN CONSTANT ROW"
}

#[tokio::test]
async fn no_step_of_a_reservation_or_settlement_looks_at_more_sponsorships_than_its_own() {
    let dir = TempDir::new().unwrap();
    let store = SqliteStore::open(&dir.path().join("relay.db")).await.unwrap();
    let of_triggers = of_triggers(&store.database().pool()).await;
    assert_eq!(of_triggers.len(), 13, "{of_triggers:?}");
    for statement in statements().into_iter().chain(of_triggers) {
        let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
        let plan: Vec<(i64, i64, i64, String)> =
            sqlx::query_as(explain).fetch_all(&store.database().pool()).await.unwrap();
        let scans: Vec<_> = plan.iter().map(|(.., step)| step.as_str()).filter(|step| scans_a_table(step)).collect();
        assert!(scans.is_empty(), "{statement}: {scans:?}");
    }
}
