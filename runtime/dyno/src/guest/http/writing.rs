//! `outgoing-body` of `wasi:http/types` 0.2: the bodies of the guest's responses and requests.
//!
//! Owns the buffer between the guest and the reader of a body, and the rule that a body has the length that its
//! headers announce, unless the protocol sends no body (RFC 9110, 8.6). The engine creates two channels for each
//! body; this is one allocation, and a write does not wait while there is room. Must not know who reads.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use parking_lot::{Mutex, MutexGuard};
use wasmtime::component::{Linker, Resource, ResourceType};
use wasmtime::{StoreContextMut, format_err};
use wasmtime_wasi::p2::{DynOutputStream, OutputStream, Pollable, StreamError, StreamResult};
use wasmtime_wasi_http::p2::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::p2::body::{HyperOutgoingBody, StreamContext};
use wasmtime_wasi_http::p2::types::{HostOutgoingRequest, HostOutgoingResponse};
use wasmtime_wasi_http::{Error, FieldMap};

use crate::guest::http::HTTP_TYPES;
use crate::guest::http::fields::parse_content_length;
use crate::guest::http::state::{GetHttpView, HttpView};
use crate::guest::limits::handles::STREAM_CHUNK_BYTES_MAX;

/// Writes that are buffered, of at most [`STREAM_CHUNK_BYTES_MAX`] bytes each.
const CHUNKS_MAX: usize = 2;

/// The way in which a body ended.
enum BodyEnd {
    Complete(Option<HeaderMap>),
    /// The guest dropped the body before it was complete.
    Dropped,
    /// The body has another length than announced: this one.
    WrongLength(u64),
}

/// Buffered writes in their order. Stored in place, since most bodies have one write.
#[derive(Default)]
struct BodyChunks([Option<Bytes>; CHUNKS_MAX]);

impl BodyChunks {
    fn is_full(&self) -> bool {
        self.0.iter().all(Option::is_some)
    }

    /// Adds a chunk. There must be room for it.
    fn push(&mut self, chunk: Bytes) {
        if let Some(free) = self.0.iter_mut().find(|place| place.is_none()) {
            *free = Some(chunk);
        }
    }

    fn pop(&mut self) -> Option<Bytes> {
        let first = self.0[0].take();
        self.0.rotate_left(1);
        first
    }
}

