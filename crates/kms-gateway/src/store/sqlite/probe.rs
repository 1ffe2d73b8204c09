//! A write that says whether the database can be written.

use sqlx::SqliteConnection;

/// Bytes: some pages, so that a disk with room for a few bytes only does not pass.
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
