//! The migrations of the gateway's database. A released one never changes: databases store its
//! checksum.

use sqlite_writer::Migrations;

/// Number, description and SQL of every file in migrations/, in order.
pub(super) const MIGRATIONS: Migrations = Migrations(&[
    (1, "gateway", include_str!("../../../migrations/0001_gateway.sql")),
    (2, "creations", include_str!("../../../migrations/0002_creations.sql")),
    (3, "served tee", include_str!("../../../migrations/0003_served_tee.sql")),
    (4, "audit of admin commands", include_str!("../../../migrations/0004_audit_of_admin_commands.sql")),
    (5, "account creation", include_str!("../../../migrations/0005_account_creation.sql")),
    (6, "tee id", include_str!("../../../migrations/0006_tee_id.sql")),
    (7, "rationed refusals", include_str!("../../../migrations/0007_rationed_refusals.sql")),
    (8, "uptime", include_str!("../../../migrations/0008_uptime.sql")),
    (9, "creations by credential", include_str!("../../../migrations/0009_creations_by_credential.sql")),
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
