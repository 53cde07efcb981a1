//! Waiting for a condition, never for a time.

use std::{
    env,
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

/// Times how much longer everything may take: an emulated machine is slower than a real one.
pub const FACTOR: &str = "ENFORCER_TEST_PATIENCE";

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
    let patience = patience * factor();
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

/// How many times longer than on a real machine things may take here.
pub fn factor() -> u32 {
    static GIVEN: OnceLock<u32> = OnceLock::new();
    *GIVEN.get_or_init(|| env::var(FACTOR).ok().and_then(|text| text.parse().ok()).unwrap_or(1))
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
