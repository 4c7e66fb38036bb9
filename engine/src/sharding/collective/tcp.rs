//! A group over TCP: every member listens, and connects to those before it.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::{Duplex, StreamCollective, StreamOptions};

/// How long to wait before trying again to reach a member that does not listen yet.
const RETRY: Duration = Duration::from_millis(50);
/// How long someone who connects may take to say which member it is.
const PREFACE: Duration = Duration::from_secs(5);

impl StreamCollective {
    /// Connects member `rank` to all others: to those before it at their addresses, and to those after it as they come to `listener`.
    /// Nothing here is encrypted: for one computer, or a network that everybody in it trusts.
    ///
    /// # Errors
    /// Somebody is not there by the deadline, or a stream can't be set up.
    pub fn over_tcp(
        rank: usize,
        listener: &TcpListener,
        addresses: &[SocketAddr],
        options: StreamOptions,
        until: Instant,
    ) -> io::Result<Self> {
        let world = addresses.len();
        let mut streams = Vec::new();
        for (peer, address) in addresses.iter().enumerate().take(rank) {
            let mut stream = loop {
                match TcpStream::connect_timeout(address, left(until)?) {
                    Ok(stream) => break stream,
                    Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::thread::sleep(RETRY),
                    Err(error) => return Err(error),
                }
            };
            stream.write_all(&(rank as u16).to_le_bytes())?;
            streams.push((peer, Duplex::tcp(stream)?));
        }
        listener.set_nonblocking(true)?;
        while streams.len() + 1 < world {
            let mut stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    left(until)?;
                    std::thread::sleep(RETRY);
                    continue;
                }
                Err(error) => return Err(error),
            };
            stream.set_nonblocking(false)?;
            stream.set_read_timeout(Some(PREFACE))?;
            let mut number = [0; 2];
            let peer = stream.read_exact(&mut number).map(|()| usize::from(u16::from_le_bytes(number)));
            // Whoever else comes to the port is turned away; members prove who they are with the group's name afterwards.
            match peer {
                Ok(peer) if peer > rank && peer < world && streams.iter().all(|(known, _)| *known != peer) => {
                    streams.push((peer, Duplex::tcp(stream)?));
                }
                _ => drop(stream),
            }
        }
        Self::new(rank, world, streams, options)
    }
}

fn left(until: Instant) -> io::Result<Duration> {
    until
        .checked_duration_since(Instant::now())
        .filter(|left| !left.is_zero())
        .ok_or_else(|| io::Error::new(io::ErrorKind::TimedOut, "not all members of the group came in time"))
}
