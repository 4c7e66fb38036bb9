//! How much memory this process may still take, with control-group limits (containers, systemd units) applied.

use std::fs;
use std::path::{Path, PathBuf};

use super::report::SystemMemory;

/// A control group's memory limit, and what is left below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct GroupLimit {
    pub(super) limit_bytes: u64,
    pub(super) left_bytes: u64,
}

/// Limits from here on are none, where the physical memory is not known.
const NO_LIMIT_BYTES: u64 = 1 << 50;

/// The computer's memory, cut to the limit of this process's control group.
pub(super) fn limited(
    total_bytes: Option<u64>,
    available_bytes: Option<u64>,
    process_peak_bytes: Option<u64>,
) -> SystemMemory {
    let linux = cfg!(target_os = "linux");
    let group = linux.then(|| group_limit(Path::new("/"), total_bytes.unwrap_or(NO_LIMIT_BYTES))).flatten();
    SystemMemory {
        total_bytes,
        available_bytes: [available_bytes, group.map(|group| group.left_bytes)].into_iter().flatten().min(),
        limit_bytes: group.map(|group| group.limit_bytes),
        process_peak_bytes,
    }
}

/// Names of the files of one version of control groups.
struct Files {
    limit: &'static str,
    usage: &'static str,
    /// Key in `memory.stat` of file cache that the kernel gives back before it refuses memory.
    reclaimable: &'static str,
}

const V1: Files =
    Files { limit: "memory.limit_in_bytes", usage: "memory.usage_in_bytes", reclaimable: "total_inactive_file" };
const V2: Files = Files { limit: "memory.max", usage: "memory.current", reclaimable: "inactive_file" };

/// The tightest limit among this process's control group and its ancestors. `root` is `/`, or a test's folder like it.
///
/// Limits at or above `total_bytes` are none (version 1 writes a huge number for "no limit", version 2 `max`).
pub(super) fn group_limit(root: &Path, total_bytes: u64) -> Option<GroupLimit> {
    let membership = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    let mut tightest: Option<GroupLimit> = None;
    for line in membership.lines() {
        // hierarchy:controllers:path
        let mut fields = line.splitn(3, ':');
        let (Some(hierarchy), Some(controllers), Some(path)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        let (mount, files) = if hierarchy == "0" && controllers.is_empty() {
            (root.join("sys/fs/cgroup"), V2)
        } else if controllers.split(',').any(|controller| controller == "memory") {
            (root.join("sys/fs/cgroup/memory"), V1)
        } else {
            continue;
        };
        for folder in ancestors(&mount, path) {
            let Some(group) = limit_at(&folder, &files).filter(|group| group.limit_bytes < total_bytes) else {
                continue;
            };
            tightest = Some(match tightest {
                None => group,
                // A limit further up can be the lower one in what is left, as others share it.
                Some(other) => GroupLimit {
                    limit_bytes: other.limit_bytes.min(group.limit_bytes),
                    left_bytes: other.left_bytes.min(group.left_bytes),
                },
            });
        }
    }
    tightest
}

/// The group's folder and every one above it up to the mount. In a container the path can lie outside of what is
/// mounted; its folders then do not exist and only the mount itself counts, which is the container's own group.
fn ancestors(mount: &Path, path: &str) -> Vec<PathBuf> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != "..").collect();
    (0..=parts.len())
        .rev()
        .map(|count| parts[..count].iter().fold(mount.to_path_buf(), |folder, part| folder.join(part)))
        .collect()
}

