//! The migrations of the gateway's database. A released one never changes: databases keep its
//! checksum.

use sqlx::SqlStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

/// Number, description and SQL of every file in migrations/, in order.
const FILES: [(i64, &str, &str); 8] = [
    (1, "gateway", include_str!("../../../migrations/0001_gateway.sql")),
    (2, "creations", include_str!("../../../migrations/0002_creations.sql")),
    (3, "served tee", include_str!("../../../migrations/0003_served_tee.sql")),
    (4, "audit of admin commands", include_str!("../../../migrations/0004_audit_of_admin_commands.sql")),
    (5, "account creation", include_str!("../../../migrations/0005_account_creation.sql")),
    (6, "tee id", include_str!("../../../migrations/0006_tee_id.sql")),
    (7, "rationed refusals", include_str!("../../../migrations/0007_rationed_refusals.sql")),
    (8, "uptime", include_str!("../../../migrations/0008_uptime.sql")),
];

/// All of them.
pub(super) fn migrations() -> Migrator {
    let migration = |(version, description, sql): (i64, &'static str, &'static str)| {
        Migration::new(version, description.into(), MigrationType::Simple, SqlStr::from_static(sql), false)
    };
    Migrator::with_migrations(FILES.map(migration).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_listed_by_its_name() {
        let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations")).unwrap();
        let mut files: Vec<_> = folder.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        files.sort();
        let name = |(version, description, _): (i64, &str, &str)| {
            format!("{version:04}_{}.sql", description.replace(' ', "_"))
        };
        assert_eq!(files, FILES.map(name));
    }
}
