//! The line protocol; see `tests/drivers/README.md`.

use std::io::{self, BufRead, Read, Write};

/// What a driver is asked to do.
#[derive(Debug)]
pub struct Request {
    /// Comes back with the answer.
    pub tag: String,
    /// Which thread is to do it.
    pub thread: String,
    /// What to do.
    pub verb: String,
    words: Vec<(String, Vec<u8>)>,
    /// The bytes that came with it.
    pub bodies: Vec<Vec<u8>>,
}

/// Why something was not done.
#[derive(Debug)]
pub struct Failure {
    status: String,
    words: String,
}

/// The result of one request.
pub type Outcome = Result<Answer, Failure>;

/// What a driver says to a request that was done.
#[derive(Debug, Default)]
pub struct Answer {
    words: String,
    body: Option<Vec<u8>>,
    items: Vec<Answer>,
}

impl Answer {
    /// An answer that says no more than that it was done.
    pub fn new() -> Self {
        Self::default()
    }

    /// With a figure or a name.
    pub fn with(mut self, key: &str, value: impl ToString) -> Self {
        self.words.push_str(&format!(" {key}={}", escape(value.to_string().as_bytes())));
        self
    }

    /// With a figure, if there is one.
    pub fn maybe(self, key: &str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    /// With bytes.
    pub fn body(mut self, body: Vec<u8>) -> Self {
        self.body = Some(body);
        self
    }

    /// With a list.
    pub fn items(mut self, items: Vec<Answer>) -> Self {
        self.words.push_str(&format!(" items={}", items.len()));
        self.items = items;
        self
    }

    fn write(&self, head: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(head.as_bytes());
        out.extend_from_slice(self.words.as_bytes());
        if let Some(body) = &self.body {
            out.extend_from_slice(format!(" body={}", body.len()).as_bytes());
        }
        out.push(b'\n');
        out.extend_from_slice(self.body.as_deref().unwrap_or_default());
        for item in &self.items {
            item.write("-", out);
        }
    }
}

/// Writes the answer to a request, in one piece.
pub fn answer(out: &mut impl Write, tag: &str, outcome: Outcome) -> io::Result<()> {
    let mut bytes = Vec::new();
    match outcome {
        Ok(answer) => answer.write(&format!("{tag} ok"), &mut bytes),
        Err(failure) => {
            bytes = format!("{tag} {}{}\n", failure.status, failure.words).into_bytes();
        }
    }
    out.write_all(&bytes)?;
    out.flush()
}

impl Failure {
    /// The request made no sense: a mistake in the test.
    pub fn protocol(text: impl Into<String>) -> Self {
        Failure {
            status: "protocol".into(),
            words: format!(" text={}", escape(text.into().as_bytes())),
        }
    }
}

impl From<mailboat::Error> for Failure {
    fn from(error: mailboat::Error) -> Self {
        let kind = error.kind();
        let mut words = format!(
            " code={} kind_text={} text={}",
            kind.code(),
            escape(kind.text().as_bytes()),
            escape(error.to_string().as_bytes())
        );
        let needed = match &error {
            mailboat::Error::TooLarge { size, .. } => Some(*size),
            mailboat::Error::NoSpace { needed, .. } => Some(*needed),
            _ => None,
        };
        if let Some(needed) = needed {
            words.push_str(&format!(" needed={needed}"));
        }
        Failure { status: snake(&format!("{kind:?}")), words }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure {
            status: "driver".into(),
            words: format!(" text={}", escape(error.to_string().as_bytes())),
        }
    }
}

fn snake(camel: &str) -> String {
    let mut out = String::new();
    for c in camel.chars() {
        if c.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

fn escape(bytes: &[u8]) -> String {
    let mut out = String::new();
    for &b in bytes {
        if b.is_ascii_graphic() && b != b'%' {
            out.push(b as char);
        } else {
            out.push_str(&format!("%{b:02x}"));
        }
    }
    out
}

fn unescape(word: &str) -> Vec<u8> {
    let bytes = word.as_bytes();
    let mut out = Vec::new();
    let mut i = 0;
    while i < bytes.len() {
        if bytes[i] == b'%' && i + 3 <= bytes.len() {
            out.push(u8::from_str_radix(&word[i + 1..i + 3], 16).unwrap_or(b'?'));
            i += 3;
        } else {
            out.push(bytes[i]);
            i += 1;
        }
    }
    out
}

impl Request {
    /// Reads the next one; `None` at the end.
    pub fn read(from: &mut impl BufRead) -> io::Result<Option<Request>> {
        let mut line = String::new();
        if from.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let mut parts = line.trim_end_matches('\n').split(' ');
        let mut next = || parts.next().unwrap_or_default().to_owned();
        let (tag, thread, verb) = (next(), next(), next());
        let mut request = Request { tag, thread, verb, words: Vec::new(), bodies: Vec::new() };
        for part in parts {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            if key == "body" {
                // One length for each body, with commas between; nothing for no body at all.
                for length in value.split(',').filter(|l| !l.is_empty()) {
                    let length: u64 = length.parse().map_err(io::Error::other)?;
                    let mut body = Vec::new();
                    from.take(length).read_to_end(&mut body)?;
                    request.bodies.push(body);
                }
            } else {
                request.words.push((key.to_owned(), unescape(value)));
            }
        }
        Ok(Some(request))
    }

    /// A word, if it was given.
    pub fn get(&self, key: &str) -> Result<Option<&str>, Failure> {
        let Some((_, value)) = self.words.iter().find(|(k, _)| k == key) else { return Ok(None) };
        let text = std::str::from_utf8(value);
        text.map(Some).map_err(|_| Failure::protocol(format!("{key} is not UTF-8")))
    }

    /// A word.
    pub fn word(&self, key: &str) -> Result<&str, Failure> {
        let verb = &self.verb;
        self.get(key)?.ok_or_else(|| Failure::protocol(format!("{verb} needs {key}=")))
    }

    /// A number, if it was given.
    pub fn number<T: std::str::FromStr>(&self, key: &str) -> Result<Option<T>, Failure> {
        let Some(word) = self.get(key)? else { return Ok(None) };
        let number = word.parse().map_err(|_| Failure::protocol(format!("{key}={word}")))?;
        Ok(Some(number))
    }

    /// A number.
    pub fn need<T: std::str::FromStr>(&self, key: &str) -> Result<T, Failure> {
        let verb = &self.verb;
        self.number(key)?.ok_or_else(|| Failure::protocol(format!("{verb} needs {key}=")))
    }

    /// Whether a switch is on.
    pub fn on(&self, key: &str) -> Result<bool, Failure> {
        Ok(self.get(key)? == Some("1"))
    }

    /// The one body.
    pub fn body(&self) -> Result<&[u8], Failure> {
        let verb = &self.verb;
        self.bodies
            .first()
            .map(Vec::as_slice)
            .ok_or_else(|| Failure::protocol(format!("{verb} needs a body")))
    }
}
