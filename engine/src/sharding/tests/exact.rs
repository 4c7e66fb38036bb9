//! Every exact plan makes every tensor of a run with the bits of one machine.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;

use super::models::{STRUCTURES, random_model, request, scheduler, solo, starter, trace};
use crate::pipeline::{GenerateRequest, LoadOptions};
use crate::schedulers::SchedulerKind;
use crate::sharding::collective::{Collective, Duplex, StreamCollective, StreamOptions};
use crate::sharding::{GroupOptions, Plan, VirtualGroup};

pub(super) fn options() -> GroupOptions {
    GroupOptions { load: LoadOptions { threads: Some(2), ..LoadOptions::default() }, ..GroupOptions::default() }
}

/// Compares plans with one machine over threads and, where asked, over TCP.
fn same_bits(folder: &Path, request: &GenerateRequest, kind: SchedulerKind, plans: &[&str], tcp: bool) {
    let scheduler = scheduler(folder, kind);
    let (expected_clip, expected) = trace(solo(folder).as_ref(), &scheduler, request).unwrap();
    for text in plans {
        let plan: Plan = text.parse().unwrap();
        assert!(plan.is_exact());
        let group = if tcp {
            VirtualGroup::with(folder, &plan, &options(), tcp_group(plan.members()))
        } else {
            VirtualGroup::load(folder, &plan, &options())
        };
        let group = group.unwrap_or_else(|error| panic!("{text}: {error}"));
        let (clip, found) = trace(group.model(), &scheduler, request).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert!(clip.latents == expected_clip.latents, "{text}: latents differ from one machine's");
        assert!(found == expected, "{text}: latents are the same, but something on the way or the frames are not");
        if plan.members() > 1 {
            assert!(group.reports().iter().any(|report| report.traffic.bytes_sent > 0), "{text}: nothing was sent");
        }
    }
}

fn tcp_group(world: usize) -> Vec<Arc<dyn Collective>> {
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
    let member = |(rank, streams)| -> Arc<dyn Collective> {
        Arc::new(StreamCollective::new(rank, world, streams, StreamOptions::default()).unwrap())
    };
    streams.into_iter().enumerate().map(member).collect()
}

#[test]
fn starter_model_with_every_plan() {
    let plans = [
        "solo",
        "stream",
        "cfg=2",
        "depth=2",
        "params=2",
        "params=3",
        "params=6",
        "frames=1",
        "frames=2",
        "frames=3",
        "frames=4",
        "frames=5",
        "frames=6",
        "frames=1:6",
        "frames=4:1:2",
        "cfg=2,frames=3",
        "cfg=2,depth=2",
        "cfg=2,params=2",
        "depth=2,frames=2",
        "cfg=2,depth=2,frames=3:4",
        "stream,cfg=2",
        "stream,depth=2",
        "stream,frames=3",
        "params=3,frames=3",
        "params=6,cfg=2,frames=3",
        "params=5,depth=2",
    ];
    same_bits(&starter(), &request(7, (32, 40), 2, 4.0), SchedulerKind::DpmSolverPlusPlus, &plans, false);
}

#[test]
fn starter_model_as_it_is_used() {
    let plans = ["cfg=2,frames=3", "frames=5:3:8", "frames=6"];
    same_bits(&starter(), &request(16, (64, 64), 3, 4.0), SchedulerKind::Ddim, &plans, false);
}

#[test]
fn without_guidance() {
    let plans = ["frames=3", "depth=2", "params=2", "stream"];
    same_bits(&starter(), &request(5, (24, 32), 2, 1.0), SchedulerKind::Euler, &plans, false);
}

#[test]
fn random_models_with_every_plan() {
    for (i, structure) in STRUCTURES.iter().enumerate() {
        let folder = random_model(structure, 70 + i as u64);
        // Sizes that do not halve evenly, odd numbers of frames, more members than pixels at the bottom.
        let request = request([5, 7, 6][i], [(40, 24), (72, 40), (24, 40)][i], 2, 3.0);
        let deepest = format!("depth={}", structure.levels.len());
        let uneven = ["frames=3:2", "frames=1:4:2", "frames=2:1:3"][i];
        let combined = format!("cfg=2,{uneven}");
        let plans = [
            "stream",
            "cfg=2",
            "depth=2",
            &deepest,
            "frames=2",
            "frames=3",
            "frames=4",
            "frames=5",
            uneven,
            "params=4",
            &combined,
            "cfg=2,depth=2,frames=2",
            "stream,cfg=2,frames=2",
            "params=4,cfg=2,frames=2",
        ];
        same_bits(folder.path(), &request, SchedulerKind::DpmSolverPlusPlus, &plans, false);
    }
}

#[test]
fn over_tcp() {
    let plans = ["cfg=2,frames=3", "frames=4:1:2", "depth=2,frames=2", "params=3", "params=2,cfg=2", "stream,frames=2"];
    same_bits(&starter(), &request(7, (32, 40), 2, 4.0), SchedulerKind::DpmSolverPlusPlus, &plans, true);
}

#[test]
fn groups_of_one_and_many_threads_are_the_same() {
    let (folder, request) = (starter(), request(6, (32, 32), 1, 4.0));
    let scheduler = scheduler(&folder, SchedulerKind::Ddim);
    let plan: Plan = "frames=3".parse().unwrap();
    let clips: Vec<_> = [1, 4, 7]
        .into_iter()
        .map(|threads| {
            let mut options = options();
            options.load.threads = Some(threads);
            let group = VirtualGroup::load(&folder, &plan, &options).unwrap();
            trace(group.model(), &scheduler, &request).unwrap().1
        })
        .collect();
    assert!(clips.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn one_group_makes_one_clip_after_another_and_from_many_threads() {
    let folder = starter();
    let scheduler = scheduler(&folder, SchedulerKind::Ddim);
    let group = VirtualGroup::load(&folder, &"cfg=2,frames=2".parse().unwrap(), &options()).unwrap();
    let alone = solo(&folder);
    let requests = [request(4, (32, 32), 1, 4.0), request(5, (24, 32), 1, 4.0)];
    for request in &requests {
        let expected = trace(alone.as_ref(), &scheduler, request).unwrap().1;
        assert!(trace(group.model(), &scheduler, request).unwrap().1 == expected);
    }
    // Evaluations of one job from several threads take turns.
    let model = group.model();
    let texts = (model.encode_text("a").unwrap(), model.encode_text("b").unwrap());
    let shape = model.latent_shape(32, 32, 4).unwrap();
    let sample = vec![0.25; shape.elements()];
    let expected = alone.denoiser(shape, &texts.0, Some(&texts.1)).unwrap().evaluate_both(&sample, 500.0).unwrap();
    let denoiser = model.denoiser(shape, &texts.0, Some(&texts.1)).unwrap();
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| assert!(denoiser.evaluate_both(&sample, 500.0).unwrap() == expected));
        }
    });
}