fn limit_at(folder: &Path, files: &Files) -> Option<GroupLimit> {
    let number = |name: &str| fs::read_to_string(folder.join(name)).ok()?.trim().parse::<u64>().ok();
    let limit_bytes = number(files.limit)?;
    let used = number(files.usage).unwrap_or(0);
    let reclaimable = || {
        let stat = fs::read_to_string(folder.join("memory.stat")).ok()?;
        stat.lines()
            .find_map(|line| line.strip_prefix(files.reclaimable)?.strip_prefix(' ')?.trim().parse::<u64>().ok())
    };
    let held = used.saturating_sub(reclaimable().unwrap_or(0));
    Some(GroupLimit { limit_bytes, left_bytes: limit_bytes.saturating_sub(held) })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn check(files: &[(&str, &str)], want: Option<(u64, u64)>) {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let want = want.map(|(limit_bytes, left_bytes)| GroupLimit { limit_bytes, left_bytes });
        assert_eq!(group_limit(root.path(), 16 * GIB), want, "{files:?}");
    }

    #[test]
    fn version_2_counts_file_cache_as_free() {
        check(
            &[
                ("proc/self/cgroup", "0::/system.slice/node.service\n"),
                ("sys/fs/cgroup/system.slice/node.service/memory.max", "4294967296\n"),
                ("sys/fs/cgroup/system.slice/node.service/memory.current", "3221225472\n"),
                (
                    "sys/fs/cgroup/system.slice/node.service/memory.stat",
                    "anon 5\ninactive_file 1073741824\nactive_file 7\n",
                ),
                ("sys/fs/cgroup/system.slice/memory.max", "max\n"),
            ],
            Some((4 * GIB, 2 * GIB)),
        );
    }

    #[test]
    fn an_ancestor_can_be_the_tightest() {
        check(
            &[
                ("proc/self/cgroup", "0::/a/b\n"),
                ("sys/fs/cgroup/a/b/memory.max", "2147483648\n"),
                ("sys/fs/cgroup/a/b/memory.current", "0\n"),
                ("sys/fs/cgroup/a/memory.max", "8589934592\n"),
                ("sys/fs/cgroup/a/memory.current", "8053063680\n"),
            ],
            Some((2 * GIB, GIB / 2)),
        );
    }

    #[test]
    fn version_1_beside_version_2() {
        check(
            &[
                ("proc/self/cgroup", "9:name=systemd:/\n4:memory:/job\n1:cpu,cpuacct:/\n0::/\n"),
                ("sys/fs/cgroup/memory/job/memory.limit_in_bytes", "1073741824\n"),
                ("sys/fs/cgroup/memory/job/memory.usage_in_bytes", "1073741825\n"),
                ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ],
            Some((GIB, 0)),
        );
    }

    #[test]
    fn a_container_sees_its_own_group_at_the_mount() {
        check(
            &[
                ("proc/self/cgroup", "0::/../../docker/abc\n"),
                ("sys/fs/cgroup/memory.max", "1073741824\n"),
                ("sys/fs/cgroup/memory.current", "536870912\n"),
            ],
            Some((GIB, GIB / 2)),
        );
    }

    #[test]
    fn no_limit_no_files_and_rubbish_are_no_limit() {
        check(&[], None);
        check(&[("proc/self/cgroup", "0::/\n"), ("sys/fs/cgroup/memory.max", "max\n")], None);
        check(&[("proc/self/cgroup", "0::/\n"), ("sys/fs/cgroup/memory.max", "lots\n")], None);
        check(&[("proc/self/cgroup", "rubbish\n:::\n\u{fffd}:memory\n")], None);
        check(
            &[
                ("proc/self/cgroup", "4:memory:/\n"),
                ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ],
            None,
        );
    }

    #[test]
    fn the_tighter_of_memory_and_limit_is_what_can_be_used() {
        let memory = |total_bytes, limit_bytes| SystemMemory {
            total_bytes,
            available_bytes: None,
            limit_bytes,
            process_peak_bytes: None,
        };
        assert_eq!(memory(Some(16), Some(4)).usable_total_bytes(), Some(4));
        assert_eq!(memory(Some(16), None).usable_total_bytes(), Some(16));
        assert_eq!(memory(None, Some(4)).usable_total_bytes(), Some(4));
        assert_eq!(memory(None, None).usable_total_bytes(), None);
    }
}
