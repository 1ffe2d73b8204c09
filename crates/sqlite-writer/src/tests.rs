//! The writer's guarantees to its callers.

use std::io::Write as _;
use std::path::Path;

use sqlx::Connection as _;
use sqlx::sqlite::SqliteJournalMode;
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::*;
use run::BATCH;

#[derive(Debug, Error)]
enum Problem {
    #[error("{0}")]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    NotWritten(#[from] NotWritten),
    #[error("out of order")]
    OutOfOrder,
}

async fn open(folder: &TempDir) -> Writer {
    let path = folder.path().join("database");
    let options =
        SqliteConnectOptions::new().filename(&path).create_if_missing(true).journal_mode(SqliteJournalMode::Wal);
    let mut connection = options.connect().await.unwrap();
    sqlx::raw_sql("CREATE TABLE IF NOT EXISTS numbers (number INTEGER PRIMARY KEY, CHECK (number <> 13))")
        .execute(&mut connection)
        .await
        .unwrap();
    let file = InPlace::note(&path).unwrap();
    Writer::start(options, file, "a database", |connection| some(connection).boxed()).await.unwrap()
}

async fn some(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT OR REPLACE INTO numbers VALUES (-1)").execute(connection).await.map(drop)
}

async fn insert(connection: &mut SqliteConnection, number: i64) -> Result<(), Problem> {
    sqlx::query("INSERT INTO numbers VALUES (?1)").bind(number).execute(connection).await?;
    Ok(())
}

async fn put(writer: &Writer, number: i64) -> Result<(), Problem> {
    writer.write(move |connection| async move { insert(connection, number).await.map(Changes::Kept) }.boxed()).await
}

async fn numbers(writer: &Writer) -> Vec<i64> {
    let read = writer.write(|connection| {
        async move {
            let query = sqlx::query_scalar("SELECT number FROM numbers WHERE number > 0 ORDER BY number");
            Ok::<_, Problem>(Changes::Undone(query.fetch_all(connection).await?))
        }
        .boxed()
    });
    read.await.unwrap()
}

/// A write that completes when the test says so.
async fn held(writer: &Writer, until: oneshot::Receiver<()>) -> Result<(), Problem> {
    writer
        .write(|_| {
            async move {
                until.await.unwrap();
                Ok(Changes::Kept(()))
            }
            .boxed()
        })
        .await
}

#[tokio::test]
async fn a_failed_or_undone_job_affects_no_other() {
    let folder = TempDir::new().unwrap();
    let writer = open(&folder).await;
    for alone in [true, false] {
        let before = writer.rollbacks().count();
        let fails = writer.write(|connection| {
            async move {
                insert(connection, 1).await?;
                Err::<Changes<()>, _>(Problem::OutOfOrder)
            }
            .boxed()
        });
        let undoes = writer.write(|connection| {
            async move {
                insert(connection, 2).await?;
                Ok::<_, Problem>(Changes::Undone("seen"))
            }
            .boxed()
        });
        if alone {
            fails.await.unwrap_err();
            assert_eq!(undoes.await.unwrap(), "seen");
            put(&writer, 3).await.unwrap();
        } else {
            let (failed, undone, refused, kept) = tokio::join!(fails, undoes, put(&writer, 13), put(&writer, 4));
            assert!(matches!(failed, Err(Problem::OutOfOrder)), "{failed:?}");
            assert!(matches!(refused, Err(Problem::Database(_))), "{refused:?}");
            assert_eq!(undone.unwrap(), "seen");
            kept.unwrap();
        }
        assert!(writer.rollbacks().count() >= before + 2);
    }
    assert_eq!(numbers(&writer).await, [3, 4]);
}

