//! The bodies of the fuzz targets, which the tests of `enforcer-common` replay as well.

#[path = "../../../enforcer-common/tests/dns_differential/compare.rs"]
mod compare;
#[path = "../../../enforcer-common/tests/dns_differential/generate.rs"]
mod generate;
#[path = "../../../enforcer-common/tests/dns_differential/mutate.rs"]
mod mutate;
#[path = "../../../enforcer-common/tests/dns_differential/random.rs"]
mod random;
#[path = "../../../enforcer-common/tests/dns_differential/reference.rs"]
mod reference;
#[path = "../../../enforcer-common/tests/dns_differential/targets.rs"]
mod targets;
#[path = "../../../enforcer-common/tests/dns_differential/walked.rs"]
mod walked;

use random::Random;

/// Longest input.
const MOST_BYTES: usize = 4_096;

/// The names of the targets.
pub fn names() -> impl Iterator<Item = &'static str> {
    targets::TARGETS.iter().map(|(name, _)| *name)
}

/// Runs a target and says whether the bytes were of interest.
///
/// # Panics
///
/// Where what must hold for any bytes does not hold.
pub fn run(name: &str, bytes: &[u8]) -> bool {
    let target = targets::TARGETS.iter().find(|(target, _)| *target == name);
    target.is_some_and(|(_, target)| target(bytes))
}

/// Inputs made of others.
pub struct Inputs {
    random: Random,
    known: Vec<Vec<u8>>,
}

impl Inputs {
    /// Begins with a corpus.
    pub fn new(seed: u64, corpus: Vec<Vec<u8>>) -> Self {
        Self { random: Random::new(seed), known: corpus }
    }

    /// One that is like another: of the corpus, or for one in four an answer that is made up.
    pub fn next(&mut self) -> Vec<u8> {
        let random = &mut self.random;
        let mut draft = generate::Draft::default();
        if self.known.is_empty() || random.one_in(4) {
            draft = generate::answer(random);
        } else {
            draft.bytes.clone_from(&self.known[random.below(self.known.len())]);
        }
        let other = match self.known.len() {
            0 => draft.bytes.clone(),
            count => self.known[random.below(count)].clone(),
        };
        let mut bytes = mutate::mutate(random, &draft, &other);
        bytes.truncate(MOST_BYTES);
        bytes
    }
}
