//! The migrations of a database, from files that are part of the program.

use sqlx::SqlStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

/// Each with its number, what it is about, and its SQL. A released one never changes: databases
/// keep its checksum.
#[derive(Clone, Copy, Debug)]
pub struct Migrations(pub &'static [(i64, &'static str, &'static str)]);

impl Migrations {
    /// What brings a database up to date.
    #[must_use]
    pub fn migrator(self) -> Migrator {
        let migration = |&(version, description, sql): &(i64, &'static str, &'static str)| {
            Migration::new(version, description.into(), MigrationType::Simple, SqlStr::from_static(sql), false)
        };
        Migrator::with_migrations(self.0.iter().map(migration).collect())
    }

    /// The names that the files should have.
    #[must_use]
    pub fn file_names(self) -> Vec<String> {
        let name = |(version, description, _): &(i64, &str, &str)| {
            format!("{version:04}_{}.sql", description.replace(' ', "_"))
        };
        self.0.iter().map(name).collect()
    }
}
