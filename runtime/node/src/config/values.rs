//! Values that stand in flags and in the settings file in the same form: times and prices.

use std::str::FromStr;
use std::time::Duration;

/// Digits after the point of a price, which is counted in millionths of a dollar.
const PRICE_DIGITS: usize = 6;

/// A time such as `30m`, or `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeOrOff {
    /// Never.
    Off,
    /// After this time.
    After(Duration),
}

/// A text is neither a time nor `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write a time such as 30s, 30m or 24h, or off")]
pub struct TimeOrOffError;

impl FromStr for TimeOrOff {
    type Err = TimeOrOffError;

    fn from_str(text: &str) -> Result<TimeOrOff, TimeOrOffError> {
        if text == "off" {
            return Ok(TimeOrOff::Off);
        }
        let time = humantime::parse_duration(text).map_err(|_| TimeOrOffError)?;
        Ok(TimeOrOff::After(time))
    }
}

/// A price for an hour, in millionths of a dollar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HourlyPrice(pub u64);

/// A text is not a price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write dollars an hour such as 0.05, with six digits after the point at most")]
pub struct HourlyPriceError;

impl FromStr for HourlyPrice {
    type Err = HourlyPriceError;

    fn from_str(text: &str) -> Result<HourlyPrice, HourlyPriceError> {
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(part) || part.len() > PRICE_DIGITS {
            return Err(HourlyPriceError);
        }
        format!("{whole}{part:0<PRICE_DIGITS$}")
            .parse()
            .map(HourlyPrice)
            .map_err(|_| HourlyPriceError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_off_are_read() {
        assert_eq!("off".parse(), Ok(TimeOrOff::Off));
        let after = TimeOrOff::After(Duration::from_secs(1_800));
        assert_eq!("30m".parse(), Ok(after));
        for bad in ["soon", "30"] {
            assert_eq!(bad.parse::<TimeOrOff>(), Err(TimeOrOffError), "{bad}");
        }
    }

    #[test]
    fn prices_are_exact_to_a_millionth() {
        for (text, micros) in [
            ("0.05", 50_000),
            ("1", 1_000_000),
            ("0", 0),
            ("2.000001", 2_000_001),
        ] {
            assert_eq!(text.parse(), Ok(HourlyPrice(micros)), "{text}");
        }
        for bad in ["", ".5", "1.", "-1", "0.0000001", "1e3"] {
            assert_eq!(bad.parse::<HourlyPrice>(), Err(HourlyPriceError), "{bad}");
        }
    }
}
