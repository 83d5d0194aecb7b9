//! Sizes as people write them: `4096`, `64K`, `16M`, `1G`.

/// Units from small to large; each is 1024 of the one before.
const UNITS: [&str; 5] = ["", "K", "M", "G", "T"];

/// Reads a size in bytes, with an optional unit: `K`, `M`, `G` or `T`, each 1024 of the one before,
/// in either case, also written `KiB` or `KB`.
pub fn parse(text: &str) -> Result<u64, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    if number.is_empty() {
        return Err("a size is a whole number, such as 4096, 64K, 16M or 1G".into());
    }
    let short = unit.to_ascii_uppercase();
    let short = short.strip_suffix("IB").or(short.strip_suffix('B')).unwrap_or(&short);
    let power = UNITS
        .iter()
        .position(|u| *u == short)
        .ok_or_else(|| format!("unknown unit {unit:?}; use K, M, G or T"))?;
    number
        .parse::<u64>()
        .ok()
        .and_then(|n| n.checked_mul(1 << (10 * power)))
        .ok_or_else(|| "too large: a size has at most 64 bits".into())
}

/// A size for people: the exact number while it is short, else one digit after the point.
pub fn human(bytes: u64) -> String {
    let mut power = 0;
    while power + 1 < UNITS.len() && bytes >> (10 * power) >= 1024 {
        power += 1;
    }
    if power == 0 {
        return format!("{bytes} B");
    }
    let unit = UNITS[power];
    let one = 1u64 << (10 * power);
    if bytes & (one - 1) == 0 {
        format!("{} {unit}iB", bytes / one)
    } else {
        format!("{:.1} {unit}iB", bytes as f64 / one as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("64K", 65536),
            ("64k", 65536),
            ("64KiB", 65536),
            ("16M", 16 << 20),
            ("1G", 1 << 30),
            ("1TB", 1 << 40),
            ("100B", 100),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in
            ["", "K", "-1", "1.5M", "1 M", "1X", "1KK", "1iB0", "18446744073709551616", "99999999T"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_shown() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1 KiB"),
            (1536, "1.5 KiB"),
            (16 << 20, "16 MiB"),
            (1 << 40, "1 TiB"),
            (u64::MAX, "16777216.0 TiB"),
        ] {
            assert_eq!(human(bytes), text);
        }
    }
}
