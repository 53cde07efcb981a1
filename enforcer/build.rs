//! Compiles the kernel programs and leaves their object in `OUT_DIR`.
fn main() -> anyhow::Result<()> {
    aya_build::build_ebpf(
        [aya_build::Package {
            name: "enforcer-ebpf",
            root_dir: "../enforcer-ebpf",
            ..Default::default()
        }],
        aya_build::Toolchain::Custom("bpf"),
    )
}
