//! Limits of components of known toolchains, recognized by the marks that these tools leave in a component.
//!
//! Reads only the outermost sections of a component. A component with a wrong mark is only handled with more care
//! than it needs.

/// How long an instance may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstanceLifetime {
    /// For one request.
    OneRequest,
    /// Until little of its memory is left: the instance loses some memory at each request.
    UntilMemoryIsLow,
    /// For any number of requests.
    Unlimited,
}

/// ComponentizeJS: its engine (StarlingMonkey) has a single fetch event per instance, and refuses to answer it twice.
/// It also does not free lists that it receives.
const SCRIPTS: &str = "ComponentizeJS";

/// Marks components in which `slugs::build` replaced that fetch event with its own handler: these take any number of
/// requests.
const OWN_HANDLER: &str = "dyno-handler";

/// The tool with which componentize-py stores a started interpreter in a component. No other known tool uses it. Its
/// bindings do not free bytes that they pass on (0.25), such as header values.
const PYTHON: &str = "component-init-transform";

/// The custom section in which toolchains record their names:
/// <https://github.com/WebAssembly/tool-conventions/blob/main/ProducersSection.md>.
const PRODUCERS: &[u8] = b"producers";
/// The size of magic number, version and layer.
const HEADER_BYTES: usize = 8;
const CUSTOM: u8 = 0;

/// The lifetime of this component's instances.
pub(crate) fn instance_lifetime(component: &[u8]) -> InstanceLifetime {
    let mut rest = component.get(HEADER_BYTES..).unwrap_or_default();
    while let Some((id, section)) = take_section(&mut rest) {
        if id != CUSTOM {
            continue;
        }
        if is_signed(section, OWN_HANDLER) || is_signed(section, PYTHON) {
            return InstanceLifetime::UntilMemoryIsLow;
        }
        if is_signed(section, SCRIPTS) {
            return InstanceLifetime::OneRequest;
        }
    }
    InstanceLifetime::Unlimited
}

/// Takes the next section: its id and content.
fn take_section<'a>(rest: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let (id, after) = rest.split_first()?;
    *rest = after;
    Some((*id, take_sized(rest)?))
}

/// Takes a length and as many bytes.
fn take_sized<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let mut length = 0_usize;
    for shift in [0, 7, 14, 21, 28] {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        length |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            let (own, after) = rest.split_at_checked(length)?;
            *rest = after;
            return Some(own);
        }
    }
    None
}

/// Whether this is the producers section and contains the name, as a text with its length in front.
fn is_signed(mut section: &[u8], name: &str) -> bool {
    let length = u8::try_from(name.len()).expect("the names looked for are short");
    let signed = [&[length], name.as_bytes()].concat();
    take_sized(&mut section) == Some(PRODUCERS)
        && section.windows(signed.len()).any(|text| text == signed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component(sections: &[(u8, &[u8])]) -> Vec<u8> {
        let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
        for (id, content) in sections {
            // A LEB128 number padded to two bytes, as some tools write it.
            let length = [
                (content.len() & 0x7f) as u8 | 0x80,
                (content.len() >> 7) as u8,
            ];
            bytes.extend([&[*id], &length[..], content].concat());
        }
        bytes
    }

    const JS: &[u8] = b"\x09producers\x01\x0cprocessed-by\x01\x0eComponentizeJS\x060.23.0";

    #[test]
    fn componentize_js_is_recognized_only_in_the_producers_section() {
        let other = [b"x".repeat(300), JS.to_vec()].concat();
        assert_eq!(
            instance_lifetime(&component(&[(1, &other), (0, JS)])),
            InstanceLifetime::OneRequest
        );
        let named = component(&[(1, &other), (0, b"\x04nameComponentizeJS")]);
        assert_eq!(instance_lifetime(&named), InstanceLifetime::Unlimited);
        let longer = b"\x09producers\x01\x0cprocessed-by\x01\x0fComponentizeJS2\x060.23.0";
        assert_eq!(
            instance_lifetime(&component(&[(0, longer)])),
            InstanceLifetime::Unlimited
        );
    }

    #[test]
    fn a_handler_with_the_dyno_mark_serves_many_requests() {
        let own = [JS, b"\x0cdyno-handler\x011"].concat();
        let own = component(&[(1, b"abc"), (0, &own)]);
        assert_eq!(instance_lifetime(&own), InstanceLifetime::UntilMemoryIsLow);
    }

    #[test]
    fn python_is_recognized_by_its_init_transform() {
        let python = b"\x09producers\x01\x0cprocessed-by\x01\x18component-init-transform\x050.2.0";
        assert_eq!(
            instance_lifetime(&component(&[(0, python)])),
            InstanceLifetime::UntilMemoryIsLow
        );
    }

    #[test]
    fn truncated_components_have_no_quirk() {
        let whole = component(&[(1, b"abc"), (0, JS)]);
        for length in 0..whole.len() {
            assert_eq!(
                instance_lifetime(&whole[..length]),
                InstanceLifetime::Unlimited
            );
        }
        let endless = b"\0asm\x0d\0\x01\0\x00\xff\xff\xff\xff\xff\xff";
        assert_eq!(instance_lifetime(endless), InstanceLifetime::Unlimited);
    }
}
