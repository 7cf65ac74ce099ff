//! Owns what is answered to a request, as users of a static host expect it (RFC 9110).
//! Must not know WASI, nor read files: it says which part of which file is to be sent.

use std::time::SystemTime;

use http::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH,
    CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName, LAST_MODIFIED, LOCATION, RANGE, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};

use crate::conditions::{Outcome, Version};
use crate::range::{Asked, parse_range};
use crate::site::{Found, Site, SiteFile};

/// Browsers keep files, and ask each time whether they are still good: that costs a 304, and a deploy is seen at once.
const CACHE: &str = "public, max-age=0, must-revalidate";
/// Encodings of files that lie beside the plain ones: the best first, with the end of such a file's name.
const ENCODINGS: [(&str, &str); 3] = [("br", "br"), ("zstd", "zst"), ("gzip", "gz")];

/// A response whose content is still to be read.
#[derive(Debug)]
pub(crate) struct Answer(Response<Content>);

/// The content of a response.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Nothing,
    Text(String),
    /// A part of a file.
    File {
        path: String,
        from: u64,
        bytes: u64,
    },
}

impl Answer {
    fn new(status: StatusCode, content: Content) -> Answer {
        let mut response = Response::new(content);
        *response.status_mut() = status;
        Answer(response)
    }

    /// A few words, for people.
    pub(crate) fn of_text(status: StatusCode, text: &str) -> Answer {
        let answer = Answer::new(status, Content::Text(text.to_owned()));
        answer
            .with(CONTENT_TYPE, "text/plain; charset=utf-8")
            .with(CONTENT_LENGTH, &text.len().to_string())
    }

    fn with(mut self, name: HeaderName, value: &str) -> Answer {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.0.headers_mut().insert(name, value);
        }
        self
    }

    /// As for HEAD: the same head, and nothing after it.
    fn without_content(mut self) -> Answer {
        *self.0.body_mut() = Content::Nothing;
        self
    }

    /// The response's head, and its content.
    pub(crate) fn into_parts(self) -> (Response<()>, Content) {
        let (head, content) = self.0.into_parts();
        (Response::from_parts(head, ()), content)
    }
}

/// Answers a request. `modified` tells when a file, by its place, was last changed.
pub(crate) fn answer<B>(
    site: &Site,
    request: &Request<B>,
    modified: &dyn Fn(&str) -> Option<SystemTime>,
    served_since: SystemTime,
) -> Answer {
    let method = request.method();
    if method != Method::GET && method != Method::HEAD {
        let text = "this site answers GET and HEAD\n";
        return Answer::of_text(StatusCode::METHOD_NOT_ALLOWED, text).with(ALLOW, "GET, HEAD");
    }
    let answered = match site.find(request.uri().path()) {
        Found::File(name, file) => {
            let found = FoundFile { site, name, file };
            found.answer(request.headers(), method, modified, served_since)
        }
        Found::Folder(path) => {
            let query = request
                .uri()
                .query()
                .map_or(String::new(), |query| format!("?{query}"));
            let text = "this is a folder: its address ends with /\n";
            Answer::of_text(StatusCode::MOVED_PERMANENTLY, text)
                .with(LOCATION, &format!("{path}{query}"))
        }
        Found::Nothing(Some((name, file))) => {
            let answer = Answer::new(StatusCode::NOT_FOUND, whole(site, name, file));
            answer
                .with(CONTENT_TYPE, &content_type(name))
                .with(CONTENT_LENGTH, &file.bytes.to_string())
        }
        Found::Nothing(None) => {
            Answer::of_text(StatusCode::NOT_FOUND, "404: there is no such page\n")
        }
    };
    if method == Method::HEAD {
        answered.without_content()
    } else {
        answered
    }
}

/// A file that a request means.
struct FoundFile<'s> {
    site: &'s Site,
    /// The name that tells what it is, without the ending of an encoding.
    name: &'s str,
    file: &'s SiteFile,
}

