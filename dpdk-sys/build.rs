//! Finds the system's libdpdk, generates bindings for what Fairlead uses of it, builds the shim, and says how to link.
//!
//! Tells dependents (as `DEP_DPDK_...`): `VERSION`, `LINKAGE` (`shared` or `static`) and `LIBDIR`.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The LTS releases this crate is written for, as (year, month).
const OLDEST: (u32, u32) = (22, 11);
const NEWEST: (u32, u32) = (25, 11);

/// What is called from Rust or from the shim. Drivers are no part of it: shared ones are plug-ins DPDK loads by itself.
const CORE: &[&str] = &["eal", "log", "ethdev", "mbuf", "mempool", "ring", "net", "kvargs"];

/// What a static program needs as well: the drivers, and what they stand on. Those a DPDK lacks are left out.
const STATIC: &[&str] = &[
    "net_null",
    "net_ring",
    "net_af_packet",
    "net_tap",
    "net_pcap",
    "net_virtio",
    "net_vhost",
    "net_memif",
    "net_bond",
    "net_e1000",
    "net_igc",
    "net_ixgbe",
    "net_i40e",
    "net_iavf",
    "net_ice",
    "net_vmxnet3",
    "net_ena",
    "common_iavf",
    "mempool_ring",
    "bus_vdev",
    "bus_pci",
    "bus_auxiliary",
    "pci",
    "vhost",
    "dmadev",
    "cryptodev",
    "hash",
    "rcu",
    "meter",
    "telemetry",
    "gso",
    "gro",
    "ip_frag",
    "sched",
    "security",
    "timer",
    "argparse",
    "stack",
];

/// System libraries behind the static drivers.
const STATIC_SYSTEM: &[&str] = &["bsd", "numa", "pcap", "crypto", "atomic", "m", "dl"];

fn main() {
    for file in ["build.rs", "wrapper.h", "shim.h", "shim.c"] {
        println!("cargo:rerun-if-changed={file}");
    }
    println!("cargo:rerun-if-env-changed=PKG_CONFIG_PATH");
    let version = supported(pkg_config(&["--modversion"]).join(""));
    let libdir = pkg_config(&["--variable=libdir"]).join("");
    let cflags = pkg_config(&["--cflags"]);
    bind(&cflags);
    compile_shim(&cflags);
    let linkage = link(Path::new(&libdir));
    println!("cargo:version={version}");
    println!("cargo:linkage={linkage}");
    println!("cargo:libdir={libdir}");
}

/// Ends the build with one sentence an operator can act on.
fn give_up(reason: &str) -> ! {
    eprintln!("dpdk-sys: {reason}");
    std::process::exit(1)
}

/// What `pkg-config` says of libdpdk, in words. The `pkg-config` crate is not used: it drops `-include` and `-march`.
fn pkg_config(question: &[&str]) -> Vec<String> {
    let output = match Command::new("pkg-config").args(question).arg("libdpdk").output() {
        Ok(output) => output,
        Err(error) => give_up(&format!(
            "pkg-config cannot be run ({error}): install it (Debian: apt-get install pkg-config libdpdk-dev libclang-dev), \
             or build without DPDK (--no-default-features)"
        )),
    };
    if !output.status.success() {
        give_up(
            "pkg-config knows no libdpdk: install it (Debian: apt-get install libdpdk-dev libclang-dev pkg-config), name \
             the directory of libdpdk.pc in PKG_CONFIG_PATH, or build without DPDK (--no-default-features)",
        );
    }
    String::from_utf8_lossy(&output.stdout).split_whitespace().map(str::to_owned).collect()
}

fn supported(version: String) -> String {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let release = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    if !(OLDEST..=NEWEST).contains(&release) {
        give_up(&format!(
            "DPDK {version} is installed, and this crate is written for {}.{:02} to {}.{:02}: install one of these LTS \
             releases (Debian: apt-get install libdpdk-dev), or name the directory of its libdpdk.pc in PKG_CONFIG_PATH",
            OLDEST.0, OLDEST.1, NEWEST.0, NEWEST.1
        ));
    }
    version
}

