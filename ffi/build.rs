//! Gives the shared library its SONAME, whose number changes only when the C interface breaks.

use std::path::Path;

fn main() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/soname");
    let soname = std::fs::read_to_string(&file).expect("packaging/soname should be readable");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,{}", soname.trim());
    println!("cargo:rerun-if-changed={}", file.display());
    println!("cargo:rerun-if-changed=build.rs");
}
