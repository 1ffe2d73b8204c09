//! The demo's output.

use std::time::Instant;

use devkit::EntryPointVersion;

/// Prints steps with the elapsed time.
pub struct Story {
    began: Instant,
}

impl Story {
    /// Starts the clock.
    pub fn begin(version: EntryPointVersion) -> Self {
        let story = Self { began: Instant::now() };
        story.line(&format!("super-relay demo, EntryPoint v{version}\n"));
        story
    }

    /// Prints a step.
    pub fn say(&self, who: &str, what: &str) {
        self.line(&format!("{:>6.2} s  {who:<10} {what}", self.began.elapsed().as_secs_f32()));
    }

    /// Prints another line of the same step.
    pub fn more(&self, what: &str) {
        self.line(&format!("{:>20}{what}", ""));
    }

    #[expect(clippy::print_stdout, reason = "the demo is there to be read")]
    fn line(&self, text: &str) {
        println!("{text}");
    }
}

/// Why the demo failed.
#[expect(clippy::print_stderr, reason = "whoever runs the demo reads it")]
pub fn failure(problem: &str) {
    eprintln!("demo: {problem}");
}
