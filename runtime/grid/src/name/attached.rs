//! Names around attached services.
//!
//! Owns the form of the names of add-ons and attachments. Must not know services.

use super::label::label;

label!(
    /// The name of an add-on, such as `postgresql-1f9a03bc`: unique on a server.
    AddonName,
    AddonNameError,
    is_addon_name,
    "{0:?} is not the name of an add-on: use 3 to 40 of a-z, 0-9 and -, starting with a letter and not ending with -"
);

label!(
    /// The name under which an app uses an add-on, such as `DATABASE`: the names of its config vars begin with it.
    AttachmentName,
    AttachmentNameError,
    is_attachment_name,
    "{0:?} cannot be the name of an attachment: use 1 to 30 of A-Z, 0-9 and _, starting with a letter, such as DATABASE"
);

fn is_addon_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    let plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (3..=40).contains(&bytes.len())
        && bytes[0].is_ascii_lowercase()
        && bytes.last().is_some_and(plain)
        && bytes.iter().all(|byte| plain(byte) || *byte == b'-')
}

fn is_attachment_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    let plain = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_';
    (1..=30).contains(&bytes.len()) && bytes[0].is_ascii_uppercase() && bytes.iter().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_names_are_parsed_and_others_refused() {
        for good in ["abc", "postgresql-1f9a03bc", "a-1"] {
            assert_eq!(good.parse::<AddonName>().expect(good).as_str(), good);
        }
        for bad in ["", "ab", "1ab", "ab-", "Abc", "a_b", "a.b", &"a".repeat(41)] {
            assert!(bad.parse::<AddonName>().is_err(), "{bad}");
        }
        for good in ["A", "DATABASE", "CACHE_2"] {
            assert_eq!(good.parse::<AttachmentName>().expect(good).as_str(), good);
        }
        for bad in ["", "database", "2A", "_A", "A-B", &"A".repeat(31)] {
            assert!(bad.parse::<AttachmentName>().is_err(), "{bad}");
        }
    }
}
