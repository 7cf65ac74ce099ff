//! Owns the current request and its response, as handles of `wasi:http`. Must not know how Ruby code reaches them.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cell::RefCell;

use crate::bindings::wasi::http::types::{
    Fields, IncomingBody, IncomingRequest, Method, OutgoingBody, OutgoingResponse,
    ResponseOutparam, Scheme,
};
use crate::bindings::wasi::io::streams::{InputStream, OutputStream, StreamError};
use crate::interpreter::SingleThread;

/// Most bytes of a body that are read at a time.
const READ_BYTES: u64 = 64 * 1024;
/// Statuses whose responses have no content (RFC 9110, 15.3.5 and 15.4.5).
const WITHOUT_CONTENT: [u16; 2] = [204, 304];

/// An error number of WASI preview 1.
#[derive(Clone, Copy)]
pub(crate) enum Errno {
    /// `inval`: the message is not understood.
    Invalid = 28,
    /// `io`: the request's body broke off.
    Io = 29,
    /// `pipe`: the client has left.
    Pipe = 64,
    /// `spipe`: a device has no position.
    NotSeekable = 70,
}

/// A request that is being answered.
struct Exchange {
    // Fields are dropped in this order, which the host requires: streams before bodies, bodies before the request.
    input: Option<InputStream>,
    input_body: Option<IncomingBody>,
    request: IncomingRequest,
    response: Option<ResponseBody>,
    outparam: Option<ResponseOutparam>,
    is_head: bool,
}

/// A response whose head was sent.
struct ResponseBody {
    stream: OutputStream,
    body: OutgoingBody,
    /// The length that the head announces, in bytes, if content follows.
    announced: Option<u64>,
    has_content: bool,
    sent: u64,
    is_cut: bool,
}

static CURRENT: SingleThread<RefCell<Option<Exchange>>> = SingleThread(RefCell::new(None));

/// Takes a request and the right to answer.
pub(crate) fn begin(request: IncomingRequest, outparam: ResponseOutparam) {
    let is_head = matches!(request.method(), Method::Head);
    *CURRENT.0.borrow_mut() = Some(Exchange {
        input: None,
        input_body: None,
        request,
        response: None,
        outparam: Some(outparam),
        is_head,
    });
}

/// Drops what is left of the request. A response without an end is broken off.
pub(crate) fn end() {
    CURRENT.0.borrow_mut().take();
}

fn with_current<T>(act: impl FnOnce(&mut Exchange) -> Result<T, Errno>) -> Result<T, Errno> {
    match CURRENT.0.borrow_mut().as_mut() {
        Some(exchange) => act(exchange),
        None => Err(Errno::Invalid),
    }
}

/// The head of the request: method, target, scheme, authority (empty if there is none), then name and value of each header;
/// a zero byte behind each.
pub(crate) fn request_head() -> Result<Vec<u8>, Errno> {
    with_current(|exchange| {
        let request = &exchange.request;
        let mut head = Vec::with_capacity(1024);
        let mut add = |field: &[u8]| {
            head.extend_from_slice(field);
            head.push(0);
        };
        add(method_name(&request.method()).as_bytes());
        add(request.path_with_query().unwrap_or_default().as_bytes());
        add(match request.scheme() {
            Some(Scheme::Https) => b"https",
            _ => b"http",
        });
        add(request.authority().unwrap_or_default().as_bytes());
        for (name, value) in request.headers().entries() {
            add(name.as_bytes());
            add(&value);
        }
        Ok(head)
    })
}

fn method_name(method: &Method) -> &str {
    match method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Delete => "DELETE",
        Method::Connect => "CONNECT",
        Method::Options => "OPTIONS",
        Method::Trace => "TRACE",
        Method::Patch => "PATCH",
        Method::Other(name) => name,
    }
}

/// Reads the next part of the request's body; returns the number of bytes, which is 0 at the end.
pub(crate) fn read_body(into: &mut [u8]) -> Result<usize, Errno> {
    with_current(|exchange| {
        if exchange.input_body.is_none() {
            let body = exchange.request.consume().map_err(|()| Errno::Io)?;
            exchange.input = body.stream().ok();
            exchange.input_body = Some(body);
        }
        let Some(input) = &exchange.input else {
            return Ok(0);
        };
        let wanted = READ_BYTES.min(into.len() as u64);
        if wanted == 0 {
            return Ok(0);
        }
        loop {
            match input.blocking_read(wanted) {
                Ok(data) if data.is_empty() => {}
                Ok(data) => {
                    into[..data.len()].copy_from_slice(&data);
                    return Ok(data.len());
                }
                Err(StreamError::Closed) => {
                    exchange.input = None;
                    return Ok(0);
                }
                Err(StreamError::LastOperationFailed(_)) => return Err(Errno::Io),
            }
        }
    })
}

