//! The counters of what policies spend: their values for one sponsorship, and whether their
//! reserved part agrees with the rows. What was settled is not compared: the rows may be gone.

use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use crate::settings::Per;
use crate::spend::{Charge, Overspent, Used};
use crate::sqlite::{Changes, column, signed, unsigned};
use crate::store::{NewSponsorship, StoreError};

/// The maximum number of counters in one job of the writer, since other jobs wait for it.
pub(super) const AT_ONCE: i64 = 1000;

pub(super) const OF_SPONSORSHIP: &str = "
    SELECT counted.reserved AS reserved, counted.settled AS settled
    FROM sponsorships, json_each(sponsorships.usage) AS counter
    CROSS JOIN policy_usage AS counted ON counted.policy_id = sponsorships.policy_id
        AND counted.scope = counter.value ->> 0 AND counted.subject = counter.value ->> 1
        AND counted.window_name = counter.value ->> 2 AND counted.window_start = counter.value ->> 3
        AND counted.unit = counter.value ->> 5 AND counted.chain_id = counter.value ->> 6
    WHERE sponsorships.id = ?1
    ORDER BY counter.key";

pub(super) const FORGET: &str = "
    DELETE FROM policy_usage
    WHERE (policy_id, scope, subject, window_name, window_start, unit, chain_id) IN (
        SELECT policy_id, scope, subject, window_name, window_start, unit, chain_id FROM policy_usage
        WHERE window_end < ?1 AND reserved = 0 LIMIT ?2)";

const OPEN: &str = "
    SELECT policy_id, scope, subject, window_name, window_start, unit, chain_id, window_end, sum(reserved) AS reserved
    FROM policy_charges WHERE state IN ('reserved', 'signed')
    GROUP BY policy_id, scope, subject, window_name, window_start, unit, chain_id";
const COUNTED: &str = "
    SELECT policy_id, scope, subject, window_name, window_start, unit, chain_id, window_end, reserved
    FROM policy_usage WHERE reserved <> 0";

/// One entry of the column `usage`.
type Entry<'a> = (&'a str, &'a str, String, i64, Option<i64>, &'a str, i64, i64);

/// The column `usage`; one counter for each charge.
pub(super) fn format(sponsorship: &NewSponsorship) -> Result<String, StoreError> {
    let entries = sponsorship.charges.iter().map(entry).collect::<Result<Vec<_>, _>>()?;
    serde_json::to_string(&entries).map_err(StoreError::new)
}

fn entry(charge: &Charge) -> Result<Entry<'_>, StoreError> {
    let (start, end) = charge.span;
    Ok((
        Per::as_str(charge.per),
        charge.subject.as_str(),
        charge.window.to_string(),
        signed(start)?,
        end.map(signed).transpose()?,
        charge.unit.name(),
        signed(charge.chain_id.unwrap_or_default())?,
        signed(charge.amount)?,
    ))
}

/// The first limit that the recorded sponsorship exceeds.
pub(super) async fn overspent(
    connection: &mut SqliteConnection,
    sponsorship: &NewSponsorship,
) -> Result<Option<Overspent>, StoreError> {
    let charges = &sponsorship.charges;
    if charges.is_empty() {
        return Ok(None);
    }
    let id = sponsorship.id.as_str();
    let rows = sqlx::query(OF_SPONSORSHIP).bind(id).fetch_all(connection).await.map_err(StoreError::new)?;
    if rows.len() != charges.len() {
        return Err(StoreError::new("a reservation was not counted under its policy"));
    }
    for (charge, row) in charges.iter().zip(&rows) {
        if let Err(overspent) = charge.check(used(row)?) {
            return Ok(Some(overspent));
        }
    }
    Ok(None)
}

fn used(row: &SqliteRow) -> Result<Used, StoreError> {
    Ok(Used { reserved: unsigned(column(row, "reserved")?)?, settled: unsigned(column(row, "settled")?)? })
}

/// Compares the reserved part of the counters with the rows and recounts it if they differ; returns
/// the number of differing counters.
pub(super) async fn reconcile(connection: &mut SqliteConnection) -> Result<Changes<u64>, StoreError> {
    let differences = format!(
        "SELECT count(*) FROM (SELECT * FROM ({OPEN} EXCEPT {COUNTED}) UNION ALL SELECT * FROM ({COUNTED} EXCEPT {OPEN}))"
    );
    let differences: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(differences))
        .fetch_one(&mut *connection)
        .await
        .map_err(StoreError::new)?;
    if differences > 0 {
        let count_again = format!(
            "INSERT INTO policy_usage (policy_id, scope, subject, window_name, window_start, unit, chain_id, window_end,
                 reserved, settled)
             SELECT *, 0 FROM ({OPEN}) WHERE true
             ON CONFLICT (policy_id, scope, subject, window_name, window_start, unit, chain_id)
             DO UPDATE SET reserved = excluded.reserved"
        );
        let statements = ["UPDATE policy_usage SET reserved = 0 WHERE reserved <> 0".to_owned(), count_again];
        for statement in statements {
            sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut *connection).await.map_err(StoreError::new)?;
        }
    }
    unsigned(differences).map(Changes::Kept)
}
