//! Damage of the file, as by a faulty disk: SQLite reads a page that it did not write.

use std::error::Error;
use std::iter::successors;
use std::sync::{Arc, OnceLock};

use breaker::OutageLog;
use private_files::InPlace;
use sqlx::error::DatabaseError;

/// `SQLITE_CORRUPT` and `SQLITE_NOTADB`. The lowest byte of an extended code is its primary code.
const DAMAGE: [u32; 2] = [11, 26];

/// The first damage that SQLite reported. It does not heal, although pages that are intact can
/// still be read and written; so it is kept until the process ends.
#[derive(Clone, Debug)]
pub struct Damage {
    file: InPlace,
    outages: Arc<OutageLog>,
    found: Arc<OnceLock<String>>,
}

impl Damage {
    pub(crate) fn new(file: InPlace, outages: Arc<OutageLog>) -> Self {
        Self { file, outages, found: Arc::default() }
    }

    /// Called with the errors of readers; the writer does it for its jobs. Returns whether this
    /// error or one of its sources reports damage. Logs the first one. Damage of another file that
    /// is at the path meanwhile is not kept: it ends when the right one is put back.
    pub fn found_in(&self, error: &(dyn Error + 'static)) -> bool {
        let report = successors(Some(error), |&error| error.source()).find_map(report);
        if let Some(report) = report.filter(|_| self.file.check().is_ok()) {
            self.found.get_or_init(|| {
                let problem = format!("{} is damaged: {report}: restore the newest copy", self.file.path().display());
                self.outages.failed_for_good(&problem);
                problem
            });
        }
        report.is_some()
    }

    /// What is wrong, for the operator, if damage was ever found.
    pub(crate) fn found(&self) -> Option<&str> {
        self.found.get().map(String::as_str)
    }
}

fn report<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e dyn DatabaseError> {
    let report = error.downcast_ref::<sqlx::Error>()?.as_database_error()?;
    let code: u32 = report.code()?.parse().ok()?;
    DAMAGE.contains(&(code & 0xff)).then_some(report)
}
