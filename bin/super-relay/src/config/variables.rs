//! The environment variables. One that looks like a key but is read by nothing, such as
//! `SUPER_RELAY_RELAY__RPC__REQUIRE_API_KEY` with one underscore too few, is refused: a mistyped
//! limit must not silently be no limit. Other variables with that prefix are not ours: Kubernetes
//! sets some for a service of that name.

use std::collections::HashMap;
use std::ffi::OsString;

use super::error::ConfigError;
use super::reference::Keys;
use super::unknown::nearest;

const PREFIX: &str = "SUPER_RELAY_";
const SEPARATOR: &str = "__";

/// The variables with our prefix, with the indices of lists as keys have them: shells can't set
/// `URLS[0]`, so `URLS__0` says the same.
///
/// # Errors
/// [`ConfigError::VariableNotText`].
pub fn all() -> Result<HashMap<String, String>, ConfigError> {
    let is_ours = |name: &str| name.to_ascii_uppercase().starts_with(PREFIX);
    let ours = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
    let text = |(name, value): (String, OsString)| match value.into_string() {
        Ok(value) => Ok((indexed(&name), value)),
        Err(_) => Err(ConfigError::VariableNotText(name)),
    };
    ours.filter(|(name, _)| is_ours(name)).map(text).collect()
}

/// The first part after the prefix is a section's name.
fn indexed(name: &str) -> String {
    let mut parts = name.split(SEPARATOR);
    let section: Vec<&str> = parts.by_ref().take(2).collect();
    parts.fold(section.join(SEPARATOR), |name, part| {
        let is_index = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if is_index { format!("{name}[{part}]") } else { format!("{name}{SEPARATOR}{part}") }
    })
}

/// Refuses the first variable that looks like a key but is not one.
pub fn refuse(names: impl IntoIterator<Item = String>) -> Result<(), ConfigError> {
    let keys = Keys::known();
    names.into_iter().try_for_each(|name| check(name, &keys))
}

fn check(name: String, keys: &Keys) -> Result<(), ConfigError> {
    let upper = name.to_ascii_uppercase();
    let Some(rest) = upper.strip_prefix(PREFIX).filter(|rest| !rest.starts_with('_')) else { return Ok(()) };
    let squeezed = rest.replace(SEPARATOR, "_");
    let meant = keys.iter().find(|key| key.replace('.', "_").eq_ignore_ascii_case(&squeezed)).map(str::to_owned);
    if meant.is_none() && !rest.contains(SEPARATOR) {
        return Ok(());
    }
    let meant = meant.or_else(|| nearest(&rest.to_ascii_lowercase().replace(SEPARATOR, "."), keys));
    Err(ConfigError::UnknownVariable { name, nearest: meant.as_deref().map(variable) })
}

fn variable(key: &str) -> String {
    format!("{PREFIX}_{}", key.to_ascii_uppercase().replace('.', SEPARATOR))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(name: &str) -> Option<String> {
        refuse([name.to_owned()]).err().map(|error| error.to_string())
    }

    #[test]
    fn a_variable_with_a_wrong_prefix_is_refused_and_the_right_one_named() {
        let meant = "did you mean `SUPER_RELAY__RELAY__RPC__REQUIRE_API_KEY`?";
        for name in [
            "SUPER_RELAY_RELAY__RPC__REQUIRE_API_KEY",
            "SUPER_RELAY_RELAY_RPC_REQUIRE_API_KEY",
            "super_relay_relay__rpc__require_api_key",
            "SUPER_RELAY_RELAY__RPC__REQUIRE_API_KEYS",
        ] {
            let error = refusal(name).unwrap();
            assert!(error.contains(name) && error.contains(meant), "{error}");
        }
    }

    #[test]
    fn a_number_between_underscores_is_an_index() {
        for (name, expected) in [
            ("SUPER_RELAY__RELAY__CHAINS__1__RPC_URL", "SUPER_RELAY__RELAY__CHAINS[1]__RPC_URL"),
            ("SUPER_RELAY__RELAY__BUNDLER__URLS__0", "SUPER_RELAY__RELAY__BUNDLER__URLS[0]"),
            ("SUPER_RELAY__RELAY__BUNDLER__URLS[0]", "SUPER_RELAY__RELAY__BUNDLER__URLS[0]"),
            ("SUPER_RELAY__KMS__TA_2", "SUPER_RELAY__KMS__TA_2"),
            ("SUPER_RELAY__0__URLS", "SUPER_RELAY__0__URLS"),
            ("HOME", "HOME"),
        ] {
            assert_eq!(indexed(name), expected);
        }
    }

    #[test]
    fn variables_that_are_not_meant_as_keys_are_ignored() {
        for name in
            ["SUPER_RELAY_CONFIG", "SUPER_RELAY_PORT", "SUPER_RELAY_SERVICE_HOST", "SUPER_RELAY__LOG__FILTER", "HOME"]
        {
            assert_eq!(refusal(name), None, "{name}");
        }
    }
}
