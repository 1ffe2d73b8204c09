//! The admin's key of a development TEE, in a file.

use std::io::Write as _;
use std::path::Path;

use kms_gateway::admin_key::AdminKey;
use secrecy::SecretString;

use super::start_error;
use crate::admin::key_of;
use crate::error::Error;

/// Reads the admin's key, or creates it if it does not exist.
pub fn read_or_make(file: &Path) -> Result<AdminKey, Error> {
    match look_at(file)? {
        Some(key) => Ok(key),
        None => parse(make(file)?),
    }
}

/// Reads the admin's key; `None` if it does not exist and can be created. Changes nothing.
pub fn look_at(file: &Path) -> Result<Option<AdminKey>, Error> {
    let problem = start_error("bootstrap.admin_key_file");
    let look = || {
        if private_files::check_file(file)? {
            return std::fs::read_to_string(file).map(Some);
        }
        private_files::check_folder(file.parent().unwrap_or(file)).map(|()| None)
    };
    look().map_err(problem)?.map(parse).transpose()
}

fn parse(text: String) -> Result<AdminKey, Error> {
    key_of(&SecretString::from(text)).map_err(start_error("bootstrap.admin_key_file"))
}

fn make(file: &Path) -> Result<String, Error> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(start_error("randomness"))?;
    let text = hex::encode(secret);
    let mut file = private_files::create_new(file).map_err(start_error("bootstrap.admin_key_file"))?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(start_error("bootstrap.admin_key_file"))?;
    Ok(text)
}
