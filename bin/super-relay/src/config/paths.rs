//! The files that the settings name: each setting has a file of its own.

use std::path::{Path, PathBuf};

use super::{Config, ConfigError};

impl Config {
    /// Refuses two settings that name one file.
    pub(super) fn check_paths(&self) -> Result<(), ConfigError> {
        let paths: Vec<(&str, PathBuf)> = self.paths().into_iter().map(|(key, path)| (key, resolved(&path))).collect();
        for (place, (key, path)) in paths.iter().enumerate() {
            if let Some((other, _)) = paths[..place].iter().find(|(_, other)| other == path) {
                return Err(ConfigError::value(key, format!("must not be the path of {other}")));
            }
        }
        Ok(())
    }

    fn paths(&self) -> Vec<(&'static str, PathBuf)> {
        let mut paths = Vec::new();
        if let Some(relay) = &self.relay {
            paths.push(("relay.database", relay.database.clone()));
            paths.push(("relay.relay_key.file", relay.relay_key.file.clone()));
            paths.extend(relay.relay_key.passphrase_file.clone().map(|file| ("relay.relay_key.passphrase_file", file)));
            paths.push(("relay.admin_socket", relay.admin_socket()));
            let secrets = relay.webhooks.iter().flat_map(|webhook| &webhook.secrets);
            let files = secrets.filter_map(|secret| secret.file.clone());
            paths.extend(files.map(|file| ("relay.webhooks.secrets.file", file)));
        }
        paths.extend(self.kms.iter().map(|kms| ("kms.data_dir", kms.data_dir.clone())));
        paths.extend(
            self.bootstrap.iter().map(|bootstrap| ("bootstrap.admin_key_file", bootstrap.admin_key_file.clone())),
        );
        paths
    }
}

/// The path with the links of its folder resolved, as far as the folder exists.
fn resolved(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let folder = |folder: &Path| Some(folder.canonicalize().ok()?.join(absolute.strip_prefix(folder).ok()?));
    absolute.ancestors().find_map(folder).unwrap_or(absolute)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_by_two_names_is_one_path() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        std::fs::create_dir(&real).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        std::fs::write(real.join("there"), "").unwrap();
        for name in ["there", "not-there", "no-folder/not-there"] {
            assert_eq!(resolved(&real.join(name)), resolved(&link.join(".").join(name)), "{name}");
        }
        assert_ne!(resolved(&real.join("there")), resolved(&real.join("not-there")));
    }
}
