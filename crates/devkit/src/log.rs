//! Captures log output of a test.

use std::cell::RefCell;
use std::io::{self, Write};
use std::marker::PhantomData;
use std::sync::Once;

thread_local! {
    /// `None` if no test captures it.
    static LOGGED: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// The log output of a test's thread, and of its runtime, which uses only that thread.
pub struct Log(PhantomData<*const ()>);

impl Log {
    /// Starts capturing.
    ///
    /// One subscriber serves all threads. With one subscriber per test, `tracing` would cache the
    /// interest of the first thread that reaches a log line; if that thread had no subscriber, the
    /// line would be lost for every other thread.
    ///
    /// # Panics
    /// If another global subscriber is set.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test fails by panicking")]
    pub fn start() -> Self {
        static SUBSCRIBED: Once = Once::new();
        SUBSCRIBED.call_once(|| {
            let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(|| OfThisThread).finish();
            tracing::subscriber::set_global_default(subscriber).expect("the tests of one process have one log");
        });
        LOGGED.set(Some(Vec::new()));
        Self(PhantomData)
    }

    /// The captured lines that contain this text.
    #[must_use]
    pub fn lines(&self, word: &str) -> Vec<String> {
        let logged = LOGGED.with_borrow(|logged| logged.clone().unwrap_or_default());
        let text = String::from_utf8_lossy(&logged);
        text.lines().filter(|line| line.contains(word)).map(str::to_owned).collect()
    }
}

struct OfThisThread;

impl Write for OfThisThread {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Fails only while the thread ends, when nobody reads its log.
        let _ = LOGGED.try_with(|logged| {
            if let Some(logged) = logged.borrow_mut().as_mut() {
                logged.extend_from_slice(bytes);
            }
        });
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
