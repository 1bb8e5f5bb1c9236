//! Answers that are kept with their `ETag`, so that the same question costs the forge, and its limit, nothing (RFC 9110, 13.1.2).

use std::collections::HashMap;

use http::header::{ACCEPT, ETAG};
use http::{HeaderMap, Request, Response, StatusCode};

/// How many answers are kept.
const MOST: usize = 256;
/// How many bytes they have in all.
const MOST_BYTES: usize = 16 << 20;

/// Kept answers by their question.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    answers: HashMap<String, Answer>,
    bytes: usize,
    /// Counts up with each use.
    clock: u64,
}

#[derive(Debug)]
struct Answer {
    tag: String,
    /// Its headers, too: they say where the next page is.
    headers: HeaderMap,
    body: Vec<u8>,
    used: u64,
}

/// A question: the address, and the form in which the answer is wanted.
pub(crate) fn key(request: &Request<Vec<u8>>) -> String {
    let accept = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    format!("{accept} {}", request.uri())
}

impl Kept {
    /// The tag of the kept answer.
    pub(crate) fn tag(&self, key: &str) -> Option<String> {
        self.answers.get(key).map(|answer| answer.tag.clone())
    }

    /// The kept answer as if it had just come.
    pub(crate) fn answer(&mut self, key: &str) -> Option<Response<Vec<u8>>> {
        self.clock += 1;
        let answer = self.answers.get_mut(key)?;
        answer.used = self.clock;
        let mut response = Response::new(answer.body.clone());
        *response.status_mut() = StatusCode::OK;
        *response.headers_mut() = answer.headers.clone();
        Some(response)
    }

    /// Keeps an answer if it has a tag and is not too large; forgets the ones that were used least lately.
    pub(crate) fn keep(&mut self, key: String, response: &Response<Vec<u8>>) {
        let tag = response.headers().get(ETAG).and_then(|tag| tag.to_str().ok()).filter(|_| response.status() == StatusCode::OK);
        self.forget(&key);
        let (Some(tag), true) = (tag, response.body().len() <= MOST_BYTES / 4) else { return };
        self.clock += 1;
        self.bytes += response.body().len();
        let answer = Answer { tag: tag.to_owned(), headers: response.headers().clone(), body: response.body().clone(), used: self.clock };
        self.answers.insert(key, answer);
        while self.answers.len() > MOST || self.bytes > MOST_BYTES {
            let Some(oldest) = self.answers.iter().min_by_key(|(_, answer)| answer.used).map(|(key, _)| key.clone()) else { return };
            self.forget(&oldest);
        }
    }

    fn forget(&mut self, key: &str) {
        if let Some(answer) = self.answers.remove(key) {
            self.bytes -= answer.body.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tagged(size: usize) -> Response<Vec<u8>> {
        Response::builder().header(ETAG, "\"a\"").header("link", "next").body(vec![b'x'; size]).unwrap()
    }

    #[test]
    fn an_answer_comes_back_with_its_headers() {
        let mut kept = Kept::default();
        kept.keep("k".to_owned(), &tagged(3));
        assert_eq!(kept.tag("k").as_deref(), Some("\"a\""));
        let answer = kept.answer("k").unwrap();
        assert_eq!((answer.body().as_slice(), answer.headers()["link"].to_str().unwrap()), (&b"xxx"[..], "next"));
    }

    #[test]
    fn what_was_used_least_lately_is_forgotten_first() {
        let mut kept = Kept::default();
        for number in 0..MOST {
            kept.keep(number.to_string(), &tagged(1));
        }
        kept.answer("0");
        kept.keep("new".to_owned(), &tagged(1));
        assert!(kept.tag("0").is_some() && kept.tag("1").is_none() && kept.tag("new").is_some());
        assert_eq!((kept.answers.len(), kept.bytes), (MOST, MOST));
    }

    #[test]
    fn the_bytes_are_bounded() {
        let mut kept = Kept::default();
        for number in 0..8 {
            kept.keep(number.to_string(), &tagged(MOST_BYTES / 4));
        }
        assert_eq!((kept.answers.len(), kept.bytes), (4, MOST_BYTES));
        kept.keep("huge".to_owned(), &tagged(MOST_BYTES / 4 + 1));
        assert!(kept.tag("huge").is_none());
    }
}
