//! `fields.from-list` of `wasi:http/types` 0.2: headers that a guest creates in one call.
//!
//! The engine's own function copies each header twice into a list, and then makes headers of the list. This one reads
//! the guest's list in place. Must not know what the headers are for.

use http::{HeaderName, HeaderValue, header};
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource, WasmList, WasmStr};
use wasmtime_wasi_http::p2::HeaderError;
use wasmtime_wasi_http::{FieldMap, FieldMapError};

use crate::guest::http::HTTP_TYPES;
use crate::guest::http::outgoing::is_forbidden;
use crate::guest::http::state::GetHttpView;

/// Names and values, in the guest's memory.
type HeaderList = WasmList<(WasmStr, WasmList<u8>)>;

/// Replaces the engine's function.
pub(crate) fn add_to_linker<T: 'static>(
    linker: &mut Linker<T>,
    view: GetHttpView<T>,
) -> wasmtime::Result<()> {
    linker.instance(HTTP_TYPES)?.func_wrap(
        "[static]fields.from-list",
        move |mut store: StoreContextMut<'_, T>, (list,): (HeaderList,)| {
            let bytes_max = view(store.data_mut()).fields_max();
            let fields = match from_list(&mut store, &list, bytes_max)? {
                Ok(fields) => fields,
                // Too many or too large headers are not reported to the guest: they end it.
                Err(error) => return Ok((Err(HeaderError::from(error).downcast()?),)),
            };
            let fields: Resource<FieldMap> = view(store.data_mut()).table.push(fields)?;
            Ok((Ok(fields),))
        },
    )
}

/// Reads the guest's list.
///
/// # Errors
/// If the list is malformed, such as a name that is not text: this traps.
fn from_list<T: 'static>(
    store: &mut StoreContextMut<'_, T>,
    list: &HeaderList,
    bytes_max: usize,
) -> wasmtime::Result<Result<FieldMap, FieldMapError>> {
    let mut fields = FieldMap::new_mutable(bytes_max);
    let (mut index, mut read) = (0, 0);
    while let Some(entry) = list.get(&mut *store, index) {
        let (name, value) = entry?;
        let name = name.to_str(&*store)?;
        let value = value.as_le_slice(&*store);
        // Each entry may be as large as one whole call may pass, and all entries may refer to the same text. Without
        // this limit, a guest could keep the host busy for long. A repeated name is counted again, as it is sent
        // again.
        read += name.len() + value.len();
        let added = header_name(&name).and_then(|name| match read > bytes_max {
            true => Err(FieldMapError::TotalSizeTooBig),
            false => {
                let value = header_value(&name, value, &fields)?;
                fields.append_raw(name, value)
            }
        });
        if let Err(error) = added {
            return Ok(Err(error));
        }
        index += 1;
    }
    Ok(Ok(fields))
}

fn header_name(name: &str) -> Result<HeaderName, FieldMapError> {
    let name = HeaderName::from_bytes(name.as_bytes())?;
    match is_forbidden(&name) {
        true => Err(FieldMapError::Forbidden),
        false => Ok(name),
    }
}

/// The value of a header that is to be added to `fields`.
fn header_value(
    name: &HeaderName,
    value: &[u8],
    fields: &FieldMap,
) -> Result<HeaderValue, FieldMapError> {
    if *name != header::CONTENT_LENGTH {
        return Ok(HeaderValue::from_bytes(value)?);
    }
    // A second `Content-Length` is refused, since it would be ambiguous.
    match parse_content_length(value) {
        Some(length) if !fields.contains_key(name) => Ok(length.into()),
        _ => Err(FieldMapError::InvalidHeaderValue),
    }
}

/// Parses a `Content-Length`: digits only (RFC 9110, section 8.6).
pub(super) fn parse_content_length(value: &[u8]) -> Option<u64> {
    // `parse` alone would accept a sign.
    let plain = value.iter().all(u8::is_ascii_digit);
    let text = str::from_utf8(value).ok().filter(|_| plain)?;
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_length_is_one_decimal_number() {
        assert_eq!(parse_content_length(b"0"), Some(0));
        assert_eq!(parse_content_length(b"007"), Some(7));
        assert_eq!(
            parse_content_length(b"18446744073709551615"),
            Some(u64::MAX)
        );
        for bad in ["", "+1", "-1", "1 ", "1,1", "18446744073709551616"] {
            assert_eq!(parse_content_length(bad.as_bytes()), None, "{bad:?}");
        }
    }

    #[test]
    fn header_fields_are_valid_and_have_at_most_one_content_length() {
        let mut fields = FieldMap::new_mutable(1024);
        let bad_name = Err(FieldMapError::InvalidHeaderName);
        assert_eq!(header_name("X-One"), Ok(HeaderName::from_static("x-one")));
        assert_eq!(header_name("x one"), bad_name);
        assert_eq!(header_name(""), bad_name);
        assert_eq!(header_name("Host"), Err(FieldMapError::Forbidden));

        let one = HeaderName::from_static("x-one");
        let of = |name, value: &[u8], fields: &FieldMap| header_value(name, value, fields);
        let bad_value = Err(FieldMapError::InvalidHeaderValue);
        assert_eq!(of(&one, b"1", &fields), Ok(HeaderValue::from_static("1")));
        assert_eq!(of(&one, b"a\nb", &fields), bad_value);
        let all = header::CONTENT_LENGTH;
        assert_eq!(of(&all, b"+7", &fields), bad_value);
        let seven = HeaderValue::from_static("7");
        assert_eq!(of(&all, b"07", &fields), Ok(seven.clone()));
        fields.append_raw(all.clone(), seven).expect("room");
        assert_eq!(of(&all, b"7", &fields), bad_value);
    }
}
