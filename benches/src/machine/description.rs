//! Which machine a run was on, as far as figures depend on it. No names, no paths.

use serde::Serialize;

/// The machine and how busy it was.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct MachineDescription {
    /// Threads that run at once.
    pub(crate) cores: usize,
    pub(crate) processor: String,
    pub(crate) memory_gib: f64,
    pub(crate) kernel: String,
    pub(crate) architecture: &'static str,
}

/// This machine.
pub(crate) fn describe() -> MachineDescription {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let memory = after(&read("/proc/meminfo"), "MemTotal");
    let kib: f64 = memory
        .split_whitespace()
        .next()
        .and_then(|number| number.parse().ok())
        .unwrap_or(f64::NAN);
    MachineDescription {
        cores: std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
        processor: after(&read("/proc/cpuinfo"), "model name"),
        memory_gib: (kib / f64::from(1 << 20) * 10.0).round() / 10.0,
        kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        architecture: std::env::consts::ARCH,
    }
}

/// How many processes wanted to run, on average over the last minute.
pub(crate) fn load() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let first = text.split_whitespace().next();
    first.and_then(|load| load.parse().ok()).unwrap_or(f64::NAN)
}

/// The text behind the colon in the first line whose key is `key`.
fn after(text: &str, key: &str) -> String {
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    let value = lines.find(|(own, _)| own.trim() == key);
    value.map_or_else(String::new, |(_, value)| value.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_their_keys() {
        let text = "processor\t: 0\nmodel name\t: Some CPU: fast\n";
        assert_eq!(after(text, "model name"), "Some CPU: fast");
        assert_eq!(after(text, "model"), "");
    }

    #[test]
    fn the_machine_has_cores() {
        assert!(describe().cores > 0);
        assert!(load() >= 0.0);
    }
}
