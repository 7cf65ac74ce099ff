//! The `Date` of a response (RFC 9110, 6.6.1), formatted once a second on each thread.
//!
//! Must not know which response has it.

use std::cell::RefCell;
use std::time::{SystemTime, UNIX_EPOCH};

use http::HeaderValue;

thread_local! {
    /// The last date, and its second.
    static LAST: RefCell<Option<(u64, HeaderValue)>> = const { RefCell::new(None) };
}

/// The current date as a header value.
pub(crate) fn current_date() -> HeaderValue {
    let now = SystemTime::now();
    let second = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    LAST.with_borrow_mut(|last| match last {
        Some((known, date)) if *known == second => date.clone(),
        _ => {
            let date = HeaderValue::try_from(httpdate::fmt_http_date(now))
                .expect("a date is a header value");
            *last = Some((second, date.clone()));
            date
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_has_the_form_of_rfc9110_5_6_7() {
        let date = current_date();
        let text = date.to_str().expect("text");
        assert_eq!((text.len(), &text[3..5], &text[25..]), (29, ", ", " GMT"));
        let read = httpdate::parse_http_date(text).expect("a date");
        let apart = SystemTime::now().duration_since(read).expect("the past");
        assert!(apart.as_secs() < 3_600);
    }
}
