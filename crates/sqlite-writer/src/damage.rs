//! Damage of the file, as by a faulty disk: SQLite reads a page that it did not write. It reports
//! `SQLITE_CORRUPT` for a read that failed once too (`SQLITE_IOERR_CORRUPTFS`), so this report is
//! confirmed by reading the whole file. An extended code, as `SQLITE_CORRUPT_INDEX`, says more, and
//! that check does not find everything that has one.

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

/// After a first check that could not tell damage from a read that failed.
const UNTIL_SURE: Duration = Duration::from_secs(10);

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
        let Some(Report { error, code }) = report else { return false };
        if self.found().is_none() && self.file.check().is_ok() {
            if !DAMAGE.contains(&code) {
                self.confirm(&error.to_string());
            } else if self.begin_check() {
                let (damage, report) = (self.clone(), error.to_string());
                tokio::spawn(async move { damage.check(&report).await });
            }
        }
        true
    }

    /// What is wrong, for the operator, if damage was ever confirmed.
    pub(crate) fn found(&self) -> Option<&str> {
        self.found.get().map(String::as_str)
    }

    /// Whether it is not yet known if a report is true.
    pub(crate) fn is_being_checked(&self) -> bool {
        matches!(*self.checks(), Checks::Running)
    }

    /// Whether damage was confirmed, or reported a short time ago.
    pub(crate) fn is_suspected(&self) -> bool {
        let is_recent = match *self.checks() {
            Checks::Due => false,
            Checks::Running => true,
            Checks::NotBefore(time) => Instant::now() < time,
        };
        is_recent || self.found().is_some()
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
        let mut verdict = verdict(check_pages(self.file.path()).await);
        if let Verdict::Unsure(_) = verdict {
            tokio::time::sleep(UNTIL_SURE).await;
            verdict = self::verdict(check_pages(self.file.path()).await);
        }
        match verdict {
            Verdict::Damaged | Verdict::Unsure(_) if self.file.check().is_ok() => self.confirm(report),
            Verdict::Intact => {
                tracing::warn!("a page of {path} could not be read ({report}); now all are intact: check the disk");
            }
            Verdict::Unreadable(why) | Verdict::Unsure(why) => {
                tracing::warn!("{path} may be damaged ({report}), and could not be checked: {why}");
            }
            Verdict::Damaged => {}
        }
        *self.checks() = Checks::NotBefore(Instant::now() + BETWEEN_CHECKS);
    }

    fn confirm(&self, report: &str) {
        self.found.get_or_init(|| {
            let problem = format!("{} is damaged: {report}: restore the newest copy", self.file.path().display());
            self.outages.failed_for_good(&problem);
            problem
        });
    }

    fn checks(&self) -> MutexGuard<'_, Checks> {
        self.checks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a check of the file found.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Intact,
    Damaged,
    /// The pages with the tables' names are damaged, or could not be read: SQLite tells no
    /// difference.
    Unsure(String),
    Unreadable(String),
}

fn verdict(checked: Result<(), LookError>) -> Verdict {
    match checked {
        Ok(()) => Verdict::Intact,
        Err(LookError::Damaged(found)) if is_unreadable(&found) => Verdict::Unreadable(found),
        Err(LookError::Damaged(_)) => Verdict::Damaged,
        Err(LookError::Database(error)) if report(&error).is_some() => Verdict::Unsure(error.to_string()),
        Err(error) => Verdict::Unreadable(error.to_string()),
    }
}

/// Whether a page could not be read, which SQLite says in place of what is wrong with it.
fn is_unreadable(found: &str) -> bool {
    let code = found.split_once("error code=").and_then(|(_, code)| code.split(' ').next()?.parse().ok());
    code.is_some_and(|code: u32| !DAMAGE.contains(&(code & 0xff)))
}

struct Report<'e> {
    error: &'e dyn DatabaseError,
    /// Extended, if SQLite says more.
    code: u32,
}

fn report<'e>(error: &'e (dyn Error + 'static)) -> Option<Report<'e>> {
    let error = error.downcast_ref::<sqlx::Error>()?.as_database_error()?;
    let code: u32 = error.code()?.parse().ok()?;
    DAMAGE.contains(&(code & 0xff)).then_some(Report { error, code })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_cannot_be_read_is_no_damage() {
        let found = |text: &str| verdict(Err(LookError::Damaged(text.to_owned())));
        let unreadable = "*** in database main *** Page 73: unable to get the page. error code=8458";
        assert_eq!(found(unreadable), Verdict::Unreadable(unreadable.to_owned()));
        assert_eq!(found("Page 73: unable to get the page. error code=11"), Verdict::Damaged);
        assert_eq!(found("*** in database main *** Page 73: btreeInitPage() returns error code 11"), Verdict::Damaged);
        assert_eq!(verdict(Ok(())), Verdict::Intact);
    }
}
