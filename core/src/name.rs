//! Names of objects, checked.

use crate::error::{Error, ErrorKind, Result};

/// The longest name, in bytes.
pub const MAX_NAME: usize = 200;

/// Checks a name: 1 to 200 bytes of `[A-Za-z0-9._-]`, the first one alphanumeric.
pub(crate) fn check(name: &str) -> Result<&str> {
    let bad = |why: String| Err(Error::new(ErrorKind::BadName, why));
    let shown = || name.chars().take(60).collect::<String>();
    if name.is_empty() {
        return bad("the name is empty; a name has 1 to 200 bytes of [A-Za-z0-9._-]".into());
    }
    if name.len() > MAX_NAME {
        return bad(format!(
            "the name {:?}... has {} bytes; at most {MAX_NAME} are allowed",
            shown(),
            name.len()
        ));
    }
    if !name.as_bytes()[0].is_ascii_alphanumeric() {
        return bad(format!("the name {:?} must begin with a letter or a digit", shown()));
    }
    if let Some(c) =
        name.chars().find(|&c| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '_' | '-'))
    {
        return bad(format!("the name {:?} contains {c:?}; allowed are [A-Za-z0-9._-]", shown()));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_names_pass() {
        for name in ["a", "A.b_c-9", "0", &"x".repeat(MAX_NAME)] {
            assert_eq!(check(name).unwrap(), name);
        }
    }

    #[test]
    fn bad_names_are_told_why() {
        for name in ["", ".", "..", "-a", "_a", ".hidden", "a/b", "a b", "a\0b", "ä", "aä", "a\n"]
        {
            let e = check(name).unwrap_err();
            assert_eq!(e.kind(), ErrorKind::BadName, "{name:?}");
        }
        assert!(check(&"x".repeat(MAX_NAME + 1)).unwrap_err().to_string().contains("201 bytes"));
    }
}
