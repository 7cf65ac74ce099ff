//! Components that differ in nothing but their bytes, so that no cache takes one for another.
//!
//! Owns a section that engines pass over: see the binary format of WebAssembly.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::product::binary::MeasuredBinary;

/// The first byte of a section that engines ignore.
const CUSTOM_SECTION: u8 = 0;
/// The section's name.
const SECTION_NAME: &[u8] = b"mark";
/// Lengths below this one are a single byte of LEB128.
const LENGTH_MAX: usize = 128;

/// A copy of the component, in the folder of this run, with a section that says `mark`.
pub(crate) fn marked(product: &MeasuredBinary, component: &Path, mark: &str) -> Result<PathBuf> {
    let mut bytes =
        std::fs::read(component).with_context(|| format!("cannot read {}", component.display()))?;
    bytes.extend(custom_section(mark)?);
    let file = product.file(&format!("{}.wasm", mark.replace(' ', "-")));
    std::fs::write(&file, bytes).context("cannot write a component")?;
    Ok(file)
}

fn custom_section(mark: &str) -> Result<Vec<u8>> {
    let content = 1 + SECTION_NAME.len() + mark.len();
    ensure!(content < LENGTH_MAX, "the mark is too long");
    let mut bytes = vec![CUSTOM_SECTION, u8::try_from(content)?];
    bytes.push(u8::try_from(SECTION_NAME.len())?);
    bytes.extend_from_slice(SECTION_NAME);
    bytes.extend_from_slice(mark.as_bytes());
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_custom_section_has_its_length_and_is_bounded() {
        let bytes = custom_section("a 1").expect("it is short");
        assert_eq!(bytes, b"\x00\x08\x04marka 1");
        assert!(custom_section(&"x".repeat(200)).is_err());
    }
}
