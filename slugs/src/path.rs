//! Owns `SlugPath`: the valid name of a file inside a slug.
//! Must not know archives, manifests or the disk.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Longest name of a file or folder, in bytes: what Linux's file systems hold.
pub const NAME_BYTES_MAX: usize = 255;
/// Longest path, in bytes. Linux allows 4,096; a quarter of them is left for the path of the app's folder.
pub const PATH_BYTES_MAX: usize = 3_072;
/// Deepest nesting of a path: far beyond real trees. It bounds the folders that a slug implies.
pub const DEPTH_MAX: usize = 32;

/// The name of a file inside a slug: relative, in UTF-8, with `/` between folders; without `.`, `..`, empty parts, control
/// characters (bidirectional ones included) and backslashes; within the lengths that file systems allow.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlugPath(Arc<str>);

/// Why a text is not a path inside a slug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// The path is empty, or has an empty part such as `a//b` or `a/`.
    #[error("the path has an empty part: write it as `folder/file`")]
    Empty,
    /// The path begins with `/`.
    #[error("the path is absolute: name it relative to the app's folder")]
    Absolute,
    /// The path has a part `.` or `..`.
    #[error("`.` and `..` are not allowed: name the file from the app's folder down")]
    Dots,
    /// The path has a NUL, newline, escape or the like, or a character that makes the name look like another.
    #[error("there is a control character in the name, perhaps an invisible one: rename the file")]
    Control,
    /// The path has a `\`, which has another meaning on other systems.
    #[error("there is a backslash in the name: rename the file, or use `/` between folders")]
    Backslash,
    /// The path is not UTF-8.
    #[error("the name is not UTF-8: rename the file")]
    NotUtf8,
    /// The path is longer than file systems allow.
    #[error(
        "the path is too long: at most {NAME_BYTES_MAX} bytes for each name and {PATH_BYTES_MAX} for the whole path, {DEPTH_MAX} folders deep; shorten it"
    )]
    TooLong,
}

impl SlugPath {
    /// Checks a path. It is kept as written.
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

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last part of the path.
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

/// Most characters of an untrusted name that an error repeats.
const SHOWN_CHARS_MAX: usize = 120;

/// An untrusted name, made safe to print: escaped, and cut if it is long.
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

    /// For example, `photo_\u{202e}gpj.exe` is displayed as `photo_exe.jpg`.
    #[test]
    fn names_that_look_like_others_are_refused() {
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
