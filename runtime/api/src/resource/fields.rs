//! How fields of requests are read where serde's own rules would accept too much.
//!
//! Owns these readers. Must not know single fields.

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Number, Value};

/// Reads an optional field that must not be `null` when it is present.
pub(super) fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// Reads a list of objects. serde alone would also accept a list of values in place of an object.
pub(super) fn list_of_objects<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let objects = Vec::<Map<String, Value>>::deserialize(deserializer)?;
    objects
        .into_iter()
        .map(|object| serde_json::from_value(Value::Object(object)).map_err(D::Error::custom))
        .collect()
}

/// Reads an optional whole number. `2.0` is accepted too: JSON does not tell whole numbers from others.
pub(super) fn whole_number<'de, D>(deserializer: D) -> Result<Option<u32>, D::Error>
where
    D: Deserializer<'de>,
{
    let number = Number::deserialize(deserializer)?;
    let refused = || {
        D::Error::custom(format!(
            "{number} is no whole number from 0 to {}",
            u32::MAX
        ))
    };
    let float = number.as_f64().ok_or_else(refused)?;
    if float.fract() != 0.0 || !(0.0..=f64::from(u32::MAX)).contains(&float) {
        return Err(refused());
    }
    // The checks above make this exact.
    Ok(Some(float as u32))
}
