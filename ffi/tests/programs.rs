//! Compiles and runs the C and C++ tests (`tests/c`, `tests/cpp`) against the shared library.

mod common;

use common::{Scratch, cc, compile_and_run, cxx, root, run, sources};

#[test]
fn c_programs() {
    for source in sources("tests/c", "c") {
        compile_and_run(cc(), &source, "c99", &[]);
    }
}

/// The sanitizers see what the programs' own checks do not: handles that nobody ended, and memory
/// that is touched after its end.
#[test]
fn c_programs_with_sanitizers() {
    let sanitizers = &["-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
    let scratch = Scratch::new("sanitizers");
    let source = scratch.join("probe.c");
    std::fs::write(&source, "int main(void) { return 0; }\n").unwrap();
    let probe = cc().args(sanitizers).arg(&source).arg("-o").arg(scratch.join("probe")).output();
    if !probe.unwrap().status.success() {
        eprintln!("skipped: this C compiler has no sanitizers");
        return;
    }
    for source in sources("tests/c", "c") {
        compile_and_run(cc(), &source, "c99", sanitizers);
    }
}

#[test]
fn cpp_programs_as_cpp17() {
    for source in sources("tests/cpp", "cpp") {
        compile_and_run(cxx(), &source, "c++17", &[]);
    }
}

#[test]
fn cpp_programs_as_cpp20() {
    for source in sources("tests/cpp", "cpp") {
        compile_and_run(cxx(), &source, "c++20", &[]);
    }
}

/// With std::span in one file and mailboat's own in another, the program has both and mixes up none.
#[test]
fn files_of_both_standards_link_into_one_program() {
    let scratch = Scratch::new("standards").with_library();
    let main = "int old_part();\nint new_part();\n\
                int main() { return old_part() + new_part(); }\n";
    let body = |name: &str| {
        format!(
            "#include <mailboat.hpp>\nint {name}();\nint {name}() {{\n\
             auto p = mailboat::port::open_or_create(\"both\");\n\
             p.send(\"{name}\");\n\
             return p.take().bytes().size() == 8 ? 0 : 1;\n}}\n"
        )
    };
    std::fs::write(scratch.join("old.cpp"), body("old_part")).unwrap();
    std::fs::write(scratch.join("new.cpp"), body("new_part")).unwrap();
    std::fs::write(scratch.join("main.cpp"), main).unwrap();
    let include = root().join("include");
    for (file, standard) in [("old", "c++17"), ("new", "c++20"), ("main", "c++17")] {
        let mut compile = cxx();
        compile.arg(format!("-std={standard}")).arg("-I").arg(&include).arg("-c");
        compile.arg(scratch.join(&format!("{file}.cpp"))).arg("-o");
        run(compile.arg(scratch.join(&format!("{file}.o"))));
    }
    let mut link = cxx();
    link.args(["old.o", "new.o", "main.o", "-o", "both", "-L.", "-lmailboat"]);
    run(link.current_dir(scratch.path()));
    let domain = common::OwnDomain::new("standards");
    run(std::process::Command::new(scratch.join("both"))
        .env("MAILBOAT_DOMAIN", domain.path())
        .env("LD_LIBRARY_PATH", scratch.path()));
}

/// The first program in a header's comment.
fn example(header: &str) -> String {
    let text = std::fs::read_to_string(root().join("include").join(header)).unwrap();
    let start = text.find(" *   #include").expect("an example");
    let lines = text[start..].lines().map(|line| line.strip_prefix(" *").unwrap());
    let program: Vec<&str> =
        lines.take_while(|line| line.is_empty() || line.starts_with("   ")).collect();
    program.join("\n") + "\n"
}

#[test]
fn the_examples_of_the_manuals_run() {
    let scratch = Scratch::new("examples");
    let c = scratch.join("example.c");
    std::fs::write(&c, example("mailboat.h")).unwrap();
    compile_and_run(cc(), &c, "c99", &[]);
    let cpp = scratch.join("example.cpp");
    std::fs::write(&cpp, example("mailboat.hpp")).unwrap();
    compile_and_run(cxx(), &cpp, "c++17", &[]);
}
