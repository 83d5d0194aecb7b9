//! The header as a file: fresh, strict, and a manual.

mod common;
#[allow(dead_code)]
#[path = "../examples/header.rs"]
mod generator;

use common::{Scratch, WARNINGS, cc, cxx, root, run};

fn committed() -> String {
    std::fs::read_to_string(generator::path()).expect("include/mailboat.h should be there")
}

#[test]
fn the_committed_header_is_what_the_sources_say() {
    let (committed, fresh) = (committed(), generator::generate());
    for (number, (old, new)) in committed.lines().zip(fresh.lines()).enumerate() {
        assert_eq!(old, new, "line {}: run `make header`", number + 1);
    }
    assert_eq!(committed.len(), fresh.len(), "run `make header`");
}

fn compile_alone(file: &str, compiler: &str, standard: &str, more: &[&str]) {
    let scratch = Scratch::new(&format!("alone-{}-{file}", standard.replace('+', "p")));
    let source = scratch.join(if compiler == "c" { "alone.c" } else { "alone.cpp" });
    // Twice, to see the guard work.
    std::fs::write(&source, format!("#include <{file}>\n#include <{file}>\nint x;\n")).unwrap();
    let mut command = if compiler == "c" { cc() } else { cxx() };
    command.arg(format!("-std={standard}")).args(WARNINGS).args(more);
    command.arg("-I").arg(root().join("include")).arg("-c").arg(&source);
    run(command.arg("-o").arg(scratch.join("alone.o")));
}

#[test]
fn the_c_header_compiles_without_a_warning() {
    for standard in ["c99", "c11", "c17"] {
        compile_alone("mailboat.h", "c", standard, &["-Wstrict-prototypes", "-Wundef"]);
    }
    for standard in ["c++17", "c++20"] {
        compile_alone("mailboat.h", "c++", standard, &["-Wundef"]);
    }
}

#[test]
fn the_cpp_header_compiles_without_a_warning() {
    for standard in ["c++17", "c++20"] {
        compile_alone("mailboat.hpp", "c++", standard, &["-Wsign-conversion", "-Wold-style-cast"]);
    }
}

/// Each function's comment and declaration.
fn functions(header: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let start = header.find("extern \"C\"").expect("the functions");
    for comment in header[start..].split("/**").skip(1) {
        let (text, rest) = comment.split_once("*/").expect("a comment that ends");
        let declaration = rest.split_once(';').expect("a declaration that ends").0;
        found.push((text.to_owned(), declaration.trim().to_owned()));
    }
    found
}

#[test]
fn every_function_says_all_that_a_manual_says() {
    let header = committed();
    let functions = functions(&header);
    assert!(functions.len() > 60, "only {} functions found", functions.len());
    for (text, declaration) in &functions {
        for label in ["Ownership:", "Blocking:", "Threads:", "Fork:"] {
            assert!(text.contains(label), "{declaration} has no {label}");
        }
        let result = if declaration.starts_with("mb_status ") { "Status:" } else { "Returns:" };
        assert!(text.contains(result), "{declaration} has no {result}");
        let (_, parameters) = declaration.split_once('(').unwrap();
        let parameters = parameters.trim_end_matches(')');
        if parameters == "void" {
            continue;
        }
        let (_, explained) = text.split_once("Parameters:").unwrap_or_else(|| {
            panic!("{declaration} does not explain its parameters");
        });
        for parameter in parameters.split(',') {
            let name = parameter.rsplit([' ', '*']).next().unwrap();
            let said = explained.split(|c: char| !c.is_alphanumeric() && c != '_');
            assert!(said.clone().any(|word| word == name), "{declaration} has no {name}");
        }
    }
}

#[test]
fn statuses_that_are_named_exist() {
    let header = committed();
    let defined: Vec<&str> = header
        .lines()
        .filter_map(|line| line.strip_prefix("#define ")?.split([' ', '(']).next())
        .collect();
    for word in header.split(|c: char| !c.is_alphanumeric() && c != '_') {
        if word.starts_with("MB_") {
            assert!(defined.contains(&word), "{word} is named, but not defined");
        }
    }
    for word in header.split(|c: char| !c.is_alphanumeric() && c != '_') {
        let is_function = header.contains(&format!("{word}("));
        if word.starts_with("mb_") && is_function {
            let declared = functions(&header)
                .iter()
                .any(|(_, d)| d.contains(&format!(" {word}(")) || d.contains(&format!("*{word}(")));
            assert!(declared, "{word}() is named, but not declared");
        }
    }
}
