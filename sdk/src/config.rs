//! Config vars as values of your own types. Each call reads the environment anew.

use std::env;
use std::fmt::Display;
use std::str::FromStr;

/// Why a config var could not be used. The text names the variable, never its value: it may be a secret.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ConfigError {
    /// The variable is not set, or is empty.
    #[error("config var {0} is not set; set it with `dyno config set {0}=…`")]
    Missing(String),
    /// The value of the variable cannot be parsed.
    #[error("config var {name} is not usable: {reason}")]
    Invalid {
        /// The variable.
        name: String,
        /// The error of the type's parser.
        reason: String,
    },
}

/// The config var `name` as a `T`.
///
/// ```no_run
/// # fn main() -> Result<(), dyno_sdk::config::ConfigError> {
/// let page_size: u32 = dyno_sdk::config::required("PAGE_SIZE")?;
/// # Ok(()) }
/// ```
///
/// # Errors
/// If the variable is not set, is empty, or cannot be parsed as a `T`.
pub fn required<T>(name: &str) -> Result<T, ConfigError>
where
    T: FromStr<Err: Display>,
{
    parse(name, env::var(name).ok())?.ok_or_else(|| ConfigError::Missing(name.to_owned()))
}

/// The config var `name` as a `T`, or `default` if it is not set or empty.
///
/// # Errors
/// If the variable is set and cannot be parsed as a `T`: a mistyped value must not silently become the default.
pub fn or<T>(name: &str, default: T) -> Result<T, ConfigError>
where
    T: FromStr<Err: Display>,
{
    Ok(parse(name, env::var(name).ok())?.unwrap_or(default))
}

/// Whether the config var `name` is on: `1`, `true`, `yes` or `on`, in any case. A variable that is not set is off.
///
/// # Errors
/// If the variable has any other value than those and `0`, `false`, `no`, `off`.
pub fn flag(name: &str) -> Result<bool, ConfigError> {
    parse_flag(name, env::var(name).ok())
}

fn parse<T>(name: &str, value: Option<String>) -> Result<Option<T>, ConfigError>
where
    T: FromStr<Err: Display>,
{
    let Some(value) = value.filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    value
        .parse()
        .map(Some)
        .map_err(|error: T::Err| ConfigError::Invalid {
            name: name.to_owned(),
            reason: error.to_string(),
        })
}

fn parse_flag(name: &str, value: Option<String>) -> Result<bool, ConfigError> {
    match value.unwrap_or_default().to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Ok(true),
        "" | "0" | "false" | "no" | "off" => Ok(false),
        _ => Err(ConfigError::Invalid {
            name: name.to_owned(),
            reason: "expected true or false".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn values_are_parsed_and_empty_values_count_as_unset() {
        assert_eq!(parse::<u16>("N", some("80")), Ok(Some(80)));
        assert_eq!(parse::<u16>("N", some("")), Ok(None));
        assert_eq!(parse::<u16>("N", None), Ok(None));
    }

    #[test]
    fn a_config_error_names_the_variable_and_not_its_value() {
        let error = parse::<u16>("N", some("s3cret")).expect_err("no number");
        let text = error.to_string();
        assert!(
            text.contains("config var N") && !text.contains("s3cret"),
            "{text}"
        );
        let missing = required::<String>("DYNO_SDK_NO_SUCH_VARIABLE").expect_err("not set");
        assert!(
            missing
                .to_string()
                .contains("dyno config set DYNO_SDK_NO_SUCH_VARIABLE=")
        );
    }

    #[test]
    fn flags_are_true_or_false_and_other_values_are_errors() {
        assert_eq!(parse_flag("F", some("TRUE")), Ok(true));
        assert_eq!(parse_flag("F", some("off")), Ok(false));
        assert_eq!(parse_flag("F", None), Ok(false));
        assert!(parse_flag("F", some("maybe")).is_err());
    }
}
