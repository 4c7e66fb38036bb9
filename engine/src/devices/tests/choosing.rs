//! What is chosen for each preference on each kind of computer.

use crate::devices::{
    ChooseError, ComputeBackend, ComputeDevice, DevicePreference, DeviceReport, EngineBackends, Gpu, UnusableCode,
    Usability, assemble, choose,
};

fn gpus() -> Vec<Gpu> {
    assemble(&serde_json::from_str(include_str!("../fixtures/rtx_4090_linux.json")).unwrap()).gpus
}

fn nvidia(index: u32, free: Option<u64>, usable: bool) -> Gpu {
    let mut gpu = gpus().into_iter().find(|gpu| gpu.nvml_index.is_some()).unwrap();
    gpu.name = format!("NVIDIA {index}");
    gpu.nvml_index = Some(index);
    gpu.uuid = Some(format!("GPU-{index}"));
    gpu.vram_free_bytes = free;
    if !usable {
        gpu.usability = Usability::Unusable {
            code: UnusableCode::DriverTooOld,
            reason: "its driver is too old".to_owned(),
            next_step: "Update it.".to_owned(),
        };
    }
    gpu
}

fn apple() -> Gpu {
    assemble(&serde_json::from_str(include_str!("../fixtures/apple_m2.json")).unwrap()).gpus.remove(0)
}

fn software() -> Gpu {
    gpus().pop().unwrap()
}

fn report(gpus: Vec<Gpu>, worker: bool, metal: bool) -> DeviceReport {
    let engine = EngineBackends { cuda_worker_found: worker, cuda_built_in: false, metal_built_in: metal };
    DeviceReport {
        gpus,
        engine,
        ..assemble(&serde_json::from_str(include_str!("../fixtures/nothing_installed.json")).unwrap())
    }
}

/// `cpu`, `cuda INDEX`, `metal` or the error's code.
fn chosen(report: &DeviceReport, preference: &str) -> String {
    match choose(report, preference.parse().unwrap()) {
        Ok(ComputeDevice::Cpu { reason }) => {
            assert!(!reason.is_empty());
            "cpu".to_owned()
        }
        Ok(ComputeDevice::Cuda { gpu_index, nvml_index, uuid, name, .. }) => {
            let gpu = &report.gpus[gpu_index];
            assert_eq!((&gpu.nvml_index, &gpu.uuid, &gpu.name), (&nvml_index, &uuid, &name), "all of one card");
            format!("cuda {}", nvml_index.unwrap())
        }
        Ok(ComputeDevice::Metal { gpu_index, .. }) => {
            assert_eq!(report.gpus[gpu_index].usability.backend(), Some(ComputeBackend::Metal));
            "metal".to_owned()
        }
        Err(error) => {
            assert!(error.to_string().ends_with(error.next_step()), "the message ends with the next step: {error}");
            error.code().to_owned()
        }
    }
}

