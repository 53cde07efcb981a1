//! Every program passes the verifier, and what that cost is printed.

use enforcer::datapath::{BootTime, Claim, Datapath};
use enforcer_tests::{Rig, require_privilege};

/// What a program may need: growth is to be seen long before the verifier gives up at a million.
const MOST_INSTRUCTIONS: u32 = 650_000;

#[test]
fn every_program_loads_and_prints_its_verified_instructions() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let options = rig.load_options();

    let claim = Claim::take(&options.bpffs).unwrap();
    let datapath = Datapath::load(&options, claim, BootTime::now()).unwrap();

    let counts = datapath.verified_instructions().unwrap();
    datapath.discard();
    assert_eq!(counts.len(), 11);
    for (program, count) in counts {
        // Past the capture of the test harness: the figure is wanted in every run.
        drop(std::io::Write::write_fmt(
            &mut std::io::stderr(),
            format_args!("verifier: {program} {count} instructions\n"),
        ));
        assert!(count < MOST_INSTRUCTIONS, "{program}: {count} instructions");
    }
}
