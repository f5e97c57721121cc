//! What kind of file system the inbox is on: on some, a commit means little.

use std::path::Path;

/// What is dubious about the place of this file.
pub(super) fn warnings(path: &Path) -> Vec<String> {
    let Ok(path) = path.canonicalize() else { return Vec::new() };
    // Only Linux has the list; elsewhere nothing is known.
    let Ok(mounts) = std::fs::read_to_string("/proc/self/mountinfo") else { return Vec::new() };
    let Some(kind) = kind_of(&path, &mounts) else { return Vec::new() };
    let why = match kind {
        "tmpfs" | "ramfs" => "in memory: a restart of the machine loses what was acknowledged",
        "overlay" => {
            "a container's own layer: it is gone with the container, and what was acknowledged with it"
        }
        "nfs" | "nfs4" | "cifs" | "smb3" | "9p" => {
            "a network file system, on which SQLite's locks cannot be relied on"
        }
        _ => return Vec::new(),
    };
    vec![format!("the inbox {} is on {kind}, {why}", path.display())]
}

/// The type of the file system that the path is on: that of the longest mount point that leads there.
///
/// Lines of <https://docs.kernel.org/filesystems/proc.html#proc-pid-mountinfo-information-about-mounts>:
/// `36 35 98:0 / /mnt rw,noatime shared:1 - ext4 /dev/root rw`. Of two on one point the later lies on top.
fn kind_of<'a>(path: &Path, mounts: &'a str) -> Option<&'a str> {
    let mounts = mounts.lines().filter_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let point = before.split(' ').nth(4)?.replace("\\040", " ");
        path.starts_with(&point).then_some((point.len(), after.split(' ').next()?))
    });
    mounts.max_by_key(|(length, _)| *length).map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 1 0:20 / / rw,relatime - overlay overlay rw,lowerdir=/a
30 22 8:1 / /var/lib/data rw shared:1 - ext4 /dev/sda1 rw
31 22 0:25 / /dev/shm rw - tmpfs tmpfs rw
32 22 0:26 / /mnt/with\\040space rw - nfs4 host:/x rw";

    #[test]
    fn the_longest_mount_point_counts() {
        for (path, kind) in [
            ("/webhooks.db", "overlay"),
            ("/var/lib/data/webhooks.db", "ext4"),
            ("/var/lib/database", "overlay"),
            ("/dev/shm/a/b", "tmpfs"),
            ("/mnt/with space/x", "nfs4"),
        ] {
            assert_eq!(kind_of(Path::new(path), MOUNTS), Some(kind), "{path}");
        }
        assert_eq!(kind_of(Path::new("/x"), "nonsense\n- a b"), None);
    }
}
