//! Maps that stop, made up.

use std::{cell::RefCell, io};

use super::{Stopped, work_off};

const ENOENT: i32 = 2;
const ENOMEM: i32 = 12;
const ENOTSUPP: i32 = 524;

/// What was done, and with how many calls.
#[derive(Default)]
struct Done {
    entries: Vec<usize>,
    batches: usize,
    singles: usize,
}

/// A map of batches that fail at `stops`, each once, or that does not know them.
fn run(
    count: usize,
    mut stops: Vec<(usize, i32)>,
    refused: Option<usize>,
) -> (Result<(), usize>, Done) {
    let done = RefCell::new(Done::default());
    let mut has_batches = true;
    let result = work_off(
        count,
        &mut has_batches,
        |from| {
            let mut done = done.borrow_mut();
            done.batches += 1;
            let stop =
                stops.iter().position(|(at, _)| *at >= from).map(|index| stops.remove(index));
            let (end, number) = stop.unwrap_or((count, 0));
            done.entries.extend(from..end);
            let error = || io::Error::from_raw_os_error(number);
            stop.map_or(Ok(()), |_| Err(Stopped { done: end - from, error: error() }))
        },
        |at| {
            let mut done = done.borrow_mut();
            done.singles += 1;
            if refused == Some(at) {
                return Err(at);
            }
            done.entries.push(at);
            Ok(())
        },
    );
    (result, done.into_inner())
}

#[test]
fn does_all_with_one_call_where_nothing_is_wrong() {
    let (result, done) = run(1_000, vec![], None);

    assert_eq!(result, Ok(()));
    assert_eq!(done.entries, (0..1_000).collect::<Vec<_>>());
    assert_eq!((done.batches, done.singles), (1, 0));
}

#[test]
fn goes_on_behind_an_entry_that_goes_through_alone() {
    let (result, done) =
        run(1_000, vec![(0, ENOMEM), (7, ENOENT), (8, ENOENT), (999, ENOMEM)], None);

    assert_eq!(result, Ok(()));
    assert_eq!(done.entries, (0..1_000).collect::<Vec<_>>());
    assert_eq!((done.batches, done.singles), (4, 4));
}

#[test]
fn asks_once_where_the_kernel_has_no_batches() {
    let (result, done) = run(1_000, vec![(0, ENOTSUPP)], None);

    assert_eq!(result, Ok(()));
    assert_eq!(done.entries, (0..1_000).collect::<Vec<_>>());
    assert_eq!((done.batches, done.singles), (1, 1_000));
}

#[test]
fn ends_at_an_entry_that_is_refused_alone_as_well() {
    let (result, done) = run(1_000, vec![(500, ENOMEM)], Some(500));

    assert_eq!(result, Err(500));
    assert_eq!(done.entries, (0..500).collect::<Vec<_>>());
    assert_eq!((done.batches, done.singles), (1, 1));
}