#[test]
fn the_table() {
    const GIB: Option<u64> = Some(1 << 30);
    let none = report(vec![software()], true, false);
    let one = report(vec![nvidia(0, GIB, true)], true, false);
    let no_worker = report(vec![nvidia(0, GIB, true)], false, false);
    let old = report(vec![nvidia(0, GIB, false)], true, false);
    let several = report(
        vec![
            nvidia(0, Some(4 << 30), false),
            nvidia(1, GIB, true),
            nvidia(2, Some(2 << 30), true),
            nvidia(3, Some(2 << 30), true),
        ],
        true,
        false,
    );
    let no_nvml = report(vec![Gpu { nvml_index: None, ..nvidia(0, None, false) }], true, false);
    let mac = report(vec![apple()], false, true);
    let mac_without = report(vec![Gpu { usability: nvidia(0, None, false).usability, ..apple() }], false, false);

    for (computer, name, cases) in [
        (
            &none,
            "no GPU",
            [
                ("auto", "cpu"),
                ("cpu", "cpu"),
                ("cuda", "device.no_nvidia_card"),
                ("cuda:0", "device.no_nvidia_card"),
                ("metal", "device.metal_not_built"),
            ],
        ),
        (
            &one,
            "one card",
            [
                ("auto", "cuda 0"),
                ("cpu", "cpu"),
                ("cuda", "cuda 0"),
                ("cuda:0", "cuda 0"),
                ("cuda:1", "device.no_such_card"),
            ],
        ),
        (
            &no_worker,
            "no worker",
            [
                ("auto", "cpu"),
                ("cpu", "cpu"),
                ("cuda", "device.cuda_worker_missing"),
                ("cuda:0", "device.cuda_worker_missing"),
                ("cuda:1", "device.no_such_card"),
            ],
        ),
        (
            &old,
            "old driver",
            [
                ("auto", "cpu"),
                ("cpu", "cpu"),
                ("cuda", "device.card_unusable"),
                ("cuda:0", "device.card_unusable"),
                ("cuda:1", "device.no_such_card"),
            ],
        ),
        (
            &several,
            "several",
            [
                ("auto", "cuda 2"),
                ("cuda", "cuda 2"),
                ("cuda:0", "device.card_unusable"),
                ("cuda:1", "cuda 1"),
                ("cuda:3", "cuda 3"),
            ],
        ),
        (
            &no_nvml,
            "no NVML",
            [
                ("auto", "cpu"),
                ("cpu", "cpu"),
                ("cuda", "device.card_unusable"),
                ("cuda:0", "device.card_unusable"),
                ("metal", "device.metal_not_built"),
            ],
        ),
        (
            &mac,
            "Mac",
            [
                ("auto", "metal"),
                ("cpu", "cpu"),
                ("metal", "metal"),
                ("cuda", "device.no_nvidia_card"),
                ("cuda:0", "device.no_nvidia_card"),
            ],
        ),
        (
            &mac_without,
            "Mac without Metal",
            [
                ("auto", "cpu"),
                ("cpu", "cpu"),
                ("metal", "device.metal_not_built"),
                ("cuda", "device.no_nvidia_card"),
                ("cuda:0", "device.no_nvidia_card"),
            ],
        ),
    ] {
        for (preference, want) in cases {
            assert_eq!(chosen(computer, preference), want, "{name}: {preference}");
        }
    }
    assert_eq!(chosen(&report(vec![software()], true, true), "metal"), "device.no_apple_gpu");
}

#[test]
fn inside_the_worker_cuda_needs_no_worker() {
    let mut report = report(vec![nvidia(0, None, true)], false, false);
    report.engine.cuda_built_in = true;
    assert_eq!(chosen(&report, "auto"), "cuda 0");
}

#[test]
fn the_cpu_says_which_card_is_missed_and_why() {
    let reason = |report: &DeviceReport| choose(report, DevicePreference::Auto).unwrap().reason().to_owned();
    assert_eq!(
        reason(&report(vec![nvidia(0, None, false)], true, false)),
        "NVIDIA 0 can't be used: its driver is too old"
    );
    assert!(reason(&report(vec![nvidia(0, None, true)], false, false)).contains("infernet-worker-cuda"));
    assert_eq!(reason(&report(vec![software()], true, false)), "no GPU was found");
    let beside_integrated =
        gpus().into_iter().filter(|gpu| gpu.nvml_index.is_none()).chain([nvidia(0, None, false)]).collect();
    assert!(reason(&report(beside_integrated, true, false)).starts_with("NVIDIA 0"), "not the integrated GPU's reason");
}

#[test]
fn errors_name_what_there_is() {
    let report = report(vec![nvidia(0, None, true), nvidia(2, None, true)], true, false);
    let error = choose(&report, DevicePreference::Cuda(Some(1))).unwrap_err();
    assert_eq!(error, ChooseError::NoSuchCard { index: 1, available: vec![0, 2] });
    assert_eq!(
        error.to_string(),
        "cuda:1 was asked for, but NVIDIA's driver lists only cuda:0, cuda:2. Use one of the listed indices, or --device auto."
    );
}

#[test]
fn the_worker_sees_the_chosen_card_and_no_other() {
    let environment = |uuid: Option<&str>, nvml_index| {
        let device = ComputeDevice::Cuda {
            gpu_index: 0,
            nvml_index,
            uuid: uuid.map(str::to_owned),
            name: String::new(),
            reason: String::new(),
        };
        device.worker_environment()
    };
    let order = ("CUDA_DEVICE_ORDER", "PCI_BUS_ID".to_owned());
    assert_eq!(environment(Some("GPU-1"), Some(3)), [order.clone(), ("CUDA_VISIBLE_DEVICES", "GPU-1".to_owned())]);
    assert_eq!(environment(None, Some(3)), [order, ("CUDA_VISIBLE_DEVICES", "3".to_owned())]);
    assert_eq!(ComputeDevice::Cpu { reason: String::new() }.worker_environment(), []);
}
