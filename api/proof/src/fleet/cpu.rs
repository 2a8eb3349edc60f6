//! CPU time and memory of processes, read from `/proc`.
//!
//! A process is counted together with all its descendants, those that have ended included (`cutime`, `cstime`): a Postgres
//! backend that disconnects during a measurement stays in the account of its postmaster.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context as _, Result, bail};

/// Linux reports CPU time in ticks of 10 ms (`USER_HZ`), whatever the kernel's own tick is.
const MICROSECONDS_PER_TICK: u64 = 10_000;

/// The content of `/proc/<pid>/stat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stat {
    parent: i32,
    /// Ticks of the process itself.
    own: u64,
    /// Ticks of its children that have ended and were waited for.
    ended_children: u64,
}

impl Stat {
    fn parse(line: &str) -> Option<Stat> {
        // The name stands in parentheses and may hold anything, a parenthesis too.
        let fields: Vec<&str> = line.rsplit_once(") ")?.1.split(' ').collect();
        let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
        Some(Stat {
            parent: fields.get(1)?.parse().ok()?,
            own: number(11)?.checked_add(number(12)?)?,
            ended_children: number(13)?.checked_add(number(14)?)?,
        })
    }
}

/// The CPU microseconds used so far by each named process and its descendants.
///
/// # Errors
/// `/proc` cannot be read, or one of the processes is gone.
pub(crate) fn microseconds(pids: &BTreeMap<String, i32>) -> Result<BTreeMap<String, u64>> {
    let stats = all()?;
    pids.iter()
        .map(|(name, pid)| {
            if !stats.contains_key(pid) {
                bail!("{name} (process {pid}) is gone");
            }
            Ok((name.clone(), tree(&stats, *pid) * MICROSECONDS_PER_TICK))
        })
        .collect()
}

/// The private memory of each named process and its descendants, in bytes: what they share (program files, Postgres' shared
/// buffers) is not counted. A descendant that ends meanwhile counts as nothing.
///
/// # Errors
/// `/proc` cannot be read.
pub(crate) fn private_bytes(pids: &BTreeMap<String, i32>) -> Result<BTreeMap<String, u64>> {
    let stats = all()?;
    let bytes = |pid: i32| {
        fs::read_to_string(format!("/proc/{pid}/status"))
            .ok()
            .and_then(|status| anonymous_bytes(&status))
            .unwrap_or_default()
    };
    Ok(pids
        .iter()
        .map(|(name, pid)| {
            let members = members(&stats, *pid).into_iter();
            (name.clone(), members.map(bytes).sum())
        })
        .collect())
}

/// The anonymous memory that is resident, of the content of `/proc/<pid>/status`.
fn anonymous_bytes(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

/// The CPU microseconds used so far by this process alone, without its children.
///
/// # Errors
/// `/proc` cannot be read.
pub(crate) fn own_microseconds() -> Result<u64> {
    let line = fs::read_to_string("/proc/self/stat")
        .context("reading /proc (CPU time is measured on Linux only)")?;
    let stat = Stat::parse(&line).context("reading /proc/self/stat")?;
    Ok(stat.own * MICROSECONDS_PER_TICK)
}

/// The time of all processors of this machine since it started, in ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Machine {
    idle: u64,
    all: u64,
}

impl Machine {
    /// The times so far.
    ///
    /// # Errors
    /// `/proc` cannot be read.
    pub(crate) fn now() -> Result<Machine> {
        let stat = fs::read_to_string("/proc/stat")
            .context("reading /proc (CPU time is measured on Linux only)")?;
        Machine::parse(&stat).context("reading /proc/stat")
    }

    /// The part of the time since `before` in which the processors had nothing to do, from 0 to 1.
    pub(crate) fn idle_share_since(self, before: Machine) -> f64 {
        let ticks = |after: u64, before: u64| {
            f64::from(u32::try_from(after.saturating_sub(before)).unwrap_or(u32::MAX))
        };
        ticks(self.idle, before.idle) / ticks(self.all, before.all).max(1.0)
    }

