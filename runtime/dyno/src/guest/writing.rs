//! The bodies that a 0.2 guest writes: of its responses, and of the requests that it sends.
//!
//! Owns `outgoing-body` of `wasi:http/types`: what waits between the guest and whoever reads, and that a body has the
//! length that its headers announce. The engine's own makes two channels for each body; here it is one allocation, and
//! a write for which there is room waits for nothing. Must not know who reads.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{HeaderMap, header};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use wasmtime::component::{Linker, Resource, ResourceType};
use wasmtime::{StoreContextMut, format_err};
use wasmtime_wasi::p2::{DynOutputStream, OutputStream, Pollable, StreamError, StreamResult};
use wasmtime_wasi_http::p2::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::p2::body::{HyperOutgoingBody, StreamContext};
use wasmtime_wasi_http::p2::types::{HostOutgoingRequest, HostOutgoingResponse};
use wasmtime_wasi_http::{Error, FieldMap};

use super::Guest;
use super::limits::STREAM_CHUNK_BYTES_MAX;

/// The interface as the engine offers it.
const TYPES: &str = "wasi:http/types@0.2.12";

/// Writes that wait to be read, of [`STREAM_CHUNK_BYTES_MAX`] bytes at most each.
const CHUNKS_MAX: usize = 2;

/// How a body ended.
enum End {
    Complete(Option<HeaderMap>),
    /// It was dropped, or has not its announced length.
    Broken,
}

/// What a guest and a reader share of one body.
struct State {
    chunks: VecDeque<Bytes>,
    announced: Option<u64>,
    written: u64,
    end: Option<End>,
    /// Nobody reads any more.
    abandoned: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

#[derive(Clone)]
struct Pipe(Arc<Mutex<State>>);

impl Pipe {
    fn new(announced: Option<u64>) -> Pipe {
        Pipe(Arc::new(Mutex::new(State {
            chunks: VecDeque::new(),
            announced,
            written: 0,
            end: None,
            abandoned: false,
            reader: None,
            writer: None,
        })))
    }

    /// Nothing that holds it can panic half way.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ready when there is room for a write, or nobody to read it.
    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.abandoned || state.chunks.len() < CHUNKS_MAX {
            return Poll::Ready(());
        }
        state.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    fn end(&self, end: End) {
        let mut state = self.lock();
        state.end.get_or_insert(end);
        let reader = state.reader.take();
        drop(state);
        reader.into_iter().for_each(Waker::wake);
    }
}

/// `outgoing-body`.
struct Writing {
    pipe: Pipe,
    context: StreamContext,
    /// Its stream was asked for.
    taken: bool,
}

impl Writing {
    fn begin(context: StreamContext, announced: Option<u64>) -> (Writing, HyperOutgoingBody) {
        let pipe = Pipe::new(announced);
        let reader = Reader(pipe.clone()).boxed_unsync();
        let taken = false;
        let writing = Writing {
            pipe,
            context,
            taken,
        };
        (writing, reader)
    }

    fn stream(&mut self) -> Option<Stream> {
        let first = !std::mem::replace(&mut self.taken, true);
        first.then(|| Stream {
            pipe: self.pipe.clone(),
            context: self.context,
        })
    }

    fn finish(self, trailers: Option<FieldMap>) -> Result<(), ErrorCode> {
        let (announced, written) = {
            let state = self.pipe.lock();
            (state.announced, state.written)
        };
        if announced.is_some_and(|announced| announced != written) {
            // Dropped, it is broken.
            return Err(self.context.as_body_size_error(written));
        }
        self.pipe.end(End::Complete(trailers.map(HeaderMap::from)));
        Ok(())
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.pipe.end(End::Broken);
    }
}

/// Its `output-stream`.
struct Stream {
    pipe: Pipe,
    context: StreamContext,
}

impl Stream {
    fn put(&mut self, bytes: Bytes) -> StreamResult<()> {
        let mut state = self.pipe.lock();
        if state.abandoned {
            return Err(StreamError::Closed);
        }
        if bytes.len() > STREAM_CHUNK_BYTES_MAX || state.chunks.len() >= CHUNKS_MAX {
            return Err(StreamError::Trap(format_err!("write exceeded budget")));
        }
        state.written += bytes.len() as u64;
        let (announced, written) = (state.announced, state.written);
        state.chunks.push_back(bytes);
        let reader = state.reader.take();
        drop(state);
        reader.into_iter().for_each(Waker::wake);
        match announced {
            Some(announced) if written > announced => {
                let error = self.context.as_body_size_error(written);
                Err(StreamError::LastOperationFailed(format_err!(error)))
            }
            _ => Ok(()),
        }
    }
}

#[wasmtime_wasi::async_trait]
impl OutputStream for Stream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.put(bytes)
    }

    /// What is written is with the reader.
    fn flush(&mut self) -> StreamResult<()> {
        match self.pipe.lock().abandoned {
            true => Err(StreamError::Closed),
            false => Ok(()),
        }
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        let state = self.pipe.lock();
        match state.chunks.len() {
            _ if state.abandoned => Err(StreamError::Closed),
            CHUNKS_MAX.. => Ok(0),
            _ => Ok(STREAM_CHUNK_BYTES_MAX),
        }
    }

    async fn blocking_write_and_flush(&mut self, mut bytes: Bytes) -> StreamResult<()> {
        loop {
            poll_fn(|cx| self.pipe.poll_room(cx)).await;
            let size = bytes.len().min(STREAM_CHUNK_BYTES_MAX);
            self.put(bytes.split_to(size))?;
            if bytes.is_empty() {
                break;
            }
        }
        // Flushed is what leaves room for more.
        poll_fn(|cx| self.pipe.poll_room(cx)).await;
        Ok(())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Stream {
    async fn ready(&mut self) {
        poll_fn(|cx| self.pipe.poll_room(cx)).await;
    }
}

/// The other side.
struct Reader(Pipe);

impl Body for Reader {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let mut state = self.0.lock();
        if let Some(chunk) = state.chunks.pop_front() {
            let writer = state.writer.take();
            drop(state);
            writer.into_iter().for_each(Waker::wake);
            return Poll::Ready(Some(Ok(Frame::data(chunk))));
        }
        match &mut state.end {
            Some(End::Complete(trailers)) => {
                let trailers = trailers.take();
                Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))))
            }
            Some(End::Broken) => Poll::Ready(Some(Err(Error::HttpProtocolError))),
            None => {
                state.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.abandoned = true;
        state.chunks.clear();
        let writer = state.writer.take();
        drop(state);
        writer.into_iter().for_each(Waker::wake);
    }
}

