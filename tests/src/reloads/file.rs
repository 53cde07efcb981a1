//! A policy file, and the ways in which people and programs write one.

use std::{
    fmt, fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

/// How a file gets its new content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Manner {
    /// Another file takes its name, as editors do it.
    Rename,
    /// It is a link through a folder that is a link, and that one leads to another folder, as the
    /// kubelet does it with a `ConfigMap`.
    Swap,
    /// It is emptied and written.
    InPlace,
}

/// The file.
pub(super) struct File {
    path: PathBuf,
    /// How many folders there have been.
    folders: u32,
}

impl File {
    pub(super) const fn new(path: PathBuf) -> Self {
        Self { path, folders: 0 }
    }

    pub(super) fn write(&mut self, manner: Manner, text: &str) -> anyhow::Result<()> {
        let is_link = fs::symlink_metadata(&self.path).is_ok_and(|it| it.is_symlink());
        let written = match manner {
            Manner::Swap => self.swap(text, is_link),
            // Who writes through the link writes where nobody looks, which no kubelet does.
            Manner::InPlace if !is_link => fs::write(&self.path, text),
            Manner::InPlace | Manner::Rename => {
                let draft = self.beside(".draft");
                fs::write(&draft, text).and_then(|()| fs::rename(&draft, &self.path))
            }
        };
        written.with_context(|| format!("write {}", self.path.display()))
    }

    fn swap(&mut self, text: &str, is_link: bool) -> std::io::Result<()> {
        let last = fs::read_link(self.beside("..data")).ok();
        self.folders += 1;
        let folder = PathBuf::from(format!("..{}", self.folders));
        fs::create_dir(self.beside(&folder))?;
        let name = self.path.file_name().unwrap_or_default();
        fs::write(self.beside(&folder).join(name), text)?;
        self.link(&folder, "..data")?;
        if !is_link {
            let target = Path::new("..data").join(name);
            self.link(&target, name)?;
        }
        match last {
            Some(last) => fs::remove_dir_all(self.beside(last)),
            None => Ok(()),
        }
    }

    /// Makes a name a link, at once.
    fn link(&self, target: &Path, name: impl AsRef<Path>) -> std::io::Result<()> {
        let draft = self.beside("..draft");
        symlink(target, &draft)?;
        fs::rename(&draft, self.beside(name))
    }

    fn beside(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.with_file_name("").join(name)
    }
}

impl fmt::Display for Manner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rename => "renamed",
            Self::Swap => "a link swapped",
            Self::InPlace => "in place",
        })
    }
}