    fn parse(stat: &str) -> Option<Machine> {
        let line = stat.lines().next()?.strip_prefix("cpu ")?;
        // User, nice, system, idle, waiting for a disk, interrupts (two), stolen; what follows is part of user and nice.
        let times: Vec<u64> = line
            .split_ascii_whitespace()
            .take(8)
            .map_while(|field| field.parse().ok())
            .collect();
        Some(Machine {
            idle: times.get(3)?.checked_add(*times.get(4)?)?,
            all: times.iter().sum(),
        })
    }
}

/// The parent of a process.
pub(crate) fn parent(pid: i32) -> Option<i32> {
    let line = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Stat::parse(&line).map(|stat| stat.parent)
}

/// The processes whose command line contains `needle`.
pub(crate) fn find(needle: &str) -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| {
            fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| {
                String::from_utf8_lossy(&line)
                    .replace('\0', " ")
                    .contains(needle)
            })
        })
        .collect()
}

fn all() -> Result<BTreeMap<i32, Stat>> {
    let mut stats = BTreeMap::new();
    for entry in
        fs::read_dir("/proc").context("reading /proc (CPU time is measured on Linux only)")?
    {
        let Some(pid) = entry?
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        // A process that ended since the directory was read is left out.
        if let Some(stat) = fs::read_to_string(format!("/proc/{pid}/stat"))
            .ok()
            .and_then(|line| Stat::parse(&line))
        {
            stats.insert(pid, stat);
        }
    }
    Ok(stats)
}

fn tree(stats: &BTreeMap<i32, Stat>, root: i32) -> u64 {
    members(stats, root)
        .iter()
        .filter_map(|pid| stats.get(pid))
        .map(|stat| stat.own + stat.ended_children)
        .sum()
}

/// The process and all its descendants.
fn members(stats: &BTreeMap<i32, Stat>, root: i32) -> Vec<i32> {
    let mut found = vec![root];
    let mut next = 0;
    while let Some(&pid) = found.get(next) {
        next += 1;
        found.extend(
            stats
                .iter()
                .filter(|(_, stat)| stat.parent == pid)
                .map(|(child, _)| *child),
        );
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_a_parenthesis_is_read_past() {
        let line = "7 (a) b) S 3 7 7 0 -1 4194560 1 2 3 4 50 6 70 8 20 0 1 0 9";
        let stat = Stat::parse(line).unwrap();
        assert_eq!(
            stat,
            Stat {
                parent: 3,
                own: 56,
                ended_children: 78
            }
        );
    }

    #[test]
    fn the_idle_share_counts_waiting_for_a_disk_as_idle() {
        let before = Machine::parse("cpu  100 0 50 800 50 0 0 0 9 9\ncpu0 1 2 3 4").unwrap();
        let after = Machine::parse("cpu  160 0 90 870 80 0 0 0 9 9\n").unwrap();
        assert!((after.idle_share_since(before) - 0.5).abs() < 1e-9);
        assert_eq!(Machine::parse("intr 1 2"), None);
    }

    #[test]
    fn descendants_count_with_their_ancestor() {
        let stat = |parent, own| Stat {
            parent,
            own,
            ended_children: 1,
        };
        let stats = BTreeMap::from([
            (1, stat(0, 10)),
            (2, stat(1, 20)),
            (3, stat(2, 40)),
            (9, stat(0, 80)),
        ]);
        assert_eq!(tree(&stats, 1), 73);
    }

    #[test]
    fn only_anonymous_memory_counts() {
        let status = "VmRSS:\t  9000 kB\nRssAnon:\t     7 kB\nRssFile:\t   8 kB\n";
        assert_eq!(anonymous_bytes(status), Some(7 * 1024));
        assert_eq!(anonymous_bytes("Name:\tkthreadd\n"), None);
    }

    #[test]
    fn a_process_that_is_gone_is_named() {
        let error = microseconds(&BTreeMap::from([("gateway".to_owned(), i32::MAX)])).unwrap_err();
        assert!(error.to_string().contains("gateway"));
    }
}
