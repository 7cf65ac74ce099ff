//! The identity of this dyno. The platform sets it in environment variables; elsewhere they are missing, and the fields
//! are `None`.

use std::env;
use std::fmt;

/// The identity of this dyno.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dyno {
    /// `DYNO`: process type and number, `web.1`.
    pub name: Option<String>,
    /// `APP_NAME`: the app.
    pub app: Option<String>,
    /// `RELEASE_VERSION`: `v12`.
    pub release: Option<String>,
    /// `SLUG_ID`: the digest of the slug, `sha256:…`.
    pub slug: Option<String>,
}

impl Dyno {
    /// Reads the environment.
    pub fn current() -> Self {
        Self::from(|name| env::var(name).ok())
    }

    /// The process type, `web`.
    pub fn process(&self) -> Option<&str> {
        self.parts().map(|(process, _)| process)
    }

    /// The number of this dyno among those of its process type, from 1.
    pub fn index(&self) -> Option<u32> {
        self.parts().map(|(_, index)| index)
    }

    fn from(lookup: impl Fn(&str) -> Option<String>) -> Self {
        Self {
            name: lookup("DYNO"),
            app: lookup("APP_NAME"),
            release: lookup("RELEASE_VERSION"),
            slug: lookup("SLUG_ID"),
        }
    }

    fn parts(&self) -> Option<(&str, u32)> {
        let (process, index) = self.name.as_deref()?.rsplit_once('.')?;
        Some((process, index.parse().ok()?))
    }
}

/// The name, or `local` if the platform set none.
impl fmt::Display for Dyno {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name.as_deref().unwrap_or("local"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dyno_name_is_split_into_type_and_index() {
        let dyno = Dyno::from(|name| match name {
            "DYNO" => Some("web.12".to_owned()),
            "APP_NAME" => Some("shop".to_owned()),
            _ => None,
        });
        assert_eq!((dyno.process(), dyno.index()), (Some("web"), Some(12)));
        assert_eq!(
            (dyno.app.as_deref(), dyno.release.as_deref()),
            (Some("shop"), None)
        );
        assert_eq!(dyno.to_string(), "web.12");
    }

    #[test]
    fn outside_of_a_dyno_there_is_no_identity() {
        let dyno = Dyno::from(|_| None);
        assert_eq!((dyno.process(), dyno.index()), (None, None));
        assert_eq!(dyno.to_string(), "local");
    }
}
