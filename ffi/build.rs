//! Gives the shared library its SONAME: the number changes only when the C interface breaks.

fn main() {
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libmailboat.so.0");
    println!("cargo:rerun-if-changed=build.rs");
}
