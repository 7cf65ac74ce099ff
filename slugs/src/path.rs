//! Owns `SlugPath`: the name of a file inside a slug, valid by construction.
//! Must not know archives' contents, manifests or the disk.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Longest name of a file or folder, in bytes: what Linux's file systems hold.
pub const NAME_BYTES_MAX: usize = 255;
/// Longest path, in bytes: of the 4,096 that Linux takes, a quarter is left for where the app's folder stands.
pub const PATH_BYTES_MAX: usize = 3_072;
/// Deepest folder nesting of a path: far beyond real trees, and it bounds the folders a slug implies.
pub const DEPTH_MAX: usize = 32;

/// A file's name inside a slug: relative, `/`-separated, UTF-8, without `.`, `..`, empty parts,
/// control characters (bidirectional ones too) or backslashes, and within the lengths that file systems take.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlugPath(Arc<str>);

/// Why a text is not a path inside a slug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Nothing at all, or an empty part such as `a//b` or `a/`.
    #[error("a path has an empty part: write it as `folder/file`")]
    Empty,
    /// It starts at the root.
    #[error("an absolute path: name it relative to the app's folder")]
    Absolute,
    /// A `.` or `..` part.
    #[error("`.` and `..` are not allowed: name the file from the app's folder down")]
    Dots,
    /// NUL, newline, escape and the like, or one that has the name read as another.
    #[error("a control character in the name, perhaps an invisible one: rename the file")]
    Control,
    /// `\` means different things on different systems.
    #[error("a backslash in the name: rename the file, or use `/` between folders")]
    Backslash,
    /// Bytes that are not UTF-8.
    #[error("a name that is not UTF-8: rename the file")]
    NotUtf8,
    /// Longer than a file system holds.
    #[error(
        "too long: at most {NAME_BYTES_MAX} bytes for each name and {PATH_BYTES_MAX} for the whole path, {DEPTH_MAX} folders deep; shorten it"
    )]
    TooLong,
}

impl SlugPath {
    /// Checks a path as it is written; nothing is normalised.
    pub fn new(text: &str) -> Result<Self, PathError> {
        if text.starts_with('/') {
            return Err(PathError::Absolute);
        }
        if text.chars().any(grid::text::is_control) {
            return Err(PathError::Control);
        }
        if text.contains('\\') {
            return Err(PathError::Backslash);
        }
        for part in text.split('/') {
            match part {
                "" => return Err(PathError::Empty),
                "." | ".." => return Err(PathError::Dots),
                _ => {}
            }
        }
        let too_deep = text.split('/').count() > DEPTH_MAX;
        let long_name = text.split('/').any(|part| part.len() > NAME_BYTES_MAX);
        if too_deep || long_name || text.len() > PATH_BYTES_MAX {
            return Err(PathError::TooLong);
        }
        Ok(Self(text.into()))
    }

    /// Checks the bytes of a name.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PathError> {
        Self::new(std::str::from_utf8(bytes).map_err(|_| PathError::NotUtf8)?)
    }

    /// The path as written in the manifest.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last part.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// The folders above the file, outermost first: `a/b/c` gives `a`, `a/b`.
    pub fn folders(&self) -> impl Iterator<Item = &str> {
        self.0.match_indices('/').map(|(at, _)| &self.0[..at])
    }
}

impl Borrow<str> for SlugPath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SlugPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SlugPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl FromStr for SlugPath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        Self::new(text)
    }
}

impl Serialize for SlugPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SlugPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::new(&text).map_err(|error| {
            serde::de::Error::custom(format!("{}: {error}", shown(text.as_bytes())))
        })
    }
}

/// Longest excerpt of a hostile name that an error repeats.
const SHOWN_CHARS_MAX: usize = 120;

/// A name from outside, made safe to print: escaped, and cut when it is long.
pub(crate) fn shown(name: &[u8]) -> String {
    let text = String::from_utf8_lossy(&name[..name.len().min(4 * SHOWN_CHARS_MAX)]);
    let mut safe: String = text
        .chars()
        .take(SHOWN_CHARS_MAX)
        .flat_map(char::escape_debug)
        .collect();
    if text.chars().count() > SHOWN_CHARS_MAX {
        safe.push('…');
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `photo_\u{202e}gpj.exe` is shown as `photo_exe.jpg`.
    #[test]
    fn a_name_that_is_shown_as_another_is_refused() {
        for hidden in [
            '\u{202e}', '\u{2066}', '\u{200f}', '\u{61c}', '\u{1b}', '\n',
        ] {
            let name = format!("public/photo_{hidden}gpj.exe");
            assert_eq!(SlugPath::new(&name), Err(PathError::Control), "{name:?}");
        }
        for plain in ["public/café.html", "public/صورة.html", "public/写真.html"] {
            assert!(SlugPath::new(plain).is_ok(), "{plain}");
        }
    }
}
