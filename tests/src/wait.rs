//! Waiting for a condition, never for a time.

use std::{
    thread,
    time::{Duration, Instant},
};

/// How often a condition is looked at.
const STEP: Duration = Duration::from_millis(5);

/// Looks until there is something, and gives it.
///
/// # Errors
///
/// After `patience`: what was waited for.
pub fn until<T>(
    what: &str,
    patience: Duration,
    mut look: impl FnMut() -> Option<T>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        if Instant::now() >= deadline {
            anyhow::bail!("waited {patience:?} for {what}");
        }
        thread::sleep(STEP);
    }
}

/// Looks until a condition holds.
///
/// # Errors
///
/// After `patience`: what was waited for.
pub fn until_true(
    what: &str,
    patience: Duration,
    mut holds: impl FnMut() -> bool,
) -> anyhow::Result<()> {
    until(what, patience, || holds().then_some(()))
}
