#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::*;
use crate::sharding::error::CollectiveError;

const LONG: Duration = Duration::from_secs(20);

fn bound() -> Bound {
    Bound::new(LONG, 1 << 24)
}

/// A group over TCP on this computer.
fn tcp_group(world: usize, options: StreamOptions) -> Vec<StreamCollective> {
    let mut streams: Vec<Vec<(usize, Duplex)>> = (0..world).map(|_| Vec::new()).collect();
    for a in 0..world {
        for b in a + 1..world {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let one = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (other, _) = listener.accept().unwrap();
            streams[a].push((b, Duplex::tcp(one).unwrap()));
            streams[b].push((a, Duplex::tcp(other).unwrap()));
        }
    }
    let member = |(rank, streams)| StreamCollective::new(rank, world, streams, options).unwrap();
    streams.into_iter().enumerate().map(member).collect()
}

/// Runs every member in a thread of its own.
fn everyone<C: Collective>(group: &[C], run: impl Fn(&C) + Sync) {
    thread::scope(|scope| {
        for member in group {
            let run = &run;
            scope.spawn(move || run(member));
        }
    });
}

fn operations<C: Collective>(group: &[C]) {
    let world = group.len();
    let all: Vec<usize> = (0..world).collect();
    everyone(group, |member| {
        let rank = member.rank();
        for round in 0..3_u8 {
            let parts =
                (0..world).map(|to| vec![rank as u8 * 16 + to as u8; 70_000 * usize::from(round) + to]).collect();
            let got = member.all_to_all(&all, Channel::ACTIVATIONS, parts, bound()).unwrap();
            for (from, part) in got.iter().enumerate() {
                assert_eq!(*part, vec![from as u8 * 16 + rank as u8; 70_000 * usize::from(round) + rank]);
            }
            let got = member.all_gather(&all, Channel::CONTROL, vec![rank as u8; rank], bound()).unwrap();
            assert!(got.iter().enumerate().all(|(from, part)| *part == vec![from as u8; from]));
            let got = member.broadcast(&all, 1, Channel::CONTROL, vec![rank as u8; 5], bound()).unwrap();
            assert_eq!(got, [1; 5]);
            member.barrier(&all, Channel::CONTROL, bound().until).unwrap();
        }
        // A part of the group, on another channel, while the others do something else.
        if rank != 1 {
            let some: Vec<usize> = all.iter().copied().filter(|&member| member != 1).collect();
            let got = member.all_gather(&some, Channel::WEIGHTS, vec![rank as u8], bound()).unwrap();
            assert_eq!(got.concat(), some.iter().map(|&rank| rank as u8).collect::<Vec<_>>());
        }
        let next = (rank + 1) % world;
        member.send(next, Channel::ACTIVATIONS, vec![7, rank as u8], bound().until).unwrap();
        let previous = (rank + world - 1) % world;
        assert_eq!(member.recv(previous, Channel::ACTIVATIONS, bound()).unwrap(), [7, previous as u8]);
    });
    // What one sent another received, and nothing else.
    let totals = group.iter().map(|member| member.counters().now()).collect::<Vec<_>>();
    let sum = |get: fn(&Traffic) -> u64| totals.iter().map(get).sum::<u64>();
    assert_eq!(sum(|t| t.bytes_sent), sum(|t| t.bytes_received));
    assert!(totals.iter().all(|traffic| traffic.rounds >= 13 && traffic.bytes_sent > 0));
}

#[test]
fn threads_exchange() {
    operations(&local_group(4));
}

#[test]
fn streams_exchange() {
    operations(&tcp_group(4, StreamOptions::default()));
}

#[test]
fn slow_links_exchange_the_same() {
    let link = Link { bits_per_second: 1e9, rtt_ms: 1.0, jitter_ms: 0.5 };
    operations(&local_group(3).into_iter().map(|member| Emulated::new(member, link)).collect::<Vec<_>>());
}

#[test]
fn counters_count_payloads() {
    let group = local_group(3);
    let all = [0, 1, 2];
    everyone(&group, |member| {
        member.all_gather(&all, Channel::CONTROL, vec![0; 100], bound()).unwrap();
    });
    for member in &group {
        let traffic = member.counters().now();
        assert_eq!((traffic.bytes_sent, traffic.bytes_received), (200, 200));
        assert_eq!((traffic.messages_sent, traffic.rounds), (2, 1));
    }
}

#[test]
fn a_slow_link_takes_the_time_that_its_numbers_say() {
    let link = Link { bits_per_second: 80e6, rtt_ms: 20.0, jitter_ms: 0.0 };
    let group: Vec<_> = local_group(2).into_iter().map(|member| Emulated::new(member, link)).collect();
    let start = Instant::now();
    group[0].send(1, Channel::ACTIVATIONS, vec![0; 2_000_000], bound().until).unwrap();
    group[1].recv(0, Channel::ACTIVATIONS, bound()).unwrap();
    // 2 MB at 80 Mbit/s are 0.2 s, less what may leave at once, and half a round trip.
    let least = Duration::from_millis(205);
    assert!(start.elapsed() >= least, "{:?}", start.elapsed());
    assert!(group[1].counters().now().waited() >= Duration::from_millis(190));
}

