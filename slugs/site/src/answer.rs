//! Owns the answer to a request, as a static host gives it (RFC 9110).
//! Must not know WASI, nor read files: an answer names the part of a file to send.

use std::time::SystemTime;

use http::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH,
    CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName, LAST_MODIFIED, LOCATION, RANGE, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};

use crate::conditions::{ConditionOutcome, FileVersion};
use crate::range::{RangeRequest, parse_range};
use crate::site::{PathTarget, Site, SiteFile};

/// Browsers keep files but revalidate them each time: this costs a 304, and a deploy takes effect at once.
const CACHE: &str = "public, max-age=0, must-revalidate";
/// Encodings of files beside the plain ones, the best first, each with the ending of such a file's name.
const ENCODINGS: [(&str, &str); 3] = [("br", "br"), ("zstd", "zst"), ("gzip", "gz")];

/// A response whose content is not read yet.
#[derive(Debug)]
pub(crate) struct SiteAnswer(Response<ResponseContent>);

/// The content of a response.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ResponseContent {
    Nothing,
    Text(String),
    /// A part of a file.
    File {
        path: String,
        from: u64,
        bytes: u64,
    },
}

impl SiteAnswer {
    fn new(status: StatusCode, content: ResponseContent) -> SiteAnswer {
        let mut response = Response::new(content);
        *response.status_mut() = status;
        SiteAnswer(response)
    }

    /// A response with a short text.
    pub(crate) fn of_text(status: StatusCode, text: &str) -> SiteAnswer {
        let answer = SiteAnswer::new(status, ResponseContent::Text(text.to_owned()));
        answer
            .with(CONTENT_TYPE, "text/plain; charset=utf-8")
            .with(CONTENT_LENGTH, &text.len().to_string())
    }

    fn with(mut self, name: HeaderName, value: &str) -> SiteAnswer {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.0.headers_mut().insert(name, value);
        }
        self
    }

    /// The same head without content, as for HEAD.
    fn without_content(mut self) -> SiteAnswer {
        *self.0.body_mut() = ResponseContent::Nothing;
        self
    }

    /// The response's head, and its content.
    pub(crate) fn into_parts(self) -> (Response<()>, ResponseContent) {
        let (head, content) = self.0.into_parts();
        (Response::from_parts(head, ()), content)
    }
}

/// Answers a request. `modified` gives the modification time of a file by its path on the disk.
pub(crate) fn answer<B>(
    site: &Site,
    request: &Request<B>,
    modified: &dyn Fn(&str) -> Option<SystemTime>,
    served_since: SystemTime,
) -> SiteAnswer {
    let method = request.method();
    if method != Method::GET && method != Method::HEAD {
        let text = "this site answers GET and HEAD\n";
        return SiteAnswer::of_text(StatusCode::METHOD_NOT_ALLOWED, text).with(ALLOW, "GET, HEAD");
    }
    let answered = match site.find(request.uri().path()) {
        PathTarget::File(name, file) => {
            let found = FoundFile { site, name, file };
            found.answer(request.headers(), method, modified, served_since)
        }
        PathTarget::Folder(path) => {
            let query = request
                .uri()
                .query()
                .map_or(String::new(), |query| format!("?{query}"));
            let text = "this is a folder: its address ends with /\n";
            SiteAnswer::of_text(StatusCode::MOVED_PERMANENTLY, text)
                .with(LOCATION, &format!("{path}{query}"))
        }
        PathTarget::Nothing(Some((name, file))) => {
            let answer = SiteAnswer::new(StatusCode::NOT_FOUND, whole(site, name, file));
            answer
                .with(CONTENT_TYPE, &content_type(name))
                .with(CONTENT_LENGTH, &file.bytes.to_string())
        }
        PathTarget::Nothing(None) => {
            SiteAnswer::of_text(StatusCode::NOT_FOUND, "404: there is no such page\n")
        }
    };
    if method == Method::HEAD {
        answered.without_content()
    } else {
        answered
    }
}

/// The file that the path of a request names.
struct FoundFile<'s> {
    site: &'s Site,
    /// The name that tells the content type, without the ending of an encoding.
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
    ) -> SiteAnswer {
        let range = headers.get(RANGE).filter(|_| method == Method::GET);
        // Ranges always refer to the plain file.
        let encoded = if range.is_none() {
            self.encoded_for(headers)
        } else {
            None
        };
        let (encoding, (name, file)) = match encoded {
            Some((encoding, found)) => (Some(encoding), found),
            None => (None, (self.name, self.file)),
        };
        let modified = modified(&self.site.disk_path(name));
        let tag = format!("\"{}\"", file.digest);
        let version = FileVersion {
            tag: &tag,
            modified,
            served_since,
        };
        let head = |status, content| self.head(SiteAnswer::new(status, content), &version);
        match version.check(headers) {
            ConditionOutcome::NotModified => {
                return head(StatusCode::NOT_MODIFIED, ResponseContent::Nothing);
            }
            ConditionOutcome::Failed => {
                let text =
                    "the file has changed: this is not the version that the request asks for\n";
                return SiteAnswer::of_text(StatusCode::PRECONDITION_FAILED, text).with(ETAG, &tag);
            }
            ConditionOutcome::Send => {}
        }
        let range = range
            .filter(|_| version.may_send_part(headers))
            .and_then(|range| range.to_str().ok());
        let answer = match parse_range(range, file.bytes) {
            RangeRequest::All => head(StatusCode::OK, whole(self.site, name, file))
                .with(CONTENT_LENGTH, &file.bytes.to_string()),
            RangeRequest::Part(from, bytes) => {
                let (path, all) = (self.site.disk_path(name), file.bytes);
                let shown = format!("bytes {from}-{}/{all}", from + bytes - 1);
                head(
                    StatusCode::PARTIAL_CONTENT,
                    ResponseContent::File { path, from, bytes },
                )
                .with(CONTENT_RANGE, &shown)
                .with(CONTENT_LENGTH, &bytes.to_string())
            }
            RangeRequest::Outside => {
                let text = "the file is shorter than the range that the request asks for\n";
                let shown = format!("bytes */{}", file.bytes);
                return SiteAnswer::of_text(StatusCode::RANGE_NOT_SATISFIABLE, text)
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

    /// Adds the headers that 200, 206 and 304 have in common.
    fn head(&self, answer: SiteAnswer, version: &FileVersion<'_>) -> SiteAnswer {
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

    /// The first encoded file beside this one that the client accepts.
    fn encoded_for(&self, headers: &HeaderMap) -> Option<(&'static str, (&str, &SiteFile))> {
        let mut encodings = ENCODINGS
            .iter()
            .filter(|(encoding, _)| accepts(headers, encoding));
        encodings.find_map(|(encoding, end)| Some((*encoding, self.site.encoded(self.name, end)?)))
    }
}

/// The content of a whole file.
fn whole(site: &Site, name: &str, file: &SiteFile) -> ResponseContent {
    ResponseContent::File {
        path: site.disk_path(name),
        from: 0,
        bytes: file.bytes,
    }
}

/// Whether a client accepts an encoding by name, with a weight over 0.
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

/// The content type of a file by the ending of its name. Text is UTF-8.
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
