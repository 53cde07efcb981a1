//! The fuzz targets without libFuzzer: replays the corpus, then damages it for some seconds.
//!
//! It knows nothing of coverage, so it finds less; it needs no more than a stable compiler.

use std::{
    env, fs,
    panic::catch_unwind,
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

const SEED: u64 = 0x000f_0221;

fn main() -> ExitCode {
    let seconds = env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(10);
    let count = u32::try_from(enforcer_fuzz::names().count()).unwrap_or(1);
    let each = Duration::from_secs(seconds) / count;
    for name in enforcer_fuzz::names() {
        if !target(name, each) {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// Runs one target for so long, and the corpus in any case.
fn target(name: &str, time: Duration) -> bool {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let mut corpus = Vec::new();
    for entry in fs::read_dir(&folder).expect("a folder for each target") {
        corpus.push(fs::read(entry.expect("an entry").path()).expect("an input"));
    }
    if !corpus.iter().all(|bytes| holds(name, bytes).is_some()) {
        return false;
    }
    let replayed = corpus.len();
    let mut inputs = enforcer_fuzz::Inputs::new(SEED, corpus);
    let (mut runs, mut interesting) = (0_u64, 0_u64);
    let end = Instant::now() + time;
    while Instant::now() < end {
        for _ in 0..100 {
            let Some(is_interesting) = holds(name, &inputs.next()) else { return false };
            runs += 1;
            interesting += u64::from(is_interesting);
        }
    }
    println!("{name}: {replayed} inputs replayed, {runs} made of them, {interesting} of interest");
    true
}

/// What the target says; none where it panicked.
fn holds(name: &str, bytes: &[u8]) -> Option<bool> {
    let outcome = catch_unwind(|| enforcer_fuzz::run(name, bytes));
    if outcome.is_err() {
        eprintln!("{name} does not hold for {bytes:02x?}");
    }
    outcome.ok()
}
