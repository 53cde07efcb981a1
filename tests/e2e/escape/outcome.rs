//! What came of a technique, and what a kernel says about what it has not got.

use std::{fmt, io::Write as _};

use nix::errno::Errno;

/// What a call says of a family, a type or a protocol that the kernel has not got, or of itself.
const NO_CALL: [Errno; 4] =
    [Errno::EAFNOSUPPORT, Errno::EPROTONOSUPPORT, Errno::ESOCKTNOSUPPORT, Errno::ENOSYS];
/// What `ip` says of a type of device, or of a family of netlink messages, that it has not got.
const NO_DEVICE: [&str; 3] =
    ["Unknown device type", "Operation not supported", "No such file or directory"];

#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) technique: &'static str,
    pub(super) end: End,
}

#[derive(Debug)]
pub(super) enum End {
    /// How many packets arrived without the enforcer, and, for each way to enforce, with it.
    Tried { control: u64, enforced: Vec<(String, Result<u64, String>)> },
    /// The kernel has not got what the technique needs.
    NotApplicable(String),
    /// The technique does not work where nothing stops it, so it shows nothing.
    Broken(String),
}

impl Outcome {
    pub(super) fn was_tried(&self) -> bool {
        matches!(self.end, End::Tried { .. })
    }

    pub(super) fn is_not_applicable(&self) -> bool {
        matches!(self.end, End::NotApplicable(_))
    }

    /// Whether all is as it should be.
    pub(super) fn is_well(&self) -> bool {
        match &self.end {
            End::Tried { control, enforced } => {
                *control > 0 && enforced.iter().all(|(_, leaked)| leaked == &Ok(0))
            }
            End::NotApplicable(_) => true,
            End::Broken(_) => false,
        }
    }

    /// Prints it past the capture of the test harness: what was not tried must not go unheard.
    pub(super) fn announce(&self) {
        say(&self.to_string());
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.technique;
        match &self.end {
            End::Tried { control, enforced } => {
                write!(f, "escape: {name}: {control} without the enforcer")?;
                for (mode, leaked) in enforced {
                    match leaked {
                        Ok(count) => write!(f, ", {count} with {mode}")?,
                        Err(error) => write!(f, ", {mode} failed: {error}")?,
                    }
                }
                Ok(())
            }
            End::NotApplicable(why) => write!(f, "not applicable: {name}: {why}"),
            End::Broken(why) => write!(f, "escape: {name} does not work: {why}"),
        }
    }
}

/// Why a technique cannot be tried here, where that is because the kernel has not got something.
pub(super) fn not_applicable(error: &anyhow::Error) -> Option<String> {
    let text = format!("{error:#}").replace('\n', "; ");
    let has_no_call = error.downcast_ref::<Errno>().is_some_and(|it| NO_CALL.contains(it));
    let has_no_device = text.contains("`ip ") && NO_DEVICE.iter().any(|it| text.contains(it));
    (has_no_call || has_no_device).then_some(text)
}

pub(super) fn say(line: &str) {
    // A closed standard error leaves nobody to tell.
    drop(writeln!(std::io::stderr(), "{line}"));
}