/// The length that headers announce; none if they name none. `Err`: they do not name one.
fn announced(headers: &HeaderMap) -> Result<Option<u64>, ()> {
    let mut values = headers.get_all(header::CONTENT_LENGTH).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let text = value.to_str().map_err(drop)?;
    // `parse` alone would take a sign.
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(length) if plain && values.next().is_none() => Ok(Some(length)),
        _ => Err(()),
    }
}

type Store<'a> = StoreContextMut<'a, Guest>;

/// Begins the body of something with `headers`, if it has none yet.
fn begin(
    context: StreamContext,
    headers: &HeaderMap,
    slot: &mut Option<HyperOutgoingBody>,
) -> Result<Writing, ()> {
    if slot.is_some() {
        return Err(());
    }
    let (writing, reader) = Writing::begin(context, announced(headers)?);
    *slot = Some(reader);
    Ok(writing)
}

/// Puts these bodies in the engine's place.
pub(crate) fn add_to_linker(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    let mut types = linker.instance(TYPES)?;
    types.resource(
        "outgoing-body",
        ResourceType::host::<Writing>(),
        |mut store, rep| {
            let table = &mut store.data_mut().table;
            table.delete(Resource::<Writing>::new_own(rep))?;
            Ok(())
        },
    )?;
    types.func_wrap(
        "[method]outgoing-response.body",
        |mut store: Store<'_>, (response,): (Resource<HostOutgoingResponse>,)| {
            let table = &mut store.data_mut().table;
            let response = table.get_mut(&response)?;
            let begun = begin(
                StreamContext::Response,
                &response.headers,
                &mut response.body,
            );
            let pushed = begun.map(|writing| table.push(writing));
            Ok((pushed.map_or(Ok(Err(())), |pushed| pushed.map(Ok))?,))
        },
    )?;
    types.func_wrap(
        "[method]outgoing-request.body",
        |mut store: Store<'_>, (request,): (Resource<HostOutgoingRequest>,)| {
            let table = &mut store.data_mut().table;
            let request = table.get_mut(&request)?;
            let begun = begin(StreamContext::Request, &request.headers, &mut request.body);
            let pushed = begun.map(|writing| table.push(writing));
            Ok((pushed.map_or(Ok(Err(())), |pushed| pushed.map(Ok))?,))
        },
    )?;
    types.func_wrap(
        "[method]outgoing-body.write",
        |mut store: Store<'_>, (body,): (Resource<Writing>,)| {
            let table = &mut store.data_mut().table;
            let Some(stream) = table.get_mut(&body)?.stream() else {
                return Ok((Err(()),));
            };
            let stream: DynOutputStream = Box::new(stream);
            Ok((Ok(table.push_child(stream, &body)?),))
        },
    )?;
    types.func_wrap(
        "[static]outgoing-body.finish",
        |mut store: Store<'_>,
         (body, trailers): (Resource<Writing>, Option<Resource<FieldMap>>)| {
            let table = &mut store.data_mut().table;
            let body = table.delete(body)?;
            let trailers = trailers
                .map(|trailers| table.delete(trailers))
                .transpose()?;
            Ok((body.finish(trailers),))
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun(announced: Option<u64>) -> (Writing, Stream, HyperOutgoingBody) {
        let (mut writing, body) = Writing::begin(StreamContext::Response, announced);
        let stream = writing.stream().expect("the first is there");
        assert!(writing.stream().is_none(), "and there is no second");
        (writing, stream, body)
    }

    /// What the reader gets now, in words.
    fn read(body: &mut HyperOutgoingBody) -> String {
        let mut cx = Context::from_waker(Waker::noop());
        match Pin::new(body).poll_frame(&mut cx) {
            Poll::Pending => "nothing yet".to_owned(),
            Poll::Ready(None) => "end".to_owned(),
            Poll::Ready(Some(Err(error))) => format!("{error:?}"),
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => String::from_utf8_lossy(&data).into_owned(),
                Err(frame) => format!("{:?}", frame.into_trailers().expect("trailers")),
            },
        }
    }

    fn is_ready(stream: &mut Stream) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        stream.ready().as_mut().poll(&mut cx).is_ready()
    }

    #[test]
    fn what_is_written_is_read_and_ends_when_it_is_finished() {
        let (writing, mut stream, mut body) = begun(None);
        assert_eq!(read(&mut body), "nothing yet");
        stream.put("a".into()).expect("room");
        stream.put("b".into()).expect("room");
        drop(stream);
        assert_eq!([read(&mut body), read(&mut body)], ["a", "b"]);
        assert_eq!(read(&mut body), "nothing yet");
        writing.finish(None).expect("any length");
        assert_eq!([read(&mut body), read(&mut body)], ["end", "end"]);
    }

    #[test]
    fn two_writes_wait_and_the_third_has_to() {
        let (_writing, mut stream, mut body) = begun(None);
        for part in ["a", "b"] {
            assert!(is_ready(&mut stream));
            assert_eq!(stream.check_write().expect("open"), STREAM_CHUNK_BYTES_MAX);
            stream.put(part.into()).expect("room");
        }
        assert!(!is_ready(&mut stream));
        assert_eq!(stream.check_write().expect("open"), 0);
        let excess = stream.put("c".into());
        assert!(matches!(excess, Err(StreamError::Trap(_))), "{excess:?}");
        assert_eq!(read(&mut body), "a");
        assert!(is_ready(&mut stream));
        let long = vec![b'x'; STREAM_CHUNK_BYTES_MAX + 1].into();
        let excess = stream.put(long);
        assert!(matches!(excess, Err(StreamError::Trap(_))), "{excess:?}");
    }

    #[test]
    fn a_body_has_the_length_that_it_announced() {
        let (writing, mut stream, mut body) = begun(Some(3));
        stream.put("ab".into()).expect("room");
        let short = writing.finish(None);
        assert!(
            matches!(short, Err(ErrorCode::HttpResponseBodySize(Some(2)))),
            "{short:?}"
        );
        assert_eq!(read(&mut body), "ab");
        assert_eq!(read(&mut body), "HttpProtocolError");

        let (writing, mut stream, _body) = begun(Some(1));
        let long = stream.put("ab".into());
        assert!(
            matches!(long, Err(StreamError::LastOperationFailed(_))),
            "{long:?}"
        );
        assert!(writing.finish(None).is_err());

        let (writing, mut stream, mut body) = begun(Some(1));
        stream.put("a".into()).expect("room");
        writing.finish(None).expect("as announced");
        assert_eq!([read(&mut body), read(&mut body)], ["a", "end"]);
    }

    #[test]
    fn a_body_that_is_let_go_is_broken() {
        let (writing, mut stream, mut body) = begun(None);
        stream.put("a".into()).expect("room");
        drop((stream, writing));
        assert_eq!(read(&mut body), "a");
        assert_eq!(read(&mut body), "HttpProtocolError");
    }

    #[test]
    fn a_stream_that_nobody_reads_is_closed() {
        let (writing, mut stream, body) = begun(None);
        stream.put("a".into()).expect("room");
        stream.put("b".into()).expect("room");
        drop(body);
        assert!(is_ready(&mut stream));
        assert!(matches!(stream.check_write(), Err(StreamError::Closed)));
        assert!(matches!(stream.flush(), Err(StreamError::Closed)));
        assert!(matches!(stream.put("c".into()), Err(StreamError::Closed)));
        writing.finish(None).expect("it may end all the same");
    }

    #[test]
    fn a_length_is_one_number() {
        let of = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                let value = value.parse().expect("a value");
                headers.append(header::CONTENT_LENGTH, value);
            }
            announced(&headers)
        };
        assert_eq!(of(&[]), Ok(None));
        assert_eq!(of(&["0"]), Ok(Some(0)));
        assert_eq!(of(&["18446744073709551615"]), Ok(Some(u64::MAX)));
        for bad in [
            &["1", "1"][..],
            &["+1"],
            &["-1"],
            &[""],
            &["1 "],
            &["18446744073709551616"],
        ] {
            assert_eq!(of(bad), Err(()), "{bad:?}");
        }
    }
}
