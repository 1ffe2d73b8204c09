//! What is logged while a test runs.

use std::cell::RefCell;
use std::io::{self, Write};
use std::marker::PhantomData;
use std::sync::Once;

thread_local! {
    /// `None` where no test wants it.
    static LOGGED: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// What the thread of a test logs, and with it the runtime, which has no other.
pub struct Log(PhantomData<*const ()>);

impl Log {
    /// Keeps what is logged from now on.
    ///
    /// One subscriber serves all threads. With one for each test, `tracing` would ask that of the
    /// thread that comes to a line first whether anybody wants it, and where that thread has none
    /// the line would be lost for every other.
    ///
    /// # Panics
    /// When another subscriber serves all threads.
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

    /// Those with this in them.
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
        // A thread that ends has nobody who reads it.
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