/// The state of one body, shared by the guest and the reader.
struct BodyState {
    chunks: BodyChunks,
    announced: Option<u64>,
    written: u64,
    end: Option<BodyEnd>,
    /// The guest holds the body's stream.
    streaming: bool,
    /// The reader has gone.
    abandoned: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

#[derive(Clone)]
struct BodyPipe(Arc<Mutex<BodyState>>);

impl BodyPipe {
    fn new(announced: Option<u64>) -> BodyPipe {
        BodyPipe(Arc::new(Mutex::new(BodyState {
            chunks: BodyChunks::default(),
            announced,
            written: 0,
            end: None,
            streaming: false,
            abandoned: false,
            reader: None,
            writer: None,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, BodyState> {
        self.0.lock()
    }

    /// Ready when there is room for a write, or the reader has gone.
    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.abandoned || !state.chunks.is_full() {
            return Poll::Ready(());
        }
        state.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    fn end_with(&self, end: BodyEnd) {
        let mut state = self.lock();
        state.end.get_or_insert(end);
        let reader = state.reader.take();
        drop(state);
        reader.into_iter().for_each(Waker::wake);
    }
}

/// `outgoing-body`.
struct OutgoingBody {
    pipe: BodyPipe,
    context: StreamContext,
    /// The guest has already asked for the stream.
    taken: bool,
}

impl OutgoingBody {
    fn new_pair(
        context: StreamContext,
        announced: Option<u64>,
    ) -> (OutgoingBody, HyperOutgoingBody) {
        let pipe = BodyPipe::new(announced);
        let reader = BodyReader(pipe.clone()).boxed_unsync();
        let taken = false;
        let writing = OutgoingBody {
            pipe,
            context,
            taken,
        };
        (writing, reader)
    }

    fn take_stream(&mut self) -> Option<BodyStream> {
        if std::mem::replace(&mut self.taken, true) {
            return None;
        }
        self.pipe.lock().streaming = true;
        Some(BodyStream {
            pipe: self.pipe.clone(),
            context: self.context,
        })
    }

    /// Checks that the guest has dropped the stream before the body.
    ///
    /// # Errors
    /// If it has not: this ends the guest.
    fn check_stream_dropped(self) -> wasmtime::Result<OutgoingBody> {
        let streaming = self.pipe.lock().streaming;
        match streaming {
            true => Err(format_err!("the body's stream is not dropped yet")),
            false => Ok(self),
        }
    }

    /// Ends the body. With `any_length`, the length is not checked, because the protocol does not send this body.
    fn finish(self, trailers: Option<FieldMap>, any_length: bool) -> Result<(), ErrorCode> {
        let (announced, written) = {
            let state = self.pipe.lock();
            (state.announced, state.written)
        };
        if !any_length && announced.is_some_and(|announced| announced != written) {
            self.pipe.end_with(BodyEnd::WrongLength(written));
            return Err(self.context.as_body_size_error(written));
        }
        self.pipe
            .end_with(BodyEnd::Complete(trailers.map(HeaderMap::from)));
        Ok(())
    }
}

impl Drop for OutgoingBody {
    fn drop(&mut self) {
        // Does nothing if the body was finished: the first end counts.
        self.pipe.end_with(BodyEnd::Dropped);
    }
}

/// The body's `output-stream`.
struct BodyStream {
    pipe: BodyPipe,
    context: StreamContext,
}

impl BodyStream {
    fn write_chunk(&mut self, bytes: Bytes) -> StreamResult<()> {
        let mut state = self.pipe.lock();
        if state.abandoned {
            return Err(StreamError::Closed);
        }
        if bytes.len() > STREAM_CHUNK_BYTES_MAX || state.chunks.is_full() {
            return Err(StreamError::Trap(format_err!("write exceeded budget")));
        }
        state.written += bytes.len() as u64;
        let (announced, written) = (state.announced, state.written);
        state.chunks.push(bytes);
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

impl Drop for BodyStream {
    fn drop(&mut self) {
        self.pipe.lock().streaming = false;
    }
}

#[wasmtime_wasi::async_trait]
impl OutputStream for BodyStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.write_chunk(bytes)
    }

    /// Nothing to do: written bytes are at the reader at once.
    fn flush(&mut self) -> StreamResult<()> {
        match self.pipe.lock().abandoned {
            true => Err(StreamError::Closed),
            false => Ok(()),
        }
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        let state = self.pipe.lock();
        match state.chunks.is_full() {
            _ if state.abandoned => Err(StreamError::Closed),
            true => Ok(0),
            false => Ok(STREAM_CHUNK_BYTES_MAX),
        }
    }

    async fn blocking_write_and_flush(&mut self, mut bytes: Bytes) -> StreamResult<()> {
        loop {
            poll_fn(|cx| self.pipe.poll_room(cx)).await;
            let size = bytes.len().min(STREAM_CHUNK_BYTES_MAX);
            self.write_chunk(bytes.split_to(size))?;
            if bytes.is_empty() {
                break;
            }
        }
        // After a flush, there is room for another write.
        poll_fn(|cx| self.pipe.poll_room(cx)).await;
        Ok(())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for BodyStream {
    async fn ready(&mut self) {
        poll_fn(|cx| self.pipe.poll_room(cx)).await;
    }
}

/// The reader's side of a body.
struct BodyReader(BodyPipe);

impl Body for BodyReader {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let mut state = self.0.lock();
        if let Some(chunk) = state.chunks.pop() {
            let writer = state.writer.take();
            drop(state);
            writer.into_iter().for_each(Waker::wake);
            return Poll::Ready(Some(Ok(Frame::data(chunk))));
        }
        match &mut state.end {
            Some(BodyEnd::Complete(trailers)) => {
                let trailers = trailers.take();
                Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))))
            }
            Some(BodyEnd::Dropped) => Poll::Ready(Some(Err(Error::HttpProtocolError))),
            Some(BodyEnd::WrongLength(written)) => {
                Poll::Ready(Some(Err(Error::HttpResponseBodySize(Some(*written)))))
            }
            None => {
                state.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for BodyReader {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.abandoned = true;
        state.chunks = BodyChunks::default();
        let writer = state.writer.take();
        drop(state);
        writer.into_iter().for_each(Waker::wake);
    }
}

/// The length that the headers announce. `None` if there is no such header. `Err` if the header is not a length.
fn announced_length(headers: &HeaderMap) -> Result<Option<u64>, ()> {
    let mut values = headers.get_all(header::CONTENT_LENGTH).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    match parse_content_length(value.as_bytes()) {
        Some(length) if values.next().is_none() => Ok(Some(length)),
        _ => Err(()),
    }
}

/// Whether responses with this status have no content, whatever their headers say (RFC 9110, 15.3.5 and 15.4.5).
pub(crate) fn is_without_content(status: StatusCode) -> bool {
    matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

/// Creates the body of a request or response with this announced length, and stores the reader's side in `slot`.
/// `None` if it has a body already, or if the announced length is invalid.
fn begin_body(
    context: StreamContext,
    announced: Result<Option<u64>, ()>,
    slot: &mut Option<HyperOutgoingBody>,
) -> Option<OutgoingBody> {
    let announced = announced.ok().filter(|_| slot.is_none())?;
    let (writing, reader) = OutgoingBody::new_pair(context, announced);
    *slot = Some(reader);
    Some(writing)
}

/// The body that the guest receives, or an error.
type BodyHandle = (Result<Resource<OutgoingBody>, ()>,);

fn push_body(view: HttpView<'_>, writing: Option<OutgoingBody>) -> wasmtime::Result<BodyHandle> {
    let table = view.table;
    let body = writing.map(|writing| table.push(writing)).transpose()?;
    Ok((body.ok_or(()),))
}

/// Replaces the engine's bodies.
pub(crate) fn add_to_linker<T: 'static>(
    linker: &mut Linker<T>,
    view: GetHttpView<T>,
) -> wasmtime::Result<()> {
    let mut types = linker.instance(HTTP_TYPES)?;
    types.resource(
        "outgoing-body",
        ResourceType::host::<OutgoingBody>(),
        move |mut store, rep| {
            let table = view(store.data_mut()).table;
            let body = table.delete(Resource::<OutgoingBody>::new_own(rep))?;
            body.check_stream_dropped().map(drop)
        },
    )?;
    types.func_wrap(
        "[method]outgoing-response.body",
        move |mut store: StoreContextMut<'_, T>, (of,): (Resource<HostOutgoingResponse>,)| {
            let guest = view(store.data_mut());
            let of = guest.table.get_mut(&of)?;
            let announced = match guest.state.head_only || is_without_content(of.status) {
                true => Ok(None),
                false => announced_length(&of.headers),
            };
            let writing = begin_body(StreamContext::Response, announced, &mut of.body);
            push_body(view(store.data_mut()), writing)
        },
    )?;
    types.func_wrap(
        "[method]outgoing-request.body",
        move |mut store: StoreContextMut<'_, T>, (of,): (Resource<HostOutgoingRequest>,)| {
            let of = view(store.data_mut()).table.get_mut(&of)?;
            let announced = announced_length(&of.headers);
            let writing = begin_body(StreamContext::Request, announced, &mut of.body);
            push_body(view(store.data_mut()), writing)
        },
    )?;
    types.func_wrap(
        "[method]outgoing-body.write",
        move |mut store: StoreContextMut<'_, T>, (body,): (Resource<OutgoingBody>,)| {
            let table = view(store.data_mut()).table;
            let Some(stream) = table.get_mut(&body)?.take_stream() else {
                return Ok((Err(()),));
            };
            let stream: DynOutputStream = Box::new(stream);
            Ok((Ok(table.push(stream)?),))
        },
    )?;
    types.func_wrap(
        "[static]outgoing-body.finish",
        move |mut store: StoreContextMut<'_, T>,
              (body, trailers): (Resource<OutgoingBody>, Option<Resource<FieldMap>>)| {
            let guest = view(store.data_mut());
            let body = guest.table.delete(body)?.check_stream_dropped()?;
            let trailers = trailers
                .map(|trailers| guest.table.delete(trailers))
                .transpose()?;
            // This also covers a status that was set after the body was created.
            let any_length =
                matches!(body.context, StreamContext::Response) && guest.state.without_content;
            Ok((body.finish(trailers, any_length),))
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(announced: Option<u64>) -> (OutgoingBody, BodyStream, HyperOutgoingBody) {
        let (mut writing, body) = OutgoingBody::new_pair(StreamContext::Response, announced);
        let stream = writing.take_stream().expect("the first is there");
        assert!(writing.take_stream().is_none(), "and there is no second");
        (writing, stream, body)
    }

    /// The next thing that the reader gets: a chunk as text, or a description.
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

    fn is_ready(stream: &mut BodyStream) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        stream.ready().as_mut().poll(&mut cx).is_ready()
    }

    #[test]
    fn written_chunks_are_read_and_finish_ends_the_body() {
        let (writing, mut stream, mut body) = open(None);
        assert_eq!(read(&mut body), "nothing yet");
        stream.write_chunk("a".into()).expect("room");
        stream.write_chunk("b".into()).expect("room");
        drop(stream);
        assert_eq!([read(&mut body), read(&mut body)], ["a", "b"]);
        assert_eq!(read(&mut body), "nothing yet");
        let writing = writing.check_stream_dropped().expect("it was dropped");
        writing.finish(None, false).expect("any length");
        assert_eq!([read(&mut body), read(&mut body)], ["end", "end"]);
    }

    #[test]
    fn two_chunks_are_buffered_and_a_third_write_traps() {
        let (_writing, mut stream, mut body) = open(None);
        for part in ["a", "b"] {
            assert!(is_ready(&mut stream));
            assert_eq!(stream.check_write().expect("open"), STREAM_CHUNK_BYTES_MAX);
            stream.write_chunk(part.into()).expect("room");
        }
        assert!(!is_ready(&mut stream));
        assert_eq!(stream.check_write().expect("open"), 0);
        let excess = stream.write_chunk("c".into());
        assert!(matches!(excess, Err(StreamError::Trap(_))), "{excess:?}");
        assert_eq!(read(&mut body), "a");
        assert!(is_ready(&mut stream));
        let long = vec![b'x'; STREAM_CHUNK_BYTES_MAX + 1].into();
        let excess = stream.write_chunk(long);
        assert!(matches!(excess, Err(StreamError::Trap(_))), "{excess:?}");
    }

    #[test]
    fn body_must_have_its_announced_length() {
        let (writing, mut stream, mut body) = open(Some(3));
        stream.write_chunk("ab".into()).expect("room");
        let short = writing.finish(None, false);
        assert!(
            matches!(short, Err(ErrorCode::HttpResponseBodySize(Some(2)))),
            "{short:?}"
        );
        assert_eq!(read(&mut body), "ab");
        assert_eq!(read(&mut body), "HttpResponseBodySize(Some(2))");

        let (writing, mut stream, _body) = open(Some(1));
        let long = stream.write_chunk("ab".into());
        assert!(
            matches!(long, Err(StreamError::LastOperationFailed(_))),
            "{long:?}"
        );
        assert!(writing.finish(None, false).is_err());

        let (writing, mut stream, mut body) = open(Some(1));
        stream.write_chunk("a".into()).expect("room");
        writing.finish(None, false).expect("as announced");
        assert_eq!([read(&mut body), read(&mut body)], ["a", "end"]);
    }

    #[test]
    fn a_discarded_body_may_have_any_length() {
        let (writing, mut stream, mut body) = open(Some(3));
        stream.write_chunk("ab".into()).expect("room");
        writing.finish(None, true).expect("any length");
        assert_eq!([read(&mut body), read(&mut body)], ["ab", "end"]);
    }

    #[test]
    fn a_body_cannot_be_finished_before_its_stream_is_dropped() {
        let (writing, stream, mut body) = open(None);
        let error = writing
            .check_stream_dropped()
            .err()
            .expect("the stream is there");
        assert_eq!(error.to_string(), "the body's stream is not dropped yet");
        drop(stream);
        assert_eq!(read(&mut body), "HttpProtocolError");
    }

    #[test]
    fn a_body_dropped_without_finish_is_an_error_for_the_reader() {
        let (writing, mut stream, mut body) = open(None);
        stream.write_chunk("a".into()).expect("room");
        drop((stream, writing));
        assert_eq!(read(&mut body), "a");
        assert_eq!(read(&mut body), "HttpProtocolError");
    }

    #[test]
    fn a_stream_without_a_reader_is_closed() {
        let (writing, mut stream, body) = open(None);
        stream.write_chunk("a".into()).expect("room");
        stream.write_chunk("b".into()).expect("room");
        drop(body);
        assert!(is_ready(&mut stream));
        assert!(matches!(stream.check_write(), Err(StreamError::Closed)));
        assert!(matches!(stream.flush(), Err(StreamError::Closed)));
        assert!(matches!(
            stream.write_chunk("c".into()),
            Err(StreamError::Closed)
        ));
        writing
            .finish(None, false)
            .expect("it may end all the same");
    }

    #[test]
    fn contradicting_content_lengths_are_refused() {
        let of = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                let value = value.parse().expect("a value");
                headers.append(header::CONTENT_LENGTH, value);
            }
            announced_length(&headers)
        };
        assert_eq!(of(&[]), Ok(None));
        assert_eq!(of(&["7"]), Ok(Some(7)));
        for bad in [&["1", "1"][..], &["+1"], &[""]] {
            assert_eq!(of(bad), Err(()), "{bad:?}");
        }
    }
}
