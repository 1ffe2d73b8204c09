//! Damage of the file, as by a faulty disk: SQLite reads a page that it did not write. It reports
//! the same for a read that failed once (`SQLITE_IOERR_CORRUPTFS`), so its report is confirmed by
//! reading the whole file.

use std::error::Error;
use std::iter::successors;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use breaker::OutageLog;
use private_files::InPlace;
use sqlx::error::DatabaseError;

use crate::look::{LookError, check_pages};

/// `SQLITE_CORRUPT` and `SQLITE_NOTADB`. The lowest byte of an extended code is its primary code.
const DAMAGE: [u32; 2] = [11, 26];
/// After a check that confirmed nothing, reports are not checked again for so long.
const BETWEEN_CHECKS: Duration = Duration::from_secs(60);

/// The first damage that SQLite reported and a check confirmed. It does not heal, although pages
/// that are intact can still be read and written; so it is kept until the process ends.
#[derive(Clone, Debug)]
pub struct Damage {
    file: InPlace,
    outages: Arc<OutageLog>,
    found: Arc<OnceLock<String>>,
    checks: Arc<Mutex<Checks>>,
}

/// Whether a report is checked.
#[derive(Debug, Default)]
enum Checks {
    #[default]
    Due,
    Running,
    NotBefore(Instant),
}

impl Damage {
    pub(crate) fn new(file: InPlace, outages: Arc<OutageLog>) -> Self {
        Self { file, outages, found: Arc::default(), checks: Arc::default() }
    }

    /// Called, within a runtime, with the errors of readers; the writer does it for its jobs.
    /// Returns whether this error or one of its sources reports damage. The first report is checked
    /// in the background, and logged if it is confirmed. Damage of another file that is at the path
    /// meanwhile is not kept: it ends when the right one is put back.
    pub fn found_in(&self, error: &(dyn Error + 'static)) -> bool {
        let report = successors(Some(error), |&error| error.source()).find_map(report);
        if let Some(report) = report
            && self.found().is_none()
            && self.file.check().is_ok()
            && self.begin_check()
        {
            let (damage, report) = (self.clone(), report.to_string());
            tokio::spawn(async move { damage.check(&report).await });
        }
        report.is_some()
    }

    /// What is wrong, for the operator, if damage was ever confirmed.
    pub(crate) fn found(&self) -> Option<&str> {
        self.found.get().map(String::as_str)
    }

    /// Whether it is not yet known if a report is true.
    pub(crate) fn is_being_checked(&self) -> bool {
        matches!(*self.checks(), Checks::Running)
    }

    fn begin_check(&self) -> bool {
        let mut checks = self.checks();
        let is_due = match *checks {
            Checks::Due => true,
            Checks::Running => false,
            Checks::NotBefore(time) => time <= Instant::now(),
        };
        if is_due {
            *checks = Checks::Running;
        }
        is_due
    }

    async fn check(&self, report: &str) {
        let path = self.file.path().display();
        match check_pages(self.file.path()).await {
            Err(error) if is_damage(&error) && self.file.check().is_ok() => {
                let problem = format!("{path} is damaged: {report}: restore the newest copy");
                self.outages.failed_for_good(&problem);
                // Nothing else sets it: only one check runs.
                let _ = self.found.set(problem);
            }
            Err(error) => tracing::warn!("{path} may be damaged ({report}), and could not be checked: {error}"),
            Ok(()) => {
                tracing::warn!("a page of {path} could not be read ({report}); now all are intact: check the disk");
            }
        }
        *self.checks() = Checks::NotBefore(Instant::now() + BETWEEN_CHECKS);
    }

    fn checks(&self) -> MutexGuard<'_, Checks> {
        self.checks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_damage(error: &LookError) -> bool {
    match error {
        LookError::Damaged(_) => true,
        LookError::Database(error) => report(error).is_some(),
        _ => false,
    }
}

fn report<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e dyn DatabaseError> {
    let report = error.downcast_ref::<sqlx::Error>()?.as_database_error()?;
    let code: u32 = report.code()?.parse().ok()?;
    DAMAGE.contains(&(code & 0xff)).then_some(report)
}
