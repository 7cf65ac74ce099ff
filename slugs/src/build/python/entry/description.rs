//! Owns what the component has to know about a Python app. Must not know how the app was found.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::build::toolbox::error::BuilderError;

/// The facts about the app that the component needs. Stored as a file in the slug.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct PythonEntry {
    /// The module of the app; empty if a program starts the server.
    pub(crate) module: String,
    /// The app in the module: a name, or a call with literal arguments. Empty for the usual names.
    pub(crate) app: String,
    /// A program that starts the server itself: a file of the app.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) script: String,
    /// Such a program, by the name of its module.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) script_module: String,
    /// The program's arguments.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) args: Vec<String>,
    /// The folder that the server changes to before it imports the app.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) chdir: String,
    /// Folders that modules are imported from, relative to the app's folder, whose own name is empty.
    pub(crate) path: Vec<String>,
    /// Environment variables that the server sets unless they are set already.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) env: BTreeMap<String, String>,
    /// Whether Django serves static files while its DEBUG is on, as `runserver` does.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) static_files: bool,
    /// The path that an ASGI app is mounted at.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) root_path: String,
    /// The files of the app that are loaded first.
    #[serde(skip)]
    pub(crate) starts: Vec<String>,
    /// A module that is not the app's own, and so has to be in one of its packages.
    #[serde(skip)]
    pub(crate) package_module: Option<String>,
}

impl PythonEntry {
    /// Fails if the module to load is neither the app's own nor in a package.
    pub(crate) fn check_module(&self, has: impl Fn(&str) -> bool) -> Result<(), BuilderError> {
        match &self.package_module {
            Some(module) if !has(module) => Err(BuilderError::Refused(format!(
                "the web process is `{}`, and neither the app's folder nor its packages have a module `{module}`: correct \
                 the name",
                if self.app.is_empty() {
                    module.clone()
                } else {
                    format!("{module}:{}", self.app)
                }
            ))),
            _ => Ok(()),
        }
    }

    /// The text of the file in the slug.
    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("texts and lists of them")
    }
}
