//! Writes `include/mailboat.h` from the sources of this crate and `cbindgen.toml`: `make header`.
//! The library is built without it; a test compares its output with the committed file.

use std::path::{Path, PathBuf};

fn main() {
    let path = path();
    std::fs::write(&path, generate()).expect("include/ should be writable");
    println!("wrote {}", path.display());
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("ffi is in the workspace").to_owned()
}

/// Where the committed header is.
pub fn path() -> PathBuf {
    root().join("include/mailboat.h")
}

/// The header as it should be.
pub fn generate() -> String {
    let mut config = cbindgen::Config::from_file(root().join("cbindgen.toml"))
        .expect("cbindgen.toml should be readable");
    let version = env!("CARGO_PKG_VERSION");
    let number = |at: usize| version.split(['.', '-']).nth(at).expect("three numbers").to_owned();
    config.after_includes = config.after_includes.map(|text| {
        text.replace("@VERSION@", version)
            .replace("@MAJOR@", &number(0))
            .replace("@MINOR@", &number(1))
            .replace("@PATCH@", &number(2))
    });
    let mut raw = Vec::new();
    cbindgen::Builder::new()
        .with_crate(env!("CARGO_MANIFEST_DIR"))
        .with_config(config)
        .generate()
        .expect("the sources should parse")
        .write(&mut raw);
    let raw = String::from_utf8(raw).expect("sources are UTF-8");
    // Every struct has a typedef, so that its users can leave the word out; the definitions keep it.
    let raw = raw
        .replace("typedef struct mb_", "typedef\0mb_")
        .replace("struct mb_", "mb_")
        .replace("typedef\0mb_", "typedef struct mb_");
    // A negative number needs its parentheses wherever the macro may stand.
    let raw = raw.replace("#define MB_FOREVER -1\n", "#define MB_FOREVER (-1)\n");
    with_headings(&with_short_comments(&raw))
}

/// Comments of one line on one line.
fn with_short_comments(header: &str) -> String {
    let lines: Vec<&str> = header.lines().collect();
    let mut out = String::new();
    let mut at = 0;
    while at < lines.len() {
        match short(&lines[at..]) {
            Some(comment) => {
                out += &comment;
                at += 3;
            }
            None => {
                out += lines[at];
                at += 1;
            }
        }
        out.push('\n');
    }
    out
}

/// The comment that these lines begin with, if it has one line of text.
fn short(lines: &[&str]) -> Option<String> {
    let [first, text, last, ..] = lines else { return None };
    let indent = first.strip_suffix("/**")?;
    let text = text.trim_start().strip_prefix("* ")?;
    (last.trim_start() == "*/").then(|| format!("{indent}/** {text} */"))
}

/// Headings, so that the parts of the manual can be seen when scrolling. cbindgen puts constants
/// first, then types, then functions in the order of the source.
fn with_headings(header: &str) -> String {
    const HEADINGS: &[(&str, &str)] = &[
        ("#define MB_HEADER_VERSION ", "Version and set-up macros"),
        ("#define MB_OK ", "Status numbers"),
        ("#define MB_TRY ", "Other constants"),
        ("typedef struct mb_domain mb_domain;", "Types"),
        ("const char *mb_status_text(", "Functions: status and errors"),
        ("mb_status mb_domain_open(", "Functions: domains"),
        ("mb_status mb_port_create(", "Functions: ports"),
        ("mb_status mb_port_send(", "Functions: sending and receiving"),
        ("mb_status mb_port_loan(", "Functions: loans, messages written in place"),
        ("mb_status mb_port_take(", "Functions: receipts, messages in hand"),
        ("mb_status mb_segment_create(", "Functions: segments"),
        ("mb_status mb_queue_required_size(", "Functions: queues in segments"),
    ];
    let mut out = header.to_owned();
    for (line, heading) in HEADINGS {
        let at = out.find(&format!("\n{line}")).unwrap_or_else(|| panic!("no {line:?}"));
        let comment = out[..at].rfind("/**").unwrap_or_else(|| panic!("no comment: {line:?}"));
        out.insert_str(
            comment,
            &format!("/* ==== {heading} {} */\n\n", "=".repeat(86 - heading.len())),
        );
    }
    out
}
