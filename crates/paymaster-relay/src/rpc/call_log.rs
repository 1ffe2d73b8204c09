//! Log lines about calls. A new sponsorship always gets one. Lines about all other calls are
//! rate-limited, per API key and for all others together: a request of 50 bytes may cost a line of
//! 500, and anyone may send it. Metrics count every call.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serve::LineRation;

use crate::clients::ApiKeyId;

/// The rate limits of log lines.
#[derive(Debug)]
pub(crate) struct CallLog {
    without_key: LineRation,
    /// One for each key that was valid at a call since the start; entries of revoked keys are kept.
    by_key: Mutex<HashMap<ApiKeyId, Arc<LineRation>>>,
}

impl Default for CallLog {
    fn default() -> Self {
        Self { without_key: LineRation::new("calls without a valid API key"), by_key: Mutex::default() }
    }
}

impl CallLog {
    /// Whether a line may be written about a call with that valid key, or without one.
    pub(crate) fn admits_line(&self, key: Option<&ApiKeyId>) -> bool {
        let Some(key) = key else { return self.without_key.admits_line() };
        let mut by_key = self.by_key.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(LineRation::new(format!("calls with the API key {key}")));
        let ration = Arc::clone(by_key.entry(key.clone()).or_insert_with(new));
        drop(by_key);
        ration.admits_line()
    }
}
