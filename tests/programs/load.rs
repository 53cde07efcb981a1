use enforcer::datapath::{BootTime, Datapath, LoadOptions};
use std::path::Path;
#[test]
fn loads() {
    let options = LoadOptions {
        bpffs: Path::new("/tmp/bpffs/enf").into(),
        cgroup: "/sys/fs/cgroup/unified/nope".into(),
        max_addresses: 65536,
        hosts: 0,
    };
    match Datapath::load(&options, BootTime::now()) {
        Ok(datapath) => {
            for (n, c) in datapath.verified_instructions().unwrap() {
                println!("{n}: {c} instructions");
            }
            datapath.discard()
        }
        Err(e) => {
            let mut s: &dyn std::error::Error = &e;
            loop {
                let t = s.to_string();
                println!("{}", &t[..t.len().min(3000)]);
                if t.len() > 3000 {
                    println!("....{}", &t[t.len() - 3000..])
                };
                match s.source() {
                    Some(n) => s = n,
                    None => break,
                }
            }
            panic!("refused")
        }
    }
}
