//! The archive that a kernel unpacks into its first file system.
//!
//! The format is `newc` of the kernel's `Documentation/driver-api/early-userspace/buffer-format.rst`.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

const FOLDER: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
const END: &str = "TRAILER!!!";

/// Files with the folders above them, each once.
#[derive(Clone, Default)]
pub(super) struct Archive {
    bytes: Vec<u8>,
    entries: BTreeSet<PathBuf>,
}

impl Archive {
    /// Adds a file that everyone can read and run, unless there is one of this path.
    pub(super) fn add(&mut self, path: &Path, content: &[u8]) -> Result<()> {
        if self.entries.contains(path) {
            return Ok(());
        }
        let mut above: Vec<&Path> = path.ancestors().skip(1).collect();
        above.reverse();
        for folder in above.into_iter().filter(|folder| folder.parent().is_some()) {
            if self.entries.insert(folder.to_owned()) {
                self.write(&name_of(folder), FOLDER, &[])?;
            }
        }
        self.entries.insert(path.to_owned());
        self.write(&name_of(path), PROGRAM, content)
    }

    pub(super) fn contains(&self, path: &Path) -> bool {
        self.entries.contains(path)
    }

    /// The archive as the kernel wants it.
    pub(super) fn finish(mut self) -> Result<Vec<u8>> {
        self.write(END, 0, &[])?;
        Ok(self.bytes)
    }

    fn write(&mut self, name: &str, mode: u32, content: &[u8]) -> Result<()> {
        let size = u32::try_from(content.len()).with_context(|| format!("pack {name}: too big"))?;
        let name_size = u32::try_from(name.len() + 1).context("pack a name: too long")?;
        let inode = u32::try_from(self.entries.len()).context("pack so many files")?;
        let links = if mode == FOLDER { 2 } else { 1 };
        self.bytes.extend(b"070701");
        // inode, mode, user, group, links, time, size, four device numbers, size of name, checksum
        for field in [inode, mode, 0, 0, links, 0, size, 0, 0, 0, 0, name_size, 0] {
            self.bytes.extend(format!("{field:08X}").bytes());
        }
        self.bytes.extend(name.bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend(content);
        self.pad();
        Ok(())
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

fn name_of(path: &Path) -> String {
    path.to_string_lossy().trim_start_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_folders_before_their_files_and_everything_once() {
        let mut archive = Archive::default();
        archive.add(Path::new("/a/b/c"), b"one").unwrap();
        archive.add(Path::new("/a/b/d"), b"").unwrap();
        archive.add(Path::new("/a/b/c"), b"another").unwrap();

        let bytes = archive.finish().unwrap();

        assert_eq!(names(&bytes), ["a", "a/b", "a/b/c", "a/b/d", END]);
        assert!(bytes.windows(8).any(|it| it == b"a/b/c\0on"), "aligned to four: {bytes:?}");
        assert_eq!(bytes.len() % 4, 0);
    }

    fn names(bytes: &[u8]) -> Vec<String> {
        let number = |at: usize| {
            let text = std::str::from_utf8(&bytes[at..at + 8]).unwrap();
            usize::from_str_radix(text, 16).unwrap()
        };
        let (mut names, mut at) = (Vec::new(), 0);
        while at < bytes.len() {
            assert_eq!(&bytes[at..at + 6], b"070701");
            let (size, name_size) = (number(at + 54), number(at + 94));
            let name = &bytes[at + 110..at + 110 + name_size - 1];
            names.push(String::from_utf8(name.to_vec()).unwrap());
            at = (at + 110 + name_size).next_multiple_of(4) + size;
            at = at.next_multiple_of(4);
        }
        names
    }
}
