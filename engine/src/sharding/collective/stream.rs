//! Members that are processes or machines, over one byte stream between each two of them.
//!
//! Each stream has a thread that reads and one that writes, so that streams without timeouts of their own still give
//! deadlines: a call waits for the queue, never for the stream.

use std::collections::VecDeque;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::inbox::Inbox;
use super::wire::{Hello, Kind, one_line, read_frame, write_frame};
use super::{Bound, Channel, Collective, Result, TrafficCounters};
use crate::sharding::error::CollectiveError;

/// How long leaving a group waits for what is still to be sent.
const LINGER: Duration = Duration::from_secs(5);
/// Bytes gathered before they are written.
const BUFFER_BYTES: usize = 256 << 10;

/// A byte stream in both directions.
pub struct Duplex {
    reader: Box<dyn Read + Send>,
    writer: Box<dyn Write + Send>,
    /// Ends writing, after everything has been written.
    finish: Box<dyn FnOnce() + Send>,
}

impl Duplex {
    /// From its halves; `finish` is called when nothing more will be written, and should make the other end's reads end.
    pub fn new(
        reader: impl Read + Send + 'static,
        writer: impl Write + Send + 'static,
        finish: impl FnOnce() + Send + 'static,
    ) -> Self {
        Self { reader: Box::new(reader), writer: Box::new(writer), finish: Box::new(finish) }
    }

    /// A TCP connection.
    ///
    /// # Errors
    /// The connection can't be set up.
    pub fn tcp(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(None)?;
        let (reader, closer) = (stream.try_clone()?, stream.try_clone()?);
        // It may already be gone, which is what is wanted.
        Ok(Self::new(reader, stream, move || drop(closer.shutdown(std::net::Shutdown::Write))))
    }
}

/// Bounds of a [`StreamCollective`], and the group it is for.
#[derive(Clone, Copy, Debug)]
pub struct StreamOptions {
    /// Name of the group; a stream whose other end says another is refused.
    pub group: [u8; 32],
    /// Largest message, in bytes.
    pub max_message_bytes: usize,
    /// Bytes of one member that may wait to be taken or sent; one message alone always may.
    pub max_waiting_bytes: usize,
}

impl Default for StreamOptions {
    fn default() -> Self {
        Self { group: [0; 32], max_message_bytes: 1 << 30, max_waiting_bytes: 512 << 20 }
    }
}

/// What is to be written to one member.
#[derive(Default)]
struct Outbox {
    queue: Mutex<Outgoing>,
    changed: Condvar,
}

#[derive(Default)]
struct Outgoing {
    frames: VecDeque<(Kind, Channel, Vec<u8>)>,
    bytes: usize,
    /// Being written now.
    busy: bool,
    closed: bool,
    /// The stream has ended.
    broken: bool,
}

impl Outbox {
    fn lock(&self) -> MutexGuard<'_, Outgoing> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `false` where there was no room in time.
    fn push(&self, kind: Kind, channel: Channel, payload: Vec<u8>, most: usize, until: Instant) -> bool {
        let mut queue = self.lock();
        while !queue.frames.is_empty() && queue.bytes + payload.len() > most && !queue.broken {
            let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) else {
                return false;
            };
            queue = self.changed.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        queue.bytes += payload.len();
        queue.frames.push_back((kind, channel, payload));
        drop(queue);
        self.changed.notify_all();
        true
    }

