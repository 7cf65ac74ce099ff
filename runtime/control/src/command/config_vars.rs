//! The rules for config vars.
//!
//! Owns the allowed names and the maximum size. Must not know the purpose of a config var.

use super::error::CommandError;
use super::limits::CONFIG_BYTES_MAX;
use std::collections::BTreeMap;

/// Returns the config vars if their names and their total size are allowed.
pub fn check_config_vars(
    config: BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, CommandError> {
    if let Some(name) = config.keys().find(|name| !is_config_name(name)) {
        return Err(CommandError::ConfigName(name.chars().take(64).collect()));
    }
    let vars = config.iter();
    let bytes: usize = vars.map(|(name, value)| name.len() + value.len()).sum();
    if bytes > CONFIG_BYTES_MAX {
        Err(CommandError::ConfigSize(bytes))
    } else {
        Ok(config)
    }
}

fn is_config_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    let starts = |first: u8| first.is_ascii_alphabetic() || first == b'_';
    bytes.next().is_some_and(starts) && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