#[test]
fn a_silent_member_is_a_deadline_and_a_lost_one_is_gone() {
    for stream in [false, true] {
        let mut group: Vec<Box<dyn Collective>> = if stream {
            tcp_group(3, StreamOptions::default()).into_iter().map(|m| Box::new(m) as Box<dyn Collective>).collect()
        } else {
            local_group(3).into_iter().map(|m| Box::new(m) as Box<dyn Collective>).collect()
        };
        let soon = Bound::new(Duration::from_millis(30), 10);
        let late = group[0].recv(1, Channel::CONTROL, soon).unwrap_err();
        assert!(matches!(late, CollectiveError::Deadline { peer: 1, .. }), "{late}");
        // What was sent before leaving still arrives.
        group[2].send(0, Channel::CONTROL, vec![1, 2, 3], bound().until).unwrap();
        drop(group.pop());
        assert_eq!(group[0].recv(2, Channel::CONTROL, bound()).unwrap(), [1, 2, 3]);
        let gone = group[0].recv(2, Channel::CONTROL, bound()).unwrap_err();
        assert!(matches!(gone, CollectiveError::Gone { peer: 2, .. }), "{gone}");
        group[1].abort("out of memory\nhere");
        let aborted = group[0].recv(1, Channel::CONTROL, bound()).unwrap_err();
        assert_eq!(aborted, CollectiveError::Aborted { peer: 1, reason: "out of memory here".to_owned() });
        let nobody = group[0].recv(9, Channel::CONTROL, bound()).unwrap_err();
        assert_eq!(nobody, CollectiveError::NoMember { peer: 9, world: 3 });
    }
}

#[test]
fn messages_over_a_bound_are_refused() {
    let group = local_group(2);
    group[0].send(1, Channel::CONTROL, vec![0; 11], bound().until).unwrap();
    let error = group[1].recv(0, Channel::CONTROL, Bound::new(LONG, 10)).unwrap_err();
    assert_eq!(error, CollectiveError::TooLarge { peer: 0, bytes: 11, limit: 10 });

    let options = StreamOptions { max_message_bytes: 100, ..StreamOptions::default() };
    let group = tcp_group(2, options);
    let error = group[0].send(1, Channel::CONTROL, vec![0; 101], bound().until).unwrap_err();
    assert_eq!(error.code(), "group.too_large");
}

#[test]
fn a_full_queue_holds_the_sender_back_and_never_loses() {
    let group = tcp_group(2, StreamOptions { max_waiting_bytes: 1 << 20, ..StreamOptions::default() });
    thread::scope(|scope| {
        scope.spawn(|| {
            for i in 0..40_u8 {
                group[0].send(1, Channel::ACTIVATIONS, vec![i; 1 << 20], bound().until).unwrap();
            }
        });
        scope.spawn(|| {
            for i in 0..40_u8 {
                let message = group[1].recv(0, Channel::ACTIVATIONS, bound()).unwrap();
                assert!(message.len() == 1 << 20 && message.iter().all(|&byte| byte == i));
            }
        });
    });
    // Nobody takes these: room runs out, and the sender is told.
    let late = Instant::now() + Duration::from_millis(200);
    let error = (0..200).find_map(|_| group[0].send(1, Channel::ACTIVATIONS, vec![0; 1 << 20], late).err());
    assert!(matches!(error, Some(CollectiveError::Deadline { peer: 1, .. })));
}

#[test]
fn a_stranger_is_not_a_member() {
    for (group, rank) in [([1; 32], 1), ([0; 32], 2)] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let one = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (other, _) = listener.accept().unwrap();
        let options = StreamOptions::default();
        let first = StreamCollective::new(0, 2, vec![(1, Duplex::tcp(one).unwrap())], options).unwrap();
        let world = if rank == 1 { 2 } else { 3 };
        let mut streams = vec![(0, Duplex::tcp(other).unwrap())];
        if world == 3 {
            streams.push((1, Duplex::new(std::io::empty(), std::io::sink(), || ())));
        }
        let _second = StreamCollective::new(rank, world, streams, StreamOptions { group, ..options }).unwrap();
        let error = first.recv(1, Channel::CONTROL, bound()).unwrap_err();
        assert!(matches!(error, CollectiveError::Unexpected { peer: 1, .. }), "{error}");
    }
}

#[test]
fn bytes_that_are_no_frames_end_the_connection() {
    use std::io::Write;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let one = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut other, _) = listener.accept().unwrap();
    let member = StreamCollective::new(0, 2, vec![(1, Duplex::tcp(one).unwrap())], StreamOptions::default()).unwrap();
    other.write_all(&[0x55; 4096]).unwrap();
    let error = member.recv(1, Channel::CONTROL, bound()).unwrap_err();
    assert!(matches!(error, CollectiveError::Unexpected { peer: 1, .. }), "{error}");
    let error = member.send(1, Channel::CONTROL, vec![1], bound().until).unwrap_err();
    assert!(matches!(error, CollectiveError::Unexpected { peer: 1, .. }), "{error}");
}