impl FoundFile<'_> {
    fn answer(
        &self,
        headers: &HeaderMap,
        method: &Method,
        modified: &dyn Fn(&str) -> Option<SystemTime>,
        served_since: SystemTime,
    ) -> Answer {
        let range = headers.get(RANGE).filter(|_| method == Method::GET);
        // A part is always one of the plain file.
        let encoded = if range.is_none() {
            self.encoded_for(headers)
        } else {
            None
        };
        let (encoding, (name, file)) = match encoded {
            Some((encoding, found)) => (Some(encoding), found),
            None => (None, (self.name, self.file)),
        };
        let modified = modified(&self.site.place(name));
        let tag = format!("\"{}\"", file.digest);
        let version = Version {
            tag: &tag,
            modified,
            served_since,
        };
        let head = |status, content| self.head(Answer::new(status, content), &version);
        match version.check(headers) {
            Outcome::NotModified => return head(StatusCode::NOT_MODIFIED, Content::Nothing),
            Outcome::Failed => {
                let text = "the file is another one than the request wants\n";
                return Answer::of_text(StatusCode::PRECONDITION_FAILED, text).with(ETAG, &tag);
            }
            Outcome::Send => {}
        }
        let range = range
            .filter(|_| version.may_send_part(headers))
            .and_then(|range| range.to_str().ok());
        let answer = match parse_range(range, file.bytes) {
            Asked::All => head(StatusCode::OK, whole(self.site, name, file))
                .with(CONTENT_LENGTH, &file.bytes.to_string()),
            Asked::Part(from, bytes) => {
                let (path, all) = (self.site.place(name), file.bytes);
                let shown = format!("bytes {from}-{}/{all}", from + bytes - 1);
                head(
                    StatusCode::PARTIAL_CONTENT,
                    Content::File { path, from, bytes },
                )
                .with(CONTENT_RANGE, &shown)
                .with(CONTENT_LENGTH, &bytes.to_string())
            }
            Asked::Outside => {
                let text = "the file is not that long\n";
                let shown = format!("bytes */{}", file.bytes);
                return Answer::of_text(StatusCode::RANGE_NOT_SATISFIABLE, text)
                    .with(CONTENT_RANGE, &shown);
            }
        };
        let answer = answer
            .with(CONTENT_TYPE, &content_type(self.name))
            .with(ACCEPT_RANGES, "bytes")
            .with(X_CONTENT_TYPE_OPTIONS, "nosniff");
        match encoding {
            Some(encoding) => answer.with(CONTENT_ENCODING, encoding),
            None => answer,
        }
    }

    /// What 200, 206 and 304 have in common.
    fn head(&self, answer: Answer, version: &Version<'_>) -> Answer {
        let answer = answer.with(ETAG, version.tag).with(CACHE_CONTROL, CACHE);
        let answer = match version.modified {
            Some(modified) => answer.with(LAST_MODIFIED, &httpdate::fmt_http_date(modified)),
            None => answer,
        };
        let mut encodings = ENCODINGS.iter();
        match encodings.any(|(_, end)| self.site.encoded(self.name, end).is_some()) {
            true => answer.with(VARY, "accept-encoding"),
            false => answer,
        }
    }

    /// The encoded file beside this one that the client takes, if there is one.
    fn encoded_for(&self, headers: &HeaderMap) -> Option<(&'static str, (&str, &SiteFile))> {
        let mut encodings = ENCODINGS
            .iter()
            .filter(|(encoding, _)| accepts(headers, encoding));
        encodings.find_map(|(encoding, end)| Some((*encoding, self.site.encoded(self.name, end)?)))
    }
}

fn whole(site: &Site, name: &str, file: &SiteFile) -> Content {
    Content::File {
        path: site.place(name),
        from: 0,
        bytes: file.bytes,
    }
}

/// Whether a client names an encoding among those that it takes, with a weight over 0.
fn accepts(headers: &HeaderMap, encoding: &str) -> bool {
    let lines = headers.get_all(ACCEPT_ENCODING).iter();
    let mut named = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','));
    named.any(|item| {
        let (name, parameters) = item.split_once(';').unwrap_or((item, ""));
        let weight = parameters.trim().strip_prefix("q=");
        let is_refused = weight
            .is_some_and(|weight| weight.trim().parse().is_ok_and(|weight: f32| weight <= 0.0));
        name.trim().eq_ignore_ascii_case(encoding) && !is_refused
    })
}

/// The type of a file by its name's ending; text is UTF-8.
fn content_type(name: &str) -> String {
    let guess = mime_guess::from_path(name).first_or_octet_stream();
    let text = match guess.essence_str() {
        // RFC 9239: the one name for all JavaScript.
        "application/javascript" => "text/javascript",
        text => text,
    };
    if text.starts_with("text/") || text == "application/json" {
        format!("{text}; charset=utf-8")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests;