/// Starts the response. `head` is the status, then name and value of each header, with a zero byte behind each.
pub(crate) fn start_response(head: &[u8]) -> Result<(), Errno> {
    with_current(|exchange| {
        let mut fields = head
            .strip_suffix(&[0])
            .ok_or(Errno::Invalid)?
            .split(|byte| *byte == 0);
        let status = parse_number(fields.next().unwrap_or_default()).ok_or(Errno::Invalid)?;
        let status = u16::try_from(status).map_err(|_| Errno::Invalid)?;
        let mut headers = Vec::new();
        let mut announced = None;
        while let Some(name) = fields.next() {
            let value = fields.next().ok_or(Errno::Invalid)?;
            let name = core::str::from_utf8(name).map_err(|_| Errno::Invalid)?;
            if name == "content-length" {
                announced = parse_number(value);
            }
            headers.push((name.to_string(), value.to_vec()));
        }
        let headers = Fields::from_list(&headers).map_err(|_| Errno::Invalid)?;
        let response = OutgoingResponse::new(headers);
        response
            .set_status_code(status)
            .map_err(|()| Errno::Invalid)?;
        let outparam = exchange.outparam.take().ok_or(Errno::Invalid)?;
        let body = response.body().map_err(|()| Errno::Io)?;
        let stream = body.write().map_err(|()| Errno::Io)?;
        let has_content = !exchange.is_head && !WITHOUT_CONTENT.contains(&status);
        ResponseOutparam::set(outparam, Ok(response));
        exchange.response = Some(ResponseBody {
            stream,
            body,
            announced: announced.filter(|_| has_content),
            has_content,
            sent: 0,
            is_cut: false,
        });
        Ok(())
    })
}

fn parse_number(digits: &[u8]) -> Option<u64> {
    core::str::from_utf8(digits).ok()?.parse().ok()
}

/// Sends a part of the response's body, and waits while the host's buffer is full. Bytes above the announced length, and
/// content where the protocol has none, are left out.
pub(crate) fn send(data: &[u8]) -> Result<(), Errno> {
    with_current(|exchange| {
        let response = exchange.response.as_mut().ok_or(Errno::Pipe)?;
        if !response.has_content {
            return Ok(());
        }
        let mut left = data;
        if let Some(announced) = response.announced {
            let room = announced - response.sent;
            if left.len() as u64 > room {
                left = &left[..room as usize];
                response.is_cut = true;
            }
        }
        response.sent += left.len() as u64;
        while !left.is_empty() {
            let room = response.stream.check_write().map_err(|_| Errno::Pipe)?;
            let count = left.len().min(usize::try_from(room).unwrap_or(usize::MAX));
            if count == 0 {
                response.stream.subscribe().block();
                continue;
            }
            response
                .stream
                .write(&left[..count])
                .map_err(|_| Errno::Pipe)?;
            left = &left[count..];
        }
        Ok(())
    })
}

/// Ends the response. Returns a line for the app's log if the body's length is not the announced length.
pub(crate) fn finish() -> Result<String, Errno> {
    with_current(|exchange| {
        let response = exchange.response.take().ok_or(Errno::Invalid)?;
        let mut line = String::new();
        if let Some(announced) = response.announced {
            let announced_text = announced.to_string();
            if response.sent < announced {
                line.push_str("the app announced Content-Length: ");
                line.push_str(&announced_text);
                line.push_str(" and sent ");
                line.push_str(&response.sent.to_string());
                line.push_str(": the response is broken off");
                return Ok(line);
            }
            if response.is_cut {
                line.push_str("the app announced Content-Length: ");
                line.push_str(&announced_text);
                line.push_str(" and sent more: the rest was left out");
            }
        }
        let ResponseBody { stream, body, .. } = response;
        drop(stream);
        // If this fails, the host breaks the response off, and says why.
        let _ = OutgoingBody::finish(body, None);
        Ok(line)
    })
}

/// Breaks the response off: a body that is dropped without an end does not look complete to the client.
pub(crate) fn break_off() -> Result<(), Errno> {
    with_current(|exchange| {
        exchange.response = None;
        Ok(())
    })
}
