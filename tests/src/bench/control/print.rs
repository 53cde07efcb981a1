//! Figures of loads, for people.

use std::fmt;

use super::Control;

impl fmt::Display for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let profile = if self.is_debug { "a debug build" } else { "a release build" };
        let mebibytes = |bytes: u64| bytes >> 20;
        let (resident, most) = self.agent_bytes;
        writeln!(
            f,
            "{} {}, {profile}: a file of {} KiB; {} bytes of the kernel's memory an entry; the \
             agent has {} MiB, at most {} MiB",
            self.entries,
            self.kind,
            self.file_bytes >> 10,
            self.kernel_bytes_an_entry,
            mebibytes(resident),
            mebibytes(most)
        )?;
        for timed in &self.steps {
            let Some(cost) = timed.cost else { continue };
            let (lower, upper) = (cost.lower, cost.upper);
            let step = timed.step.to_string();
            writeln!(f, "  {step:<52} {:>9.1}  ({lower:.1} to {upper:.1})", cost.median)?;
        }
        match (&self.missing, self.ratio) {
            (Some(reason), _) => writeln!(f, "  nft: {reason}"),
            (None, Some(ratio)) => writeln!(f, "  compile and apply: {ratio:.2} times `nft -f`"),
            (None, None) => Ok(()),
        }
    }
}
