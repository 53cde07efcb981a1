//! Debian's kernels, by a configuration of apt that is ours alone: the machine's stays untouched.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::step;

/// Suites that have the kernels of the matrix: a long-term one of each release, and the newest.
const SUITES: [&str; 5] = ["bullseye", "bookworm", "trixie", "trixie-backports", "sid"];
const SECURITY_SUITES: [&str; 3] = ["bullseye-security", "bookworm-security", "trixie-security"];
const KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
const FLAVOUR: &str = "-cloud-amd64";

/// An apt with lists of its own.
pub(super) struct Mirror {
    options: Vec<String>,
}

impl Mirror {
    /// Fetches the lists of the mirror that the machine itself uses.
    pub(super) fn open(folder: &Path) -> Result<Self> {
        let base = Base::of_this_machine()?;
        if !Path::new(KEYS).exists() {
            bail!("find {KEYS}: install debian-archive-keyring by hand");
        }
        let [lists, cache] = ["lists/partial", "cache/archives/partial"].map(|it| folder.join(it));
        for made in [&lists, &cache] {
            fs::create_dir_all(made).with_context(|| format!("make {}", made.display()))?;
        }
        let sources = folder.join("sources.list");
        fs::write(&sources, base.sources())
            .with_context(|| format!("write {}", sources.display()))?;
        let options = [
            format!("Dir::Etc::sourcelist={}", sources.display()),
            "Dir::Etc::sourceparts=/dev/null".to_owned(),
            "Dir::Etc::preferences=/dev/null".to_owned(),
            "Dir::Etc::preferencesparts=/dev/null".to_owned(),
            format!("Dir::State::Lists={}", folder.join("lists").display()),
            format!("Dir::Cache={}", folder.join("cache").display()),
            "APT::Sandbox::User=root".to_owned(),
        ];
        let mirror = Self { options: options.into() };
        step::say("fetch the lists of Debian's kernels");
        step::run_quietly(mirror.apt("apt-get").args(["--quiet", "update"]))?;
        Ok(mirror)
    }

    /// Downloads the packages of a kernel's newest release into a folder, and gives their files.
    pub(super) fn download(&self, version: &str, folder: &Path) -> Result<Vec<PathBuf>> {
        let listed = self.apt("apt-cache").args(["pkgnames", "linux-image-"]).output();
        let listed = listed.context("run `apt-cache pkgnames`")?;
        let names = String::from_utf8_lossy(&listed.stdout);
        let Some(release) = newest(&names, version) else {
            bail!("find a kernel {version} among Debian's packages: there is none");
        };
        step::say(&format!("fetch linux {release}"));
        let download = |package: &str| {
            let mut apt = self.apt("apt-get");
            apt.args(["--quiet", "download"]).arg(package).current_dir(folder);
            apt
        };
        step::run_quietly(&mut download(&format!("linux-image-{release}")))?;
        // From 7.2 on that package is empty, and these have what it had.
        for part in ["binary", "modules"] {
            step::succeeds(&mut download(&format!("linux-{part}-{release}")));
        }
        let entries = fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))?;
        Ok(entries.flatten().map(|entry| entry.path()).collect())
    }

    fn apt(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.args(self.options.iter().flat_map(|option| ["-o", option]));
        command
    }
}

/// The addresses of Debian's archive and of its security updates.
#[derive(Debug, PartialEq, Eq)]
struct Base {
    archive: String,
    security: String,
}

impl Base {
    /// As the machine's own sources have them.
    fn of_this_machine() -> Result<Self> {
        let folder = fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten().flatten();
        let files = folder.map(|entry| entry.path()).chain(["/etc/apt/sources.list".into()]);
        let texts: Vec<String> = files.filter_map(|path| fs::read_to_string(path).ok()).collect();
        Self::among(&texts.join("\n"))
            .context("find a Debian mirror in the machine's apt sources: there is none")
    }

    fn among(sources: &str) -> Option<Self> {
        let words = sources
            .lines()
            .filter(|line| !line.trim_start().starts_with('#'))
            .flat_map(str::split_whitespace)
            .filter(|word| word.starts_with("http://") || word.starts_with("https://"))
            .map(|word| word.trim_end_matches('/'));
        let archive = words.clone().find(|word| word.ends_with("/debian"))?.to_owned();
        let security = words.clone().find(|word| word.ends_with("/debian-security"));
        let security = security.map_or_else(|| format!("{archive}-security"), str::to_owned);
        Some(Self { archive, security })
    }

    /// What apt is given.
    fn sources(&self) -> String {
        let line =
            |base: &str, suite: &str| format!("deb [signed-by={KEYS}] {base} {suite} main\n");
        let archive = SUITES.iter().map(|suite| line(&self.archive, suite));
        archive.chain(SECURITY_SUITES.iter().map(|suite| line(&self.security, suite))).collect()
    }
}

/// The newest release of a version among the names of packages, one a line.
fn newest(names: &str, version: &str) -> Option<String> {
    let prefix = format!("linux-image-{version}.");
    let images = names.lines().filter(|it| it.starts_with(&prefix) && it.ends_with(FLAVOUR));
    let releases = images.map(|name| name.trim_start_matches("linux-image-"));
    releases.max_by_key(|release| numbers(release)).map(str::to_owned)
}

/// The numbers of a release in their order: 6.12.117 is newer than 6.12.9.
fn numbers(release: &str) -> Vec<u64> {
    release.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_release_is_by_number_and_of_the_version_and_flavour() {
        let names = "linux-image-6.12.9+deb13-cloud-amd64\nlinux-image-6.12.117+deb13-cloud-amd64\n\
                     linux-image-6.12.200+deb13-amd64\nlinux-image-6.1.0-9-cloud-amd64\n\
                     linux-image-6.1.0-56-cloud-amd64\nlinux-image-6.12.300+deb13-cloud-amd64-dbg\n\
                     linux-image-6.12.118+deb13-cloud-amd64-unsigned\n";

        let cases = [
            ("6.12", Some("6.12.117+deb13-cloud-amd64")),
            ("6.1", Some("6.1.0-56-cloud-amd64")),
            ("7.3", None),
        ];
        for (version, expected) in cases {
            assert_eq!(newest(names, version).as_deref(), expected, "{version}");
        }
    }

    #[test]
    fn the_mirror_is_found_in_both_forms_of_sources() {
        let old =
            "# deb http://a.test/debian x main\ndeb [arch=amd64] https://b.test/debian/ x main\n";
        let new = "Types: deb\nURIs: http://c.test/debian\nURIs: http://s.test/debian-security\n";

        let found = |text| Base::among(text).map(|base| (base.archive, base.security));

        let expected = |archive: &str, security: &str| Some((archive.into(), security.into()));
        assert_eq!(found(old), expected("https://b.test/debian", "https://b.test/debian-security"));
        assert_eq!(found(new), expected("http://c.test/debian", "http://s.test/debian-security"));
        assert_eq!(found("deb http://a.test/ubuntu x main\n"), None);
    }
}
