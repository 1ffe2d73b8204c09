//! The configured origins and proxies of requests.

use serve::TrustedProxies;

use crate::clients::Origins;
use crate::settings::{RpcSettings, SettingsError};

/// The origins whose pages may call.
pub(crate) fn origins(settings: &RpcSettings) -> Result<Origins, SettingsError> {
    const KEY: &str = "rpc.allowed_origins";
    let texts = settings.allowed_origins.as_deref().unwrap_or_default();
    let invalid = |problem: String| SettingsError::Invalid { key: KEY, problem };
    if texts.iter().any(|text| text == "missing") {
        return Err(invalid(
            "\"missing\" is for publishable keys: requests without an Origin are always allowed here".to_owned(),
        ));
    }
    Origins::parse(texts).map_err(|problem| invalid(problem.to_string()))
}

/// The proxies whose `X-Forwarded-For` is trusted.
pub(crate) fn proxies(settings: &RpcSettings) -> Result<TrustedProxies, SettingsError> {
    let invalid = |problem: String| SettingsError::Invalid { key: "rpc.trusted_proxies", problem };
    TrustedProxies::parse(&settings.trusted_proxies).map_err(|problem| invalid(problem.to_string()))
}
