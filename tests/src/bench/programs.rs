//! The kernel programs over one packet, many times over (`BPF_PROG_TEST_RUN`).
//!
//! The packet has a socket that the hooks have never seen, of no family: what a program writes down
//! about sockets it does not find, and it goes the long way. Which verdict it comes to is checked,
//! or the figure would be of another way than its name says. The kernel runs `connect4` and its like
//! only where somebody connects; what they cost is in the figures of connections.

mod cases;
mod lab;

use self::{
    cases::Case,
    lab::{Lab, Program},
};
use super::{quartiles::Quartiles, report::Path};

/// Rules of the policies.
pub(super) const RULES: [u32; 3] = [1, 64, 512];
/// Figures of each program and packet.
const ROUNDS: usize = 9;
/// Single runs of which the middle one is a figure, where each needs another before.
const SINGLE_RUNS: usize = 200;

/// Nanoseconds, or why there are none.
type Costs = Result<Vec<f64>, String>;

/// Measures all, in rounds.
pub(super) fn measure(repeat: u32) -> anyhow::Result<Vec<Path>> {
    let cases = cases::all();
    let labs = RULES.map(Lab::new).into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    let mut costs = vec![vec![Ok(Vec::new()); cases.len()]; labs.len()];
    for _ in 0..ROUNDS {
        for (lab, costs) in labs.iter().zip(&mut costs) {
            lab.rig.client.run(|| {
                cases.iter().zip(costs).for_each(|(case, costs)| add(lab, case, repeat, costs));
                Ok(())
            })?;
        }
    }
    let of_lab = |(lab, costs): (&Lab, Vec<Costs>)| {
        let mut paths: Vec<_> =
            cases.iter().zip(costs).map(|(case, costs)| path(lab, case, costs)).collect();
        let empty = paths.iter().find(|it| it.program == cases::EMPTY).and_then(|it| it.cost);
        for path in &mut paths {
            path.ratio =
                path.cost.zip(empty).map(|(cost, empty)| cost.median / empty.median.max(1.0));
        }
        paths
    };
    Ok(labs.iter().zip(costs).flat_map(of_lab).collect())
}

/// A further figure; once there has been none, there is none again.
fn add(lab: &Lab, case: &Case, repeat: u32, costs: &mut Costs) {
    let Ok(samples) = costs else { return };
    match sample(lab, case, repeat) {
        Ok(sample) => samples.push(sample),
        Err(error) => *costs = Err(format!("{error:#}")),
    }
}

fn sample(lab: &Lab, case: &Case, repeat: u32) -> anyhow::Result<f64> {
    let program = lab.open(case.program)?;
    let Some((first, frame)) = &case.before else { return run(lab, case, &program, repeat) };
    let first = lab.open(first)?;
    let single = || {
        lab.run(&first, frame, 1)?;
        run(lab, case, &program, 1)
    };
    let singles = (0..SINGLE_RUNS).map(|_| single()).collect::<anyhow::Result<Vec<_>>>()?;
    Ok(Quartiles::of(singles).map_or(0.0, |it| it.median))
}

/// Nanoseconds a run, if it came to the verdict that it should.
fn run(lab: &Lab, case: &Case, program: &Program, repeat: u32) -> anyhow::Result<f64> {
    let ran = lab.run(program, &case.frame, repeat)?;
    case.check(ran.return_value)?;
    Ok(ran.duration.as_secs_f64() * 1e9)
}

fn path(lab: &Lab, case: &Case, costs: Costs) -> Path {
    let (program, packet) = (case.program.to_owned(), case.packet.to_owned());
    let (cost, missing) = match costs {
        Ok(costs) => (Quartiles::of(costs), None),
        Err(reason) => (None, Some(reason)),
    };
    Path { program, packet, rules: lab.rules, missing, cost, ratio: None }
}
