//! A write that tests whether the database is writable.

use sqlx::SqliteConnection;

/// Bytes: several pages, so that a disk with only a few free bytes fails the test.
const FILLER: i64 = 16 * 1024;

pub(super) async fn write(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO write_probe (id, filler) VALUES (1, randomblob(?1))
         ON CONFLICT (id) DO UPDATE SET filler = excluded.filler",
    )
    .bind(FILLER)
    .execute(connection)
    .await
    .map(drop)
}
