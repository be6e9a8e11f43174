//! One connection of a gRPC server.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use h2::server::{Builder, Connection as Http2, Handshake, SendResponse};
use h2::{Reason, RecvStream, SendStream};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};

use super::control::{Frames, Pings};
use super::message::{Assembly, Found, Message};
use super::pipe::Pipe;

const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;
const HEADERS_LIMIT: u32 = 16 << 10;
const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const OK: (HeaderName, HeaderValue) = (HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"));

/// What a client does.
#[derive(Debug)]
pub enum Event {
    /// It began a call.
    Opened(u32, Box<Request<()>>),
    /// So many more bytes are kept of a message that is not whole.
    Part(u32, usize),
    /// It sent a message.
    Message(u32, Message),
    /// It sent the length of a message that is larger than allowed.
    TooLarge(u32, usize),
    /// It sent all it had to send; `true` if that ended within a message.
    Ended(u32, bool),
    /// It gave up the call, or broke it.
    Gone(u32),
    /// It sent pings, or answered ours.
    Pings(Pings),
}

/// The bounds of one connection.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Bytes of a message.
    pub message: usize,
    /// Calls under way.
    pub streams: u32,
}

/// A connection from its first byte on. It is over once `is_closed`, and what is to be written then ends it.
pub struct Connection {
    pipe: Pipe,
    frames: Frames,
    state: State,
    streams: HashMap<u32, Stream>,
    woken: Arc<Woken>,
    events: Vec<Event>,
    limit: usize,
    last: u32,
}

enum State {
    Greeting(Pin<Box<Handshake<Pipe, Bytes>>>),
    Open(Box<Http2<Pipe, Bytes>>),
    Closed,
}

struct Stream {
    input: RecvStream,
    output: Output,
    waker: Waker,
    message: Assembly,
    told: usize,
    ended: bool,
}

enum Output {
    Idle(SendResponse<Bytes>),
    Started(SendStream<Bytes>),
}

/// The streams that `h2` has something to say about.
#[derive(Default)]
struct Woken(Mutex<Vec<u32>>);

impl Woken {
    fn add(&self, stream: u32) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(stream);
    }

    fn take(&self) -> Vec<u32> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

struct Alarm(u32, Arc<Woken>);

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.1.add(self.0);
    }
}

