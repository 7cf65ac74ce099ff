//! Resources of processes, according to the kernel: CPU time, memory, descriptors. Only reads Linux's `/proc`.
//!
//! CPU times are counted in ticks of ten milliseconds, so a run must use seconds of CPU time to be measurable.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};

/// The length of a tick in `/proc/PID/stat`: `USER_HZ` is part of the kernel's interface and is 100 on every
/// architecture that Rust's Linux targets have.
const TICK: Duration = Duration::from_millis(10);

/// Bytes of a KiB, the unit in which `/proc` gives memory.
const KIB: u64 = 1024;

/// CPU time used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct CpuTime {
    pub(crate) user: Duration,
    pub(crate) system: Duration,
}

impl CpuTime {
    fn of(ticks: Ticks) -> CpuTime {
        let time = |ticks: u64| TICK * u32::try_from(ticks).unwrap_or(u32::MAX);
        CpuTime {
            user: time(ticks.0),
            system: time(ticks.1),
        }
    }

    pub(crate) fn total(self) -> Duration {
        self.user + self.system
    }

    /// Both together.
    pub(crate) fn and(self, other: CpuTime) -> CpuTime {
        CpuTime {
            user: self.user + other.user,
            system: self.system + other.system,
        }
    }

    /// The CPU time that was used since `before`.
    pub(crate) fn since(self, before: CpuTime) -> CpuTime {
        CpuTime {
            user: self.user.saturating_sub(before.user),
            system: self.system.saturating_sub(before.system),
        }
    }
}

/// The resources that a process holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ProcessResources {
    /// The proportional set size: pages that several processes share are divided among them.
    pub(crate) pss_bytes: u64,
    pub(crate) rss_bytes: u64,
    pub(crate) threads: u64,
    pub(crate) descriptors: u64,
    /// Memory mappings, of which `vm.max_map_count` allows 65,530 by default.
    pub(crate) maps: u64,
}

impl ProcessResources {
    /// Both together.
    pub(crate) fn and(self, other: ProcessResources) -> ProcessResources {
        ProcessResources {
            pss_bytes: self.pss_bytes + other.pss_bytes,
            rss_bytes: self.rss_bytes + other.rss_bytes,
            threads: self.threads + other.threads,
            descriptors: self.descriptors + other.descriptors,
            maps: self.maps + other.maps,
        }
    }
}

/// The CPU time of a process and all its descendants, those that have ended included.
pub(crate) fn cpu_of_tree(root: u32) -> Result<CpuTime> {
    let stats = all();
    let own = stats
        .get(&root)
        .with_context(|| format!("process {root} has ended"))?;
    let mut ticks = own.ended;
    for id in family(root, &stats) {
        let stat = stats.get(&id).copied().unwrap_or_default();
        ticks = (ticks.0 + stat.own.0, ticks.1 + stat.own.1);
    }
    Ok(CpuTime::of(ticks))
}

/// A process and all its descendants.
fn family(root: u32, stats: &BTreeMap<u32, ProcessStat>) -> Vec<u32> {
    let mut family = vec![root];
    let mut next = 0;
    while let Some(parent) = family.get(next).copied() {
        let children = stats.iter().filter(|(_, stat)| stat.parent == parent);
        family.extend(children.map(|(id, _)| *id));
        next += 1;
    }
    family
}

/// The CPU time of one process, children apart.
pub(crate) fn cpu_of(id: u32) -> Result<CpuTime> {
    let stat = ProcessStat::parse(&read_process_file(id, "stat")?)
        .with_context(|| format!("/proc/{id}/stat is odd"))?;
    Ok(CpuTime::of(stat.own))
}

/// The resources that one process holds now, without those of its descendants.
pub(crate) fn holdings(id: u32) -> Result<ProcessResources> {
    let status = read_process_file(id, "status")?;
    let rollup = read_process_file(id, "smaps_rollup")?;
    let field = |text: &str, key: &str| {
        field(text, key).with_context(|| format!("/proc/{id} does not tell {key}"))
    };
    let descriptors = std::fs::read_dir(process_folder(id).join("fd"))
        .with_context(|| format!("cannot list the descriptors of process {id}"))?;
    Ok(ProcessResources {
        pss_bytes: field(&rollup, "Pss:")? * KIB,
        rss_bytes: field(&status, "VmRSS:")? * KIB,
        threads: field(&status, "Threads:")?,
        descriptors: descriptors.count() as u64,
        maps: read_process_file(id, "maps")?.lines().count() as u64,
    })
}

/// The resources that a process and all its descendants hold now. A process that ends meanwhile is left out.
pub(crate) fn holdings_of_tree(root: u32) -> Result<ProcessResources> {
    let mut held = holdings(root)?;
    for id in family(root, &all()).into_iter().skip(1) {
        held = held.and(holdings(id).unwrap_or_default());
    }
    Ok(held)
}

fn process_folder(id: u32) -> PathBuf {
    PathBuf::from(format!("/proc/{id}"))
}

fn read_process_file(id: u32, file: &str) -> Result<String> {
    let path = process_folder(id).join(file);
    std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// User and system time, in ticks.
type Ticks = (u64, u64);

/// The part of `/proc/PID/stat` that is used here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct ProcessStat {
    parent: u32,
    own: Ticks,
    /// Of children that ended and were waited for.
    ended: Ticks,
}

impl ProcessStat {
    /// See proc_pid_stat(5). The second field is a name in brackets, in which anything may stand.
    fn parse(text: &str) -> Option<ProcessStat> {
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        // The third field is the first after the name.
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(ProcessStat {
            parent: u32::try_from(field(4)?).ok()?,
            own: (field(14)?, field(15)?),
            ended: (field(16)?, field(17)?),
        })
    }
}

/// All processes. A process that ends meanwhile is left out.
fn all() -> BTreeMap<u32, ProcessStat> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let id = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        let Some(id) = id else { continue };
        let stat = read_process_file(id, "stat").ok();
        if let Some(stat) = stat.and_then(|text| ProcessStat::parse(&text)) {
            all.insert(id, stat);
        }
    }
    all
}

/// The number after `key` at the start of a line.
fn field(text: &str, key: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(key))?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_is_parsed_with_any_process_name() {
        let text = "7 (a) b (c) S 3 7 7 0 -1 4194560 100 0 0 0 150 25 6 4 20 0 1 0 5 0 0";
        let stat = ProcessStat {
            parent: 3,
            own: (150, 25),
            ended: (6, 4),
        };
        assert_eq!(ProcessStat::parse(text), Some(stat));
        assert_eq!(ProcessStat::parse("7 (a) S 3"), None);
        assert_eq!(ProcessStat::parse(""), None);
    }

    #[test]
    fn a_status_field_is_found_by_its_key() {
        let text = "Rss:      10 kB\nPss:      12 kB\nPss_Dirty:  3 kB\n";
        assert_eq!(field(text, "Pss:"), Some(12));
        assert_eq!(field(text, "Swap:"), None);
    }

    #[test]
    fn this_process_can_be_measured() {
        let id = std::process::id();
        let holdings = holdings(id).expect("its own");
        assert!(holdings.pss_bytes > 0 && holdings.rss_bytes >= holdings.pss_bytes / 2);
        assert!(holdings.threads > 0 && holdings.descriptors > 2 && holdings.maps > 2);
        let cpu = cpu_of_tree(id).expect("its own");
        assert_eq!(cpu.since(cpu).total(), Duration::ZERO);
        assert!(cpu_of_tree(u32::MAX).is_err());
    }
}
