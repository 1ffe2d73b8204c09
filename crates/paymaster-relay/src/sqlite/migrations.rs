//! The migrations of the relay's database. A released one never changes: databases store its
//! checksum.

use sqlite_writer::Migrations;

/// Number, description and SQL of every file in migrations/, in order.
pub(super) const MIGRATIONS: Migrations = Migrations(&[
    (1, "sponsorships", include_str!("../../migrations/0001_sponsorships.sql")),
    (2, "api keys", include_str!("../../migrations/0002_api_keys.sql")),
    (3, "counters", include_str!("../../migrations/0003_counters.sql")),
    (4, "callers", include_str!("../../migrations/0004_callers.sql")),
    (5, "mined", include_str!("../../migrations/0005_mined.sql")),
    (6, "key spaces", include_str!("../../migrations/0006_key_spaces.sql")),
    (7, "usage of two days", include_str!("../../migrations/0007_usage_of_two_days.sql")),
    (8, "public share", include_str!("../../migrations/0008_public_share.sql")),
    (9, "chain", include_str!("../../migrations/0009_chain.sql")),
    (10, "known blocks", include_str!("../../migrations/0010_known_blocks.sql")),
    (11, "counters of each row", include_str!("../../migrations/0011_counters_of_each_row.sql")),
    (12, "block of reservation", include_str!("../../migrations/0012_block_of_reservation.sql")),
    (13, "chains", include_str!("../../migrations/0013_chains.sql")),
    (14, "hashes of several", include_str!("../../migrations/0014_hashes_of_several.sql")),
    (15, "unknown operations", include_str!("../../migrations/0015_unknown_operations.sql")),
    (16, "usage", include_str!("../../migrations/0016_usage.sql")),
    (17, "policies", include_str!("../../migrations/0017_policies.sql")),
    (18, "ledger", include_str!("../../migrations/0018_ledger.sql")),
    (19, "webhook events", include_str!("../../migrations/0019_webhook_events.sql")),
]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_migration_file_is_listed() {
        let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations")).unwrap();
        let mut files: Vec<_> = folder.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        files.sort();
        assert_eq!(files, MIGRATIONS.file_names());
    }
}
