//! Log lines on their way to the log. Logging never blocks: a thread writes the lines, and a line
//! that finds no room or cannot be written is lost, and counted.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Takes one line per write. All clones share one queue.
#[derive(Clone)]
pub struct Lines(Arc<Shared>);

struct Shared {
    queue: Mutex<Queue>,
    /// Maximum number of waiting lines.
    most: usize,
    a_line_came: Condvar,
    all_are_written: Condvar,
    lost: AtomicU64,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Vec<u8>>,
    is_writing: bool,
}

impl Lines {
    /// Starts the thread that writes them.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub fn to(log: impl Write + Send + 'static, most: usize) -> io::Result<Self> {
        let lines = Self(Arc::new(Shared {
            queue: Mutex::default(),
            most,
            a_line_came: Condvar::new(),
            all_are_written: Condvar::new(),
            lost: AtomicU64::new(0),
        }));
        let shared = Arc::clone(&lines.0);
        thread::Builder::new().name("log".into()).spawn(move || shared.write_to(log))?;
        Ok(lines)
    }

    /// The number of lost lines so far.
    pub fn lost(&self) -> u64 {
        self.0.lost.load(Ordering::Relaxed)
    }

    /// Waits until no line is waiting, but no longer than `longest`.
    pub fn finish(&self, longest: Duration) {
        let is_busy = |queue: &mut Queue| queue.is_writing || !queue.waiting.is_empty();
        // At the end of the process it no longer matters whether all lines were written.
        drop(self.0.all_are_written.wait_timeout_while(self.0.queue(), longest, is_busy));
    }
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut queue = self.0.queue();
        if queue.waiting.len() < self.0.most {
            queue.waiting.push_back(line.to_vec());
            self.0.a_line_came.notify_one();
        } else {
            self.0.lost.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shared {
    fn write_to(&self, mut log: impl Write) {
        loop {
            let line = self.next();
            if log.write_all(&line).and_then(|()| log.flush()).is_err() {
                self.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Returns the next line; the previous one was written, or lost.
    fn next(&self) -> Vec<u8> {
        let mut queue = self.queue();
        queue.is_writing = false;
        loop {
            if let Some(line) = queue.waiting.pop_front() {
                queue.is_writing = true;
                return line;
            }
            self.all_are_written.notify_all();
            queue = self.a_line_came.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// No panic under the lock can leave the queue inconsistent.
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    /// Writes each line when the test says so, or fails to.
    struct Told(mpsc::Receiver<io::Result<()>>, Arc<Mutex<Vec<u8>>>);

    impl Write for Told {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.0.recv().unwrap()?;
            self.1.lock().unwrap().extend(line);
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_that_find_no_room_or_cannot_be_written_are_lost_and_counted() {
        let ((tell, told), written) = (mpsc::channel(), Arc::default());
        let mut lines = Lines::to(Told(told, Arc::clone(&written)), 2).unwrap();
        lines.write_all(b"1").unwrap();
        while !lines.0.queue().is_writing {
            thread::yield_now();
        }
        for line in [b"2", b"3", b"4"] {
            lines.write_all(line).unwrap();
        }
        assert_eq!(lines.lost(), 1);
        for outcome in [Ok(()), Err(io::ErrorKind::StorageFull.into()), Ok(())] {
            tell.send(outcome).unwrap();
        }
        lines.finish(LONG);
        assert_eq!((&written.lock().unwrap()[..], lines.lost()), (&b"13"[..], 2));
        // A stuck log blocks no caller.
        lines.write_all(b"5").unwrap();
        lines.finish(Duration::ZERO);
    }
}