#[tokio::test]
async fn a_transaction_that_fails_fails_for_all_and_the_next_has_another_connection() {
    let folder = TempDir::new().unwrap();
    let writer = open(&folder).await;
    // All jobs share one transaction; one of them ends it from within.
    let breaks = writer.write(|connection| {
        async move {
            sqlx::raw_sql("ROLLBACK").execute(connection).await?;
            Ok::<_, Problem>(Changes::Kept(()))
        }
        .boxed()
    });
    let (before, broken, after) = tokio::join!(put(&writer, 1), breaks, put(&writer, 2));
    for outcome in [before, broken, after] {
        assert!(matches!(outcome, Err(Problem::NotWritten(NotWritten::Failed))), "{outcome:?}");
    }
    put(&writer, 3).await.unwrap();
    assert_eq!(numbers(&writer).await, [3]);
}

#[tokio::test]
async fn queued_jobs_are_done_before_the_writer_closes_and_none_after() {
    let folder = TempDir::new().unwrap();
    let writer = open(&folder).await;
    let (written, closed) = tokio::join!(biased; put(&writer, 1), writer.close());
    written.unwrap();
    assert!(closed.is_some());
    assert!(matches!(put(&writer, 2).await, Err(Problem::NotWritten(NotWritten::Closed))));
    assert_eq!(writer.probe().await, Err(Unproven::Failed(NotWritten::Closed.to_string())));
}

#[tokio::test]
async fn a_probe_says_why_the_last_write_failed_until_one_succeeds() {
    let folder = TempDir::new().unwrap();
    let writer = open(&folder).await;
    let (path, away) = (folder.path().join("database"), folder.path().join("away"));
    writer.try_out().await.unwrap();
    std::fs::rename(&path, &away).unwrap();
    put(&writer, 1).await.unwrap_err();
    for outcome in [writer.probe().await, writer.try_out().await] {
        let why = outcome.unwrap_err().to_string();
        assert!(why.contains("moved or removed"), "{why}");
    }
    std::fs::rename(&away, &path).unwrap();
    writer.try_out().await.unwrap();
    writer.recent_probe(Duration::from_secs(60)).await.unwrap();
}

#[tokio::test]
async fn only_a_committed_write_ends_an_outage_in_the_log() {
    let log = devkit::Log::start();
    let folder = TempDir::new().unwrap();
    let writer = open(&folder).await;
    let (path, away) = (folder.path().join("database"), folder.path().join("away"));
    std::fs::rename(&path, &away).unwrap();
    put(&writer, 1).await.unwrap_err();
    std::fs::rename(&away, &path).unwrap();
    assert_eq!(log.lines("is failing").len(), 1);
    assert_eq!(numbers(&writer).await, Vec::<i64>::new());
    assert_eq!(log.lines("recovered"), Vec::<String>::new());
    writer.probe().await.unwrap();
    assert_eq!(log.lines("recovered").len(), 1);
}

#[tokio::test]
async fn a_probe_queued_behind_committed_writes_finds_the_database_ready() {
    let folder = TempDir::new().unwrap();
    let writer = &open(&folder).await;
    let ((first_ends, first), (last_ends, last)) = (oneshot::channel(), oneshot::channel());
    let first = held(writer, first);
    let quick = (0..BATCH).map(|_| writer.write(|_| async { Ok::<_, Problem>(Changes::Kept(())) }.boxed()));
    let quick = futures_util::future::try_join_all(quick);
    let last = held(writer, last);
    let probes = async {
        // Well within the 700 ms for which a probe waits, and well before the writes end.
        let first_commit = async {
            tokio::time::sleep(Duration::from_millis(350)).await;
            first_ends.send(()).unwrap();
        };
        let (probe, ()) = tokio::join!(writer.probe(), first_commit);
        probe.unwrap();
        // In the same transaction as the probe's own write.
        last_ends.send(()).unwrap();
        writer.probe().await.unwrap();
        Ok(())
    };
    let quick = async { quick.await.map(drop) };
    // All are queued together, in this order.
    let all = async { tokio::try_join!(biased; first, quick, last, probes) };
    tokio::task::unconstrained(all).await.unwrap();
}

