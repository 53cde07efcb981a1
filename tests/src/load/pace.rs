//! So many turns a second, and none left out.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::service::Stop;

/// Between two looks at the clock.
const STEP: Duration = Duration::from_millis(1);

/// Takes turns until it is stopped; what is late is done at once, with the time since the start.
pub(super) fn keep(stop: &Stop, per_second: u32, mut turn: impl FnMut(u64, Duration)) {
    let begun = Instant::now();
    let mut done = 0;
    while !stop.is_asked() {
        let elapsed = begun.elapsed();
        let due = elapsed.as_micros() * u128::from(per_second) / 1_000_000;
        // A turn more than is due in a step would keep it from hearing that it is stopped.
        let most = u128::from(done) + u128::from(per_second);
        while u128::from(done) < due.min(most) {
            turn(done, elapsed);
            done += 1;
        }
        thread::sleep(STEP);
    }
}