impl Connection {
    /// Begins; the first thing to write is there at once.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        let pipe = Pipe::default();
        // `h2` would end a connection over what was on its way to calls that were refused, which it counts for as long
        // as the connection lives. Neither is kept here: a call that breaks is gone at once, frames are read at once.
        let cancelled_at_once = 2 * bounds.streams.max(100) as usize;
        let greeting = Builder::new()
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(HEADERS_LIMIT)
            .max_concurrent_streams(bounds.streams)
            .max_pending_accept_reset_streams(cancelled_at_once)
            .max_local_error_reset_streams(None)
            .data_frame_budget(usize::MAX)
            .handshake(pipe.clone());
        let mut connection = Self {
            pipe,
            frames: Frames::default(),
            state: State::Greeting(Box::pin(greeting)),
            streams: HashMap::new(),
            woken: Arc::default(),
            events: Vec::new(),
            limit: bounds.message,
            last: 0,
        };
        connection.advance();
        connection
    }

    /// Whether nothing can come any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// The highest number of a call that was opened.
    #[must_use]
    pub fn last(&self) -> u32 {
        self.last
    }

    /// Reads bytes of the client and returns what it does with them.
    pub fn receive(&mut self, data: Bytes) -> Vec<Event> {
        if self.is_closed() {
            return Vec::new();
        }
        let pings = self.frames.pass(&data);
        self.pipe.feed(data);
        self.advance();
        self.pipe.clear();
        if pings != Pings::default() {
            self.events.push(Event::Pings(pings));
        }
        std::mem::take(&mut self.events)
    }

    /// Returns what is to be written to the client.
    pub fn flush(&mut self) -> Vec<u8> {
        self.advance();
        self.pipe.take()
    }

    /// Sends a message, and with the `last` one ends the call well.
    pub fn reply(&mut self, stream: u32, message: &[u8], last: bool) {
        let mut frame = Vec::with_capacity(message.len() + 5);
        frame.push(0);
        frame.extend_from_slice(&u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes());
        frame.extend_from_slice(message);
        self.answer(stream, |open| open.start()?.send_data(frame.into(), false));
        if last {
            self.end(stream, |open| open.start()?.send_trailers(HeaderMap::from_iter([OK])));
        }
    }

    /// Ends a call with `trailers`, which hold its status.
    pub fn finish(&mut self, stream: u32, trailers: HeaderMap) {
        self.end(stream, |open| match &mut open.output {
            Output::Idle(idle) => {
                let mut response = Response::new(());
                *response.headers_mut() = trailers;
                response.headers_mut().insert(CONTENT_TYPE, GRPC);
                idle.send_response(response, true).map(drop)
            }
            Output::Started(started) => started.send_trailers(trailers),
        });
    }

    /// Answers a request that is none of gRPC.
    pub fn reject(&mut self, stream: u32, status: StatusCode) {
        self.end(stream, |open| {
            let mut response = Response::new(());
            *response.status_mut() = status;
            match &mut open.output {
                Output::Idle(idle) => idle.send_response(response, true).map(drop),
                Output::Started(_) => Ok(()),
            }
        });
    }

    /// Breaks a call.
    pub fn reset(&mut self, stream: u32, reason: Reason) {
        self.end(stream, |open| {
            match &mut open.output {
                Output::Idle(idle) => idle.send_reset(reason),
                Output::Started(started) => started.send_reset(reason),
            }
            Ok(())
        });
    }

    /// A call whose client broke it meanwhile cannot be answered; that it is gone is told where it is noticed.
    fn answer(&mut self, stream: u32, send: impl FnOnce(&mut Stream) -> Result<(), h2::Error>) {
        if let Some(open) = self.streams.get_mut(&stream) {
            drop(send(open));
        }
    }

    fn end(&mut self, stream: u32, send: impl FnOnce(&mut Stream) -> Result<(), h2::Error>) {
        self.answer(stream, send);
        self.streams.remove(&stream);
    }

    /// Lets `h2` do what it can with what has been read, then each call that has news, until nothing is left.
    fn advance(&mut self) {
        loop {
            self.accept();
            let woken = self.woken.take();
            if woken.is_empty() {
                return;
            }
            for stream in woken {
                self.read(stream);
            }
        }
    }

    fn accept(&mut self) {
        let mut context = Context::from_waker(Waker::noop());
        if let State::Greeting(greeting) = &mut self.state {
            match greeting.as_mut().poll(&mut context) {
                Poll::Pending => return,
                Poll::Ready(Ok(connection)) => self.state = State::Open(Box::new(connection)),
                Poll::Ready(Err(_)) => self.close(),
            }
        }
        while let State::Open(connection) = &mut self.state {
            match connection.poll_accept(&mut context) {
                Poll::Pending => return,
                Poll::Ready(Some(Ok((request, response)))) => self.open(request, response),
                Poll::Ready(_) => self.close(),
            }
        }
    }

    /// Nothing is told of calls any more: they end with their connection.
    fn close(&mut self) {
        self.state = State::Closed;
        self.streams.clear();
    }

    fn open(&mut self, request: Request<RecvStream>, response: SendResponse<Bytes>) {
        let stream = response.stream_id().as_u32();
        let (head, input) = request.into_parts();
        let opened = Stream {
            input,
            output: Output::Idle(response),
            waker: Arc::new(Alarm(stream, Arc::clone(&self.woken))).into(),
            message: Assembly::new(self.limit),
            told: 0,
            ended: false,
        };
        self.last = self.last.max(stream);
        self.streams.insert(stream, opened);
        self.events.push(Event::Opened(stream, Box::new(Request::from_parts(head, ()))));
        self.woken.add(stream);
    }

    fn read(&mut self, stream: u32) {
        let Some(open) = self.streams.get_mut(&stream) else { return };
        if open.read(stream, &mut self.events).is_err() {
            self.streams.remove(&stream);
            self.events.push(Event::Gone(stream));
        }
    }
}

impl Stream {
    /// Reads what there is. An error says that the client has broken the call.
    fn read(&mut self, stream: u32, events: &mut Vec<Event>) -> Result<(), h2::Error> {
        let mut context = Context::from_waker(&self.waker);
        while !self.ended {
            match self.input.poll_data(&mut context) {
                Poll::Pending => break,
                Poll::Ready(Some(data)) => {
                    let data = data?;
                    self.input.flow_control().release_capacity(data.len())?;
                    self.message.push(data, |found| {
                        events.push(match found {
                            Found::Message(message) => Event::Message(stream, message),
                            Found::TooLarge(size) => Event::TooLarge(stream, size),
                        });
                        self.told = 0;
                    });
                }
                Poll::Ready(None) => {
                    self.ended = true;
                    events.push(Event::Ended(stream, self.message.is_torn()));
                }
            }
        }
        if self.message.held() > self.told && !self.ended {
            events.push(Event::Part(stream, self.message.held() - self.told));
            self.told = self.message.held();
        }
        let reset = match &mut self.output {
            Output::Idle(idle) => idle.poll_reset(&mut context),
            Output::Started(started) => started.poll_reset(&mut context),
        };
        match reset {
            Poll::Ready(reset) => Err(reset.map_or_else(|error| error, Into::into)),
            Poll::Pending => Ok(()),
        }
    }

    fn start(&mut self) -> Result<&mut SendStream<Bytes>, h2::Error> {
        if let Output::Idle(idle) = &mut self.output {
            let mut response = Response::new(());
            response.headers_mut().insert(CONTENT_TYPE, GRPC);
            self.output = Output::Started(idle.send_response(response, false)?);
        }
        match &mut self.output {
            Output::Started(started) => Ok(started),
            Output::Idle(_) => Err(Reason::INTERNAL_ERROR.into()),
        }
    }
}