/// A database with an empty table `damaged` whose only page was zeroed.
async fn open_damaged(folder: &TempDir) -> Writer {
    let writer = open(folder).await;
    let page = writer.write(|connection| {
        async move {
            sqlx::query("CREATE TABLE damaged (number INTEGER)").execute(&mut *connection).await?;
            let page = sqlx::query_scalar("SELECT rootpage FROM sqlite_master WHERE name = 'damaged'");
            Ok::<_, Problem>(Changes::Kept(page.fetch_one(connection).await?))
        }
        .boxed()
    });
    let page: u32 = page.await.unwrap();
    writer.close().await.unwrap().close().await.unwrap();
    devkit::zero_page(&folder.path().join("database"), page).unwrap();
    open(folder).await
}

async fn write_damaged(writer: &Writer) -> Result<(), Problem> {
    let write = writer.write(|connection| {
        async move {
            sqlx::query("INSERT INTO damaged VALUES (1)").execute(connection).await?;
            Ok(Changes::Kept(()))
        }
        .boxed()
    });
    write.await
}

/// The report is confirmed in the background.
async fn confirmed(writer: &Writer) {
    while writer.damage().found().is_none() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn is_told(writer: &Writer, problem: &str) {
    confirmed(writer).await;
    for outcome in [writer.probe().await, writer.recent_probe(Duration::from_secs(60)).await] {
        let why = outcome.unwrap_err().to_string();
        assert!(why.contains("database is damaged") && why.contains(problem), "{why}");
    }
}

#[tokio::test]
async fn damage_that_a_job_finds_is_told_until_the_process_ends_and_what_is_intact_is_served() {
    let log = devkit::Log::start();
    let folder = TempDir::new().unwrap();
    let writer = open_damaged(&folder).await;
    put(&writer, 1).await.unwrap();
    writer.probe().await.unwrap();
    for number in 2..5 {
        // Alone, and at once with others.
        write_damaged(&writer).await.unwrap_err();
        let (before, refused, after) =
            tokio::join!(put(&writer, 10 * number), write_damaged(&writer), put(&writer, 100 * number));
        refused.unwrap_err();
        for kept in [before, after] {
            kept.unwrap();
        }
        put(&writer, number).await.unwrap();
        writer.try_out().await.unwrap();
        is_told(&writer, "malformed").await;
    }
    assert_eq!(log.lines("is failing").len(), 1);
    assert_eq!(log.lines("is failing for good").len(), 1);
    assert_eq!(log.lines("recovered"), Vec::<String>::new());
}

/// The error of a query in a file that is no database, or whose table is damaged.
async fn damage_of(file: &Path) -> sqlx::Error {
    let mut reader = SqliteConnectOptions::new().filename(file).connect().await.unwrap();
    sqlx::query("SELECT number FROM damaged").fetch_all(&mut reader).await.unwrap_err()
}

#[tokio::test]
async fn damage_that_a_reader_finds_is_told_too() {
    let folder = TempDir::new().unwrap();
    let writer = open_damaged(&folder).await;
    let file = folder.path().join("database");
    let mut reader = SqliteConnectOptions::new().filename(&file).connect().await.unwrap();
    let harmless = sqlx::query("SELECT").execute(&mut reader).await.unwrap_err();
    assert!(!writer.damage().found_in(&harmless));
    writer.probe().await.unwrap();
    assert!(writer.damage().found_in(&Problem::Database(damage_of(&file).await)));
    is_told(&writer, "malformed").await;
}

/// The check fails as the query did, so it is repeated: time passes at once here.
#[tokio::test(start_paused = true)]
async fn a_file_that_is_no_database_any_more_is_told_once_a_second_check_says_so() {
    let log = devkit::Log::start();
    let folder = TempDir::new().unwrap();
    let writer = open(&folder).await;
    let file = folder.path().join("database");
    // Otherwise its first page would be read from the log.
    let mut connection = SqliteConnectOptions::new().filename(&file).connect().await.unwrap();
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    std::fs::OpenOptions::new().write(true).open(&file).unwrap().write_all(&[7; 100]).unwrap();
    let error = damage_of(&file).await;
    assert_eq!(error.as_database_error().unwrap().code().unwrap(), "26");
    let begun = tokio::time::Instant::now();
    assert!(writer.damage().found_in(&error));
    is_told(&writer, "not a database").await;
    assert!(begun.elapsed() >= Duration::from_secs(10));
    assert_eq!(log.lines("is failing for good").len(), 1);
}

/// The check of all pages does not compare indices with their tables.
#[tokio::test]
async fn damage_of_an_index_is_told_although_all_pages_are_intact() {
    let folder = TempDir::new().unwrap();
    let writer = open(&folder).await;
    let swap = "CREATE TABLE damaged (one INTEGER, other INTEGER);
        CREATE INDEX by_one ON damaged (one);
        CREATE INDEX by_other ON damaged (other);
        INSERT INTO damaged VALUES (1, 2);
        PRAGMA writable_schema = ON;
        UPDATE sqlite_master SET rootpage = (SELECT sum(rootpage) FROM sqlite_master WHERE name LIKE 'by_o%')
            - rootpage WHERE name LIKE 'by_o%';";
    let options = SqliteConnectOptions::new().filename(folder.path().join("database"));
    let mut connection = options.clone().connect().await.unwrap();
    sqlx::raw_sql(swap).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    check_pages(&folder.path().join("database")).await.unwrap();

    let mut reader = options.connect().await.unwrap();
    let error = sqlx::query("DELETE FROM damaged WHERE rowid = 1").execute(&mut reader).await.unwrap_err();
    assert_eq!(error.as_database_error().unwrap().code().unwrap(), "779");
    assert!(writer.damage().found_in(&error));
    let why = writer.probe().await.unwrap_err().to_string();
    assert!(why.contains("database is damaged") && why.contains("779"), "{why}");
}

/// SQLite reports a read that failed once as damage.
#[tokio::test]
async fn a_report_of_damage_in_an_intact_file_is_not_kept() {
    let log = devkit::Log::start();
    let (folder, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let writer = open(&folder).await;
    put(&writer, 1).await.unwrap();
    let damaged = open_damaged(&other).await;
    let error = damage_of(&other.path().join("database")).await;
    for _ in 0..20 {
        assert!(writer.damage().found_in(&error));
    }
    while log.lines("all are intact").is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(writer.damage().found_in(&error));
    writer.probe().await.unwrap();
    assert_eq!((log.lines("all are intact").len(), log.lines("is failing").len()), (1, 0));
    assert!(writer.damage().found().is_none());
    drop(damaged);
}

#[tokio::test]
async fn damage_of_another_file_at_the_path_ends_when_the_right_one_is_back() {
    let folder = TempDir::new().unwrap();
    let writer = open(&folder).await;
    put(&writer, 1).await.unwrap();
    let (path, away) = (folder.path().join("database"), folder.path().join("away"));
    std::fs::rename(&path, &away).unwrap();
    // Without the log of the right one, which SQLite would read.
    let other = folder.path().join("other");
    for file in [&path, &other] {
        std::fs::write(file, [7; 4096]).unwrap();
    }
    assert!(writer.damage().found_in(&damage_of(&other).await));
    let why = writer.probe().await.unwrap_err().to_string();
    assert!(why.contains("replaced by another one"), "{why}");
    std::fs::rename(&away, &path).unwrap();
    writer.probe().await.unwrap();
}

#[tokio::test]
async fn the_pages_of_a_damaged_file_are_refused_and_those_of_others_are_not() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("database");
    check_pages(&file).await.unwrap();
    let writer = open(&folder).await;
    put(&writer, 1).await.unwrap();
    check_pages(&file).await.unwrap();
    writer.close().await.unwrap().close().await.unwrap();
    check_pages(&file).await.unwrap();
    let writer = open_damaged(&folder).await;
    for is_open in [true, false] {
        if !is_open {
            writer.close().await.unwrap().close().await.unwrap();
        }
        let why = check_pages(&file).await.unwrap_err();
        assert!(matches!(why, LookError::Damaged(_)), "{why}");
    }
}