fn bind(cflags: &[String]) {
    let functions = "shim_.*\
        |rte_eal_(init|cleanup|get_runtime_dir|hotplug_add|hotplug_remove)\
        |rte_log_set_global_level|rte_strerror\
        |rte_thread_(register|unregister)\
        |rte_pktmbuf_pool_create|rte_mempool_(free|avail_count|in_use_count)\
        |rte_eth_dev_(get_port_by_name|info_get|fw_version_get|configure|adjust_nb_rx_tx_desc|start|stop|close|socket_id)\
        |rte_eth_(rx|tx)_queue_setup\
        |rte_eth_dev_(vlan_filter|set_vlan_offload|mac_addr_add|mac_addr_remove)\
        |rte_eth_dev_rss_(hash_update|hash_conf_get|reta_update|reta_query)\
        |rte_eth_(promiscuous_enable|allmulticast_enable|macaddr_get|stats_get)\
        |rte_eth_dev_callback_(register|unregister)";
    let generated = bindgen::Builder::default()
        .header("wrapper.h")
        .clang_args(cflags)
        .clang_arg("-D_GNU_SOURCE") // else rte_cpuset_t is not declared
        .use_core()
        .generate_comments(false)
        .layout_tests(true)
        .allowlist_function(functions)
        .allowlist_type("shim_mbuf")
        .allowlist_var(
            "SHIM_.*|RTE_PKTMBUF_HEADROOM|RTE_LOG_NOTICE|RTE_ETH_MQ_RX_RSS|RTE_MAX_ETHPORTS|RTE_ETH_EVENT_.*",
        )
        // Fields of a frame are found by the shim's offsets: the anonymous unions around them moved between releases.
        .opaque_type("rte_mbuf|rte_mempool|rte_arp_hdr|rte_arp_ipv4|rte_l2tpv2.*|rte_gtp_psc.*")
        .blocklist_item("rte_atomic.*|per_lcore_.*")
        .derive_default(true)
        .derive_debug(false)
        .default_enum_style(bindgen::EnumVariation::Consts)
        .prepend_enum_name(false)
        .generate();
    let bindings = match generated {
        Ok(bindings) => bindings,
        Err(error) => give_up(&format!(
            "the headers of DPDK cannot be read ({error}): install libclang (Debian: apt-get install libclang-dev \
             libdpdk-dev)"
        )),
    };
    let file = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("bindings.rs");
    if let Err(error) = bindings.write_to_file(&file) {
        give_up(&format!("{} cannot be written: {error}", file.display()));
    }
}

fn compile_shim(cflags: &[String]) {
    let mut build = cc::Build::new();
    build.file("shim.c").opt_level(3).warnings(true).define("_GNU_SOURCE", None);
    for flag in cflags {
        build.flag(flag);
    }
    build.compile("fairlead_dpdk_shim");
}

/// Says how to link, and names it.
fn link(libdir: &Path) -> &'static str {
    println!("cargo:rustc-link-search=native={}", libdir.display());
    if env::var_os("CARGO_FEATURE_STATIC_LINK").is_none() {
        for name in CORE.iter().filter(|name| libdir.join(format!("librte_{name}.so")).exists()) {
            println!("cargo:rustc-link-lib=dylib=rte_{name}");
        }
        return "shared";
    }
    for name in STATIC.iter().chain(CORE).filter(|name| libdir.join(format!("librte_{name}.a")).exists()) {
        // Drivers register themselves in constructors nobody refers to: hence the whole archive.
        println!("cargo:rustc-link-lib=static:+whole-archive,-bundle=rte_{name}");
    }
    for name in STATIC_SYSTEM {
        println!("cargo:rustc-link-lib=dylib={name}");
    }
    "static"
}
