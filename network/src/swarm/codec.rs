//! Questions and answers on streams. The header is judged before the body is read.

use std::io;
use std::time::Duration;

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::StreamProtocol;
use libp2p::request_response;

use crate::wire::{HEADER_BYTES, Message, Request, Response, WireError};

/// Protocol of questions and answers. The number grows when an older program could not follow.
pub const REQUEST_PROTOCOL: StreamProtocol = StreamProtocol::new("/infernet/request/1");

/// A message that came, or the bytes of one that goes. Encoding happens before the swarm hears of a message, so that one
/// which can't be sent is its sender's error and never a broken stream.
#[derive(Debug)]
pub(super) enum Carried<M> {
    /// Read.
    Message(M),
    /// To be written.
    Encoded(Vec<u8>),
    /// Came, and is no message. An error of the stream would be lost inside libp2p, and with it who sent this.
    Unreadable(Unreadable),
}

/// Why a question can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error("the question did not come within {0:?}")]
    Stalled(Duration),
}

#[derive(Clone)]
pub(super) struct Codec {
    /// How long a question may take to come.
    pub(super) patience: Duration,
}

impl request_response::Codec for Codec {
    type Protocol = StreamProtocol;
    type Request = Carried<Request>;
    type Response = Carried<Response>;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Self::Request>
    where
        T: AsyncRead + Unpin + Send,
    {
        match tokio::time::timeout(self.patience, read(io)).await {
            Err(_) => Ok(Carried::Unreadable(Unreadable::Stalled(self.patience))),
            Ok(Err(error)) => match WireError::of(&error) {
                Some(error) => Ok(Carried::Unreadable(error.clone().into())),
                None => Err(error),
            },
            Ok(Ok(request)) => Ok(Carried::Message(request)),
        }
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Self::Response>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(io).await.map(Carried::Message)
    }

    async fn write_request<T>(&mut self, _: &StreamProtocol, io: &mut T, request: Self::Request) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, request).await
    }

    async fn write_response<T>(&mut self, _: &StreamProtocol, io: &mut T, response: Self::Response) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, response).await
    }
}

async fn read<M: Message>(io: &mut (impl AsyncRead + Unpin + Send)) -> io::Result<M> {
    let mut header = [0; HEADER_BYTES];
    // A stream that ends before a message is a peer that has gone, or that does not answer.
    let mut filled = io.read(&mut header).await?;
    if filled == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    while filled < HEADER_BYTES {
        match io.read(&mut header[filled..]).await? {
            0 => {
                return Err(
                    WireError::Truncated { what: M::WHAT, needed: HEADER_BYTES as u64, found: filled as u64 }.into()
                );
            }
            more => filled += more,
        }
    }
    let header = M::header(&header)?;
    let needed = HEADER_BYTES as u64 + u64::from(header.body_bytes);
    // The body is held as it comes, so that an announced length costs nothing.
    let mut body = Vec::new();
    io.take(u64::from(header.body_bytes)).read_to_end(&mut body).await?;
    if body.len() as u64 != u64::from(header.body_bytes) {
        let found = (HEADER_BYTES + body.len()) as u64;
        return Err(WireError::Truncated { what: M::WHAT, needed, found }.into());
    }
    Ok(M::from_body(header.kind, &body)?)
}

async fn write<M: Message>(io: &mut (impl AsyncWrite + Unpin + Send), carried: Carried<M>) -> io::Result<()> {
    let bytes = match carried {
        Carried::Encoded(bytes) => bytes,
        Carried::Message(message) => message.to_bytes()?,
        // Nobody sends what can't be read.
        Carried::Unreadable(_) => return Err(io::ErrorKind::InvalidInput.into()),
    };
    io.write_all(&bytes).await
}
