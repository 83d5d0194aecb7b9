//! Messages as JSON.

use mailboat::Header;
use serde_json::{Map, Value, json};

/// A message on one line: the header's fields, and the body as text where it is UTF-8, else in
/// base64.
pub fn message(header: &Header, body: Vec<u8>) -> String {
    let mut object = Map::new();
    object.insert("id".into(), header.id.into());
    object.insert("kind".into(), header.kind.into());
    object.insert("length".into(), header.length.into());
    object.insert("sender".into(), header.sender.0.into());
    object.insert("redelivered".into(), header.is_redelivered().into());
    object.insert("redeliveries".into(), header.redeliveries.into());
    object.insert("sent_ns".into(), header.sent_ns.into());
    match String::from_utf8(body) {
        Ok(text) => object.insert("body".into(), text.into()),
        Err(e) => object.insert("body_base64".into(), base64(e.as_bytes()).into()),
    };
    line(&Value::Object(object))
}

/// The id of a sent message on one line.
pub fn sent(id: u64) -> String {
    line(&json!({ "id": id }))
}

/// A value on one line.
pub fn line(value: &Value) -> String {
    format!("{value}\n")
}

/// A value for people to read and programs to parse.
pub fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |i: usize| u32::from(group.get(i).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            if digit <= group.len() {
                text.push(DIGITS[(bits >> (18 - 6 * digit) & 63) as usize].into());
            } else {
                text.push('=');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_has_the_standard_padding() {
        for (bytes, text) in [
            (&b""[..], ""),
            (b"f", "Zg=="),
            (b"fo", "Zm8="),
            (b"foo", "Zm9v"),
            (b"foobar", "Zm9vYmFy"),
            (b"\xff\x00\xfb", "/wD7"),
        ] {
            assert_eq!(base64(bytes), text);
        }
    }
}
