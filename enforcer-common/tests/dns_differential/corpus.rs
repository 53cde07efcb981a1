//! The inputs that the fuzz targets begin with.

use std::{fs, path::Path};

use super::targets::TARGETS;

#[test]
fn what_holds_for_any_bytes_holds_for_the_corpus() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/corpus");
    for (name, target) in TARGETS {
        let (mut files, mut interesting) = (0, 0);
        for entry in fs::read_dir(corpus.join(name)).expect("a folder for each target") {
            let bytes = fs::read(entry.expect("an entry").path()).expect("an input");
            files += 1;
            interesting += usize::from(target(&bytes));
        }

        println!("{name}: {files} inputs, {interesting} of interest");
        assert!(files >= 5 && interesting >= 2, "{name}: {files}, {interesting}");
    }
}
