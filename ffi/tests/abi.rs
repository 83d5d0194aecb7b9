//! The library as a file: what it exports, what it is called, what it needs.

mod common;

use common::{Scratch, built, cc, root, run, soname, sources};
use std::collections::BTreeSet;
use std::process::Command;

/// The functions that the header declares: at the start of a line, after their type.
fn declared() -> BTreeSet<String> {
    let header = std::fs::read_to_string(root().join("include/mailboat.h")).unwrap();
    let names: BTreeSet<String> = header
        .lines()
        .filter(|line| line.starts_with(|c: char| c.is_alphabetic()) && line.contains('('))
        .filter_map(|line| line.split('(').next()?.rsplit([' ', '*']).next())
        .filter(|name| name.starts_with("mb_"))
        .map(str::to_owned)
        .collect();
    assert!(names.len() > 60, "only {} functions found in the header", names.len());
    names
}

#[test]
fn the_library_exports_the_headers_functions_and_nothing_else() {
    let symbols = run(Command::new("nm").args(["-D", "--defined-only"]).arg(&built().shared));
    let exported: BTreeSet<String> = symbols
        .lines()
        .filter_map(|line| line.split_whitespace().nth(2))
        .map(|symbol| symbol.split('@').next().unwrap().to_owned())
        .collect();
    assert_eq!(exported, declared());
}

#[test]
fn the_archive_has_the_same_functions() {
    let symbols = run(Command::new("nm").args(["-g", "--defined-only"]).arg(&built().archive));
    let defined: BTreeSet<String> = symbols
        .lines()
        .filter_map(|line| line.split_whitespace().nth(2))
        .filter(|symbol| symbol.starts_with("mb_"))
        .map(str::to_owned)
        .collect();
    assert_eq!(defined, declared());
}

#[test]
fn the_library_has_its_name_and_needs_only_the_system() {
    let dynamic = run(Command::new("readelf").args(["-d", "-W"]).arg(&built().shared));
    let entries = |tag: &str| -> Vec<String> {
        let lines = dynamic.lines().filter(|line| line.contains(tag));
        lines.map(|l| l.split(['[', ']']).nth(1).unwrap().to_owned()).collect()
    };
    assert_eq!(entries("(SONAME)"), [soname()]);
    for needed in entries("(NEEDED)") {
        let system = ["libc.so", "libgcc_s.so", "libm.so", "libpthread.so", "libdl.so", "librt.so"];
        assert!(
            system.iter().any(|name| needed.starts_with(name)) || needed.starts_with("ld-linux"),
            "it needs {needed}"
        );
    }
}

/// Sizes, offsets and numbers that programs have compiled in.
#[test]
fn the_layout_is_what_programs_were_compiled_with() {
    let scratch = Scratch::new("layout");
    for source in sources("tests/abi", "c") {
        let mut compile = cc();
        compile.args(["-std=c11", "-c"]).arg("-I").arg(root().join("include")).arg(source);
        run(compile.arg("-o").arg(scratch.join("layout.o")));
    }
}

#[test]
fn every_function_has_a_test_in_c() {
    let tests: String =
        sources("tests/c", "c").iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let untested: Vec<String> =
        declared().into_iter().filter(|name| !tests.contains(&format!("{name}("))).collect();
    assert!(untested.is_empty(), "no test calls {untested:?}");
}
