//! The migrations of a database, embedded in the program.

use sqlx::SqlStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

/// Number, description and SQL of each migration. A released one never changes: databases store its
/// checksum.
#[derive(Clone, Copy, Debug)]
pub struct Migrations(pub &'static [(i64, &'static str, &'static str)]);

impl Migrations {
    /// The migrator that brings a database up to date.
    #[must_use]
    pub fn migrator(self) -> Migrator {
        let migration = |&(version, description, sql): &(i64, &'static str, &'static str)| {
            Migration::new(version, description.into(), MigrationType::Simple, SqlStr::from_static(sql), false)
        };
        Migrator::with_migrations(self.0.iter().map(migration).collect())
    }

    /// The expected file names.
    #[must_use]
    pub fn file_names(self) -> Vec<String> {
        let name = |(version, description, _): &(i64, &str, &str)| {
            format!("{version:04}_{}.sql", description.replace(' ', "_"))
        };
        self.0.iter().map(name).collect()
    }
}