    /// The next frame; `None` when there will be no more.
    fn pop(&self) -> Option<(Kind, Channel, Vec<u8>)> {
        let mut queue = self.lock();
        queue.busy = false;
        self.changed.notify_all();
        loop {
            if let Some(frame) = queue.frames.pop_front() {
                queue.bytes -= frame.2.len();
                queue.busy = true;
                drop(queue);
                self.changed.notify_all();
                return Some(frame);
            }
            if queue.closed {
                return None;
            }
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn broken(&self) {
        let mut queue = self.lock();
        queue.broken = true;
        queue.busy = false;
        queue.frames.clear();
        queue.bytes = 0;
        drop(queue);
        self.changed.notify_all();
    }

    fn close_and_wait(&self, until: Instant) {
        let mut queue = self.lock();
        queue.closed = true;
        self.changed.notify_all();
        while (queue.busy || !queue.frames.is_empty()) && !queue.broken {
            let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) else {
                return;
            };
            queue = self.changed.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// One member of a group connected by byte streams.
pub struct StreamCollective {
    rank: usize,
    options: StreamOptions,
    inbox: Arc<Inbox>,
    /// By rank; none for this member.
    outboxes: Vec<Option<Arc<Outbox>>>,
    counters: TrafficCounters,
}

impl StreamCollective {
    /// A member of a group of `world`, with a stream to each other member. Both ends say hello first; a stream whose other end
    /// is not the expected member of the same group ends with an error for who waits for it.
    ///
    /// # Errors
    /// A stream is missing or there are two for a member, or a thread can't be started.
    pub fn new(rank: usize, world: usize, streams: Vec<(usize, Duplex)>, options: StreamOptions) -> io::Result<Self> {
        let invalid = |reason: String| io::Error::new(io::ErrorKind::InvalidInput, reason);
        let number = |n: usize| u16::try_from(n).map_err(|_| invalid(format!("{n} members are too many")));
        let hello = Hello { group: options.group, rank: number(rank)?, world: number(world)? };
        let inbox = Arc::new(Inbox::new(world, options.max_waiting_bytes));
        let mut outboxes: Vec<Option<Arc<Outbox>>> = (0..world).map(|_| None).collect();
        for (peer, stream) in streams {
            if peer == rank || outboxes.get(peer).is_none_or(Option::is_some) {
                return Err(invalid(format!("a stream to member {peer} is one too many")));
            }
            let outbox = Arc::new(Outbox::default());
            outboxes[peer] = Some(Arc::clone(&outbox));
            let Duplex { reader, writer, finish } = stream;
            let expected = Hello { rank: number(peer)?, ..hello };
            let (to, max_bytes, out) = (Arc::clone(&inbox), options.max_message_bytes, Arc::clone(&outbox));
            spawn(format!("infernet-shard-read-{peer}"), move || {
                let ended = read_all(reader, peer, expected, max_bytes, &to);
                to.end(peer, ended);
                // Whoever waits for room to write learns it too.
                out.broken();
            })?;
            let from = Arc::clone(&inbox);
            spawn(format!("infernet-shard-write-{peer}"), move || {
                if let Err(error) = write_all(writer, hello, &outbox) {
                    from.end(peer, CollectiveError::Gone { peer, reason: one_line(&error.to_string()) });
                    outbox.broken();
                }
                finish();
            })?;
        }
        if let Some(missing) = (0..world).find(|&peer| peer != rank && outboxes[peer].is_none()) {
            return Err(invalid(format!("there is no stream to member {missing}")));
        }
        Ok(Self { rank, options, inbox, outboxes, counters: TrafficCounters::default() })
    }

    fn outbox(&self, peer: usize) -> Result<&Outbox> {
        let world = self.outboxes.len();
        self.outboxes.get(peer).and_then(Option::as_deref).ok_or(CollectiveError::NoMember { peer, world })
    }
}

fn spawn(name: String, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().name(name).spawn(run).map(drop)
}

/// Reads until the stream ends, and says why it did.
fn read_all(stream: impl Read, peer: usize, expected: Hello, max_bytes: usize, to: &Inbox) -> CollectiveError {
    let ended = |error: io::Error| match error.kind() {
        io::ErrorKind::InvalidData => CollectiveError::Unexpected { peer, reason: one_line(&error.to_string()) },
        io::ErrorKind::UnexpectedEof => {
            CollectiveError::Gone { peer, reason: "the connection ended without a word".to_owned() }
        }
        _ => CollectiveError::Gone { peer, reason: one_line(&error.to_string()) },
    };
    let mut stream = BufReader::with_capacity(BUFFER_BYTES, stream);
    match Hello::read(&mut stream) {
        Ok(hello) if hello == expected => {}
        Ok(hello) => {
            let reason = if hello.group == expected.group {
                format!(
                    "it says it is member {} of {}, expected member {peer} of {}",
                    hello.rank, hello.world, expected.world
                )
            } else {
                "it belongs to another group".to_owned()
            };
            return CollectiveError::Unexpected { peer, reason };
        }
        Err(error) => return ended(error),
    }
    for sequence in 0.. {
        match read_frame(&mut stream, sequence, max_bytes) {
            Ok(frame) => match frame.kind {
                // Waits while the queue is full: the stream's own flow control then holds the sender back.
                Kind::Data => drop(to.push(peer, frame.channel, frame.payload, None)),
                Kind::Abort => {
                    let reason = one_line(&String::from_utf8_lossy(&frame.payload));
                    return CollectiveError::Aborted { peer, reason };
                }
                Kind::Bye => return CollectiveError::Gone { peer, reason: "it has left the group".to_owned() },
            },
            Err(error) => return ended(error),
        }
    }
    CollectiveError::Gone { peer, reason: "the connection has carried all the frames it can".to_owned() }
}

fn write_all(stream: impl Write, hello: Hello, outbox: &Outbox) -> io::Result<()> {
    let mut stream = BufWriter::with_capacity(BUFFER_BYTES, stream);
    hello.write(&mut stream)?;
    stream.flush()?;
    let mut sequence = 0;
    while let Some((kind, channel, payload)) = outbox.pop() {
        write_frame(&mut stream, kind, channel, sequence, &payload)?;
        sequence += 1;
    }
    write_frame(&mut stream, Kind::Bye, Channel::CONTROL, sequence, &[])
}

impl Collective for StreamCollective {
    fn rank(&self) -> usize {
        self.rank
    }

    fn world(&self) -> usize {
        self.outboxes.len()
    }

    fn post(&self, to: usize, channel: Channel, message: Vec<u8>, until: Instant) -> Result<()> {
        let outbox = self.outbox(to)?;
        let (bytes, limit) = (message.len(), self.options.max_message_bytes);
        if bytes > limit {
            return Err(CollectiveError::TooLarge { peer: self.rank, bytes: bytes as u64, limit: limit as u64 });
        }
        if let Some(ended) = self.inbox.ended(to) {
            return Err(ended);
        }
        let start = Instant::now();
        if !outbox.push(Kind::Data, channel, message, self.options.max_waiting_bytes, until) {
            return Err(CollectiveError::Deadline { peer: to, waited: start.elapsed(), what: "room for a message" });
        }
        self.counters.sent(bytes);
        Ok(())
    }

    fn take(&self, from: usize, channel: Channel, bound: Bound) -> Result<Vec<u8>> {
        let message = self.inbox.pop(from, channel, bound)?;
        self.counters.received(message.len());
        Ok(message)
    }

    fn abort(&self, reason: &str) {
        let until = Instant::now() + LINGER;
        for outbox in self.outboxes.iter().flatten() {
            let words = one_line(reason).into_bytes();
            outbox.push(Kind::Abort, Channel::CONTROL, words, usize::MAX, until);
        }
    }

    fn counters(&self) -> &TrafficCounters {
        &self.counters
    }
}

impl Drop for StreamCollective {
    fn drop(&mut self) {
        let until = Instant::now() + LINGER;
        for outbox in self.outboxes.iter().flatten() {
            outbox.close_and_wait(until);
        }
        // Readers that wait for room in the queue find that nobody will make any.
        for peer in 0..self.outboxes.len() {
            self.inbox.end(peer, CollectiveError::Gone { peer, reason: "this member has left the group".to_owned() });
        }
    }
}
