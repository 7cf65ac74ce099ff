//! A release: slug, config vars and process types, frozen together.
//!
//! Owns the shape of a release and the limits of its dynos. Must not know where it runs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::name::{Endpoint, ProcessType, SlugId, Version};

/// One MiB in bytes.
const MIB: u64 = 1024 * 1024;

/// How the dynos of a process type run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ProcessKind {
    /// Called by the router in-process, one request at a time; no socket.
    Handler,
    /// Listens at `$PORT`. The router speaks HTTP/1.1 to it.
    Server,
    /// Runs by itself and takes no requests: a worker, a clock.
    Process,
}

/// The most that one dyno may use. Each field is named for the resource that it limits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Linear memory in bytes, all memories of the guest together. Default 128 MiB.
    pub memory_bytes: u64,
    /// Elements of all tables together. Default 131,072: language runtimes fill one with tens of thousands.
    pub table_elements: u32,
    /// Core instances in the component. Default 256: a Python guest links some dozens of libraries.
    pub instances: u32,
    /// From the arrival of a request to the first byte of its response. Default 30 s, from 1 s to 10 min.
    pub request_timeout: Duration,
    /// From the start of a dyno to its readiness. Default 60 s.
    pub boot_timeout: Duration,
    /// Bytes of `./tmp` and `./log` together. Default 512 MiB.
    pub disk_bytes: u64,
    /// Files and folders in `./tmp` and `./log` together. Default 10,000.
    pub disk_files: u32,
    /// Outbound connections open at once. Default 64.
    pub connections: u32,
}

impl Limits {
    /// Default linear memory of a dyno.
    pub const MEMORY_BYTES: u64 = 128 * MIB;
    /// Default sum of table elements of a dyno.
    pub const TABLE_ELEMENTS: u32 = 131_072;
    /// Default number of core instances of a dyno.
    pub const INSTANCES: u32 = 256;
    /// Default time to the first byte of a response.
    pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
    /// Default time to become ready.
    pub const BOOT_TIMEOUT: Duration = Duration::from_secs(60);
    /// Default space for files of a dyno.
    pub const DISK_BYTES: u64 = 512 * MIB;
    /// Default number of files of a dyno.
    pub const DISK_FILES: u32 = 10_000;
    /// Default number of outbound connections of a dyno.
    pub const CONNECTIONS: u32 = 64;
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            memory_bytes: Self::MEMORY_BYTES,
            table_elements: Self::TABLE_ELEMENTS,
            instances: Self::INSTANCES,
            request_timeout: Self::REQUEST_TIMEOUT,
            boot_timeout: Self::BOOT_TIMEOUT,
            disk_bytes: Self::DISK_BYTES,
            disk_files: Self::DISK_FILES,
            connections: Self::CONNECTIONS,
        }
    }
}

/// One process type of a release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessSpec {
    /// How it is run.
    pub kind: ProcessKind,
    /// The limits of each dyno. Releases share equal limits.
    pub limits: Arc<Limits>,
}

/// Config vars by name, outside of a release.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigVars(pub Arc<BTreeMap<String, String>>);

/// Names the config vars and withholds their values.
impl fmt::Debug for ConfigVars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Slug, config vars and process types under one number. A release never changes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// Its number within the app.
    pub version: Version,
    /// The built app.
    pub slug: SlugId,
    /// Why the release was made, such as `Deploy` or `Rollback to v3`.
    pub description: String,
    /// Config vars by name. The values are secrets: nothing prints them.
    pub config: Arc<BTreeMap<String, String>>,
    /// The process types of the slug.
    pub processes: BTreeMap<ProcessType, ProcessSpec>,
    /// When the release was made, in milliseconds of Unix time, as the command that made it says.
    #[serde(default)]
    pub created_ms: u64,
    /// The user who made the release.
    #[serde(default)]
    pub created_by: String,
    /// Addresses that the dynos may reach beside public ones: those of the app's add-ons.
    #[serde(default)]
    pub reach: Arc<BTreeSet<Endpoint>>,
}

impl Release {
    /// The process type that takes web requests, if it has one.
    pub fn web_process(&self) -> Option<&ProcessSpec> {
        let mut processes = self.processes.iter();
        let (_, spec) = processes.find(|(process, _)| process.is_web())?;
        Some(spec)
    }

    /// The process that has to succeed before its dynos start, if it has one.
    pub fn release_process(&self) -> Option<&ProcessSpec> {
        let mut processes = self.processes.iter();
        let (_, spec) = processes.find(|(process, _)| process.is_release())?;
        // A handler runs only for requests.
        (spec.kind != ProcessKind::Handler).then_some(spec)
    }
}

/// Names the config vars and withholds their values.
impl fmt::Debug for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Release")
            .field("version", &self.version)
            .field("slug", &self.slug)
            .field("description", &self.description)
            .field("config", &self.config.keys().collect::<Vec<_>>())
            .field("processes", &self.processes)
            .field("created_ms", &self.created_ms)
            .field("created_by", &self.created_by)
            .field("reach", &self.reach)
            .finish()
    }
}
