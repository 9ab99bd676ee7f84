//! Takes what `dpdk-sys` found into the program: which DPDK `fairlead --version` names, and where the loader finds it.

use std::env;

/// Where the loader looks without being told.
const SYSTEM_LIBRARIES: &[&str] = &["/lib", "/usr/lib", "/usr/local/lib"];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-env=FAIRLEAD_DPDK={}", dpdk());
}

fn dpdk() -> String {
    if env::var_os("CARGO_FEATURE_DPDK").is_none() {
        return "without DPDK".to_owned();
    }
    let told = |key: &str| env::var(format!("DEP_DPDK_{key}")).unwrap_or_default();
    let (version, linkage, libdir) = (told("VERSION"), told("LINKAGE"), told("LIBDIR"));
    if linkage == "shared" && !SYSTEM_LIBRARIES.iter().any(|system| libdir.starts_with(system)) {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{libdir}");
    }
    format!("DPDK {version}, {linkage}")
}
