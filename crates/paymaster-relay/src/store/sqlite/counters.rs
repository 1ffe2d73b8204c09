//! The counters of open reservations: their values for one sponsorship, and whether they agree with
//! the rows.

use sqlx::{Row, SqliteConnection};

use crate::budget::{Counter, Limit, Totals};
use crate::gwei::Gwei;
use crate::sqlite::{column, unsigned};
use crate::store::{SponsorshipId, StoreError};

pub(super) const OF_SPONSORSHIP: &str = "
    SELECT scope, subject, open, gwei FROM charges
    JOIN open_reservations USING (chain_id, entry_point, paymaster, scope, subject)
    WHERE id = ?1";

const DIFFERENCES: &str = "
    SELECT count(*) FROM (
        SELECT * FROM (SELECT chain_id, entry_point, paymaster, scope, subject, open, gwei FROM open_charges
                       EXCEPT SELECT chain_id, entry_point, paymaster, scope, subject, open, gwei FROM open_reservations)
        UNION ALL
        SELECT * FROM (SELECT chain_id, entry_point, paymaster, scope, subject, open, gwei FROM open_reservations
                       EXCEPT SELECT chain_id, entry_point, paymaster, scope, subject, open, gwei FROM open_charges))";

const COUNT_AGAIN: [&str; 2] = [
    "DELETE FROM open_reservations",
    "INSERT INTO open_reservations (chain_id, entry_point, paymaster, scope, subject, open, gwei)
     SELECT chain_id, entry_point, paymaster, scope, subject, open, gwei FROM open_charges",
];

/// The values of one sponsorship's counters, including itself.
pub(super) struct CountersOf(Vec<(String, String, Totals)>);

impl CountersOf {
    pub(super) fn of(&self, counter: &Counter) -> Result<Totals, StoreError> {
        let said =
            self.0.iter().find(|(scope, subject, _)| scope == counter.scope.name() && *subject == counter.subject);
        said.map(|(.., totals)| *totals).ok_or_else(|| StoreError::new("a reservation was not counted"))
    }
}

/// The column `counters`: the counters of a sponsorship, without duplicates, as `[[scope, subject],
/// ...]`.
pub(super) fn format(limits: &[Limit]) -> Result<String, StoreError> {
    let mut counters: Vec<(&str, &str)> = Vec::with_capacity(limits.len());
    for Limit { counter, .. } in limits {
        let counter = (counter.scope.name(), counter.subject.as_str());
        if !counters.contains(&counter) {
            counters.push(counter);
        }
    }
    serde_json::to_string(&counters).map_err(StoreError::new)
}

pub(super) async fn totals(connection: &mut SqliteConnection, id: &SponsorshipId) -> Result<CountersOf, StoreError> {
    let rows = sqlx::query(OF_SPONSORSHIP).bind(id.as_str()).fetch_all(connection).await.map_err(StoreError::new)?;
    let total = |row| {
        let totals = Totals { open: unsigned(column(row, "open")?)?, sum: gwei(column(row, "gwei")?)? };
        Ok((column(row, "scope")?, column(row, "subject")?, totals))
    };
    rows.iter().map(total).collect::<Result<_, _>>().map(CountersOf)
}

/// Compares the counters with the rows and recounts if they differ; returns the number of differing
/// counters.
pub(super) async fn reconcile(connection: &mut SqliteConnection) -> Result<u64, StoreError> {
    let differences: i64 = sqlx::query(DIFFERENCES)
        .fetch_one(&mut *connection)
        .await
        .and_then(|row| row.try_get(0))
        .map_err(StoreError::new)?;
    if differences > 0 {
        for statement in COUNT_AGAIN {
            sqlx::query(statement).execute(&mut *connection).await.map_err(StoreError::new)?;
        }
    }
    unsigned(differences)
}

pub(super) fn gwei(count: i64) -> Result<Gwei, StoreError> {
    Gwei::from_count(count).ok_or_else(|| StoreError::new("a negative amount"))
}
