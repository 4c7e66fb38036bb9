//! What plans refuse, what windows do, and what is counted.

use super::exact::options;
use super::models::{request, scheduler, solo, starter, trace};
use crate::EngineError;
use crate::models::unet3d::{UNet3DConfig, program};
use crate::schedulers::SchedulerKind;
use crate::sharding::collective::local_group;
use crate::sharding::{Plan, PlanError, VirtualGroup, lead};
use crate::weights::Weights;

#[test]
fn units_name_all_tensors_of_a_model() {
    let folder = starter().join("unet");
    let weights = Weights::open(&folder).unwrap();
    let units = program(&UNet3DConfig::read(&folder.join("config.json")).unwrap());
    for (name, shape) in units.iter().flat_map(crate::models::unet3d::Unit::tensors) {
        weights.expect(&name, &shape).unwrap();
    }
    weights.finish().unwrap();
}

#[test]
fn plans_that_do_not_suit_the_clip_are_refused_before_anything_runs() {
    let folder = starter();
    let scheduler = scheduler(&folder, SchedulerKind::Ddim);
    for (plan, guidance, code) in [
        ("frames=5", 4.0, "plan.frames"),
        ("frames=3:2", 4.0, "plan.frames"),
        ("window=2/3", 4.0, "plan.overlap"),
        ("cfg=2", 1.0, "plan.no_guidance"),
    ] {
        let group = VirtualGroup::load(&folder, &plan.parse().unwrap(), &options()).unwrap();
        match trace(group.model(), &scheduler, &request(4, (24, 24), 1, guidance)) {
            Err(EngineError::Plan(error)) => assert_eq!(error.code(), code),
            Err(error) => panic!("{plan}: {error}"),
            Ok(_) => panic!("{plan} ran"),
        }
        // The group is unharmed.
        let frames = if plan.starts_with("window") { 6 } else { 5 };
        trace(group.model(), &scheduler, &request(frames, (24, 24), 1, 4.0)).unwrap();
    }
    let too_deep = VirtualGroup::load(&folder, &"depth=8".parse().unwrap(), &options()).err().unwrap();
    assert!(matches!(too_deep, EngineError::Plan(PlanError::Levels { .. })));
    let alone = local_group(1).remove(0);
    let too_few = lead(&folder, &"frames=2".parse().unwrap(), &options(), std::sync::Arc::new(alone)).err().unwrap();
    assert!(matches!(too_few, EngineError::Plan(PlanError::GroupSize { members: 2, found: 1 })));
}

#[test]
fn windows_run_and_one_window_is_the_clip() {
    let folder = starter();
    let scheduler = scheduler(&folder, SchedulerKind::Ddim);
    let request = request(8, (32, 32), 2, 4.0);
    let expected = trace(solo(&folder).as_ref(), &scheduler, &request).unwrap().0;
    let latents = |plan: &str| {
        let group = VirtualGroup::load(&folder, &plan.parse().unwrap(), &options()).unwrap();
        trace(group.model(), &scheduler, &request).unwrap().0.latents
    };
    assert!(latents("window=1/0") == expected.latents);
    assert!(latents("window=1/0/end") == expected.latents);
    let variants = ["window=2/2", "window=2/2/end", "window=2/2/context", "window=2/2/context/end"].map(latents);
    for (i, a) in variants.iter().enumerate() {
        assert!(a.len() == expected.latents.len() && *a != expected.latents && a.iter().all(|x| x.is_finite()));
        assert!(variants[..i].iter().all(|b| a != b));
    }
    // Each window is a clip of its own until the end: without overlap, so are its frames.
    assert!(latents("cfg=2,window=2/0/end") == latents("window=2/0/end"));
    assert!(latents("window=2/0") == latents("window=2/0/end"));
}

#[test]
fn what_travels_is_what_the_structure_says() {
    let folder = starter();
    let scheduler = scheduler(&folder, SchedulerKind::Ddim);
    let request = request(8, (64, 64), 1, 4.0);
    let config = UNet3DConfig::read(&folder.join("unet/config.json")).unwrap();
    let units = program(&config);
    let traffic = |plan: &str| {
        let group = VirtualGroup::load(&folder, &plan.parse::<Plan>().unwrap(), &options()).unwrap();
        trace(group.model(), &scheduler, &request).unwrap();
        group.reports()
    };
    // Two rounds for each temporal transformer, four for each temporal convolution, per branch; and a command.
    let temporal: u64 = units
        .iter()
        .map(|unit| match unit.kind {
            crate::models::unet3d::UnitKind::TemporalConv { .. } => 4,
            crate::models::unet3d::UnitKind::TemporalTransformer(_) => 2,
            _ => 0,
        })
        .sum();
    let after_text = |unit: usize| units[..unit].iter().any(crate::models::unet3d::Unit::sees_text);
    let shared: u64 = units
        .iter()
        .enumerate()
        .filter(|(unit, _)| !after_text(*unit))
        .map(|(_, unit)| match unit.kind {
            crate::models::unet3d::UnitKind::TemporalConv { .. } => 4,
            crate::models::unet3d::UnitKind::TemporalTransformer(_) => 2,
            _ => 0,
        })
        .sum();
    let reports = traffic("frames=2");
    assert_eq!(reports[1].traffic.rounds, 2 * temporal - shared);
    let single = traffic("cfg=2");
    assert!(single[1].traffic.rounds == 0 && single[1].traffic.bytes_sent < 100_000, "{single:?}");
    assert!(reports[1].traffic.bytes_sent > 20 * single[1].traffic.bytes_sent);
}
