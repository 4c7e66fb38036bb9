//! Probing in real child processes that behave, crash, hang, print rubbish or never end.
//!
//! The children are the ignored tests below, run by name from this very test program.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::Write;
use std::time::Duration;

use infernet_engine::devices::{
    ComputeBackend, DeviceReport, NoteCode, ProbeCommand, peak_memory_bytes, probe, probe_here, write_probe_lines,
};

/// Longer than any test may take: a child that ends by itself must never be cut off on a slow computer.
const PATIENT: Duration = Duration::from_secs(120);
/// Only for children that never end.
const SHORT: Duration = Duration::from_millis(300);

fn run(child: &str, timeout: Duration) -> DeviceReport {
    let command = ProbeCommand::this_executable(["--ignored", "--exact", "--nocapture", child]).unwrap();
    probe(&command, timeout)
}

fn trouble(report: &DeviceReport) -> Vec<NoteCode> {
    let codes = [NoteCode::ProbeNotStarted, NoteCode::ProbeCrashed, NoteCode::ProbeHung, NoteCode::ProbeGarbled];
    report.notes.iter().map(|note| note.code).filter(|code| codes.contains(code)).collect()
}

/// Whatever happened, the CPU computes, memory is known, and every note has a next step.
fn assert_sound(report: &DeviceReport) {
    assert!(report.cpu.usable_threads >= 1 && report.memory.total_bytes.is_some());
    assert!(report.notes.iter().all(|note| !note.reason.is_empty() && note.next_step.ends_with('.')), "{report}");
    assert_eq!(report.memory.process_peak_bytes.is_some(), peak_memory_bytes().is_some());
}

#[test]
fn a_child_finds_what_this_process_finds() {
    let (child, here) = (run("child_behaves", PATIENT), probe_here());
    assert_sound(&child);
    assert_eq!(trouble(&child), []);
    let names = |report: &DeviceReport| report.gpus.iter().map(|gpu| gpu.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&child), names(&here));
    assert_eq!((child.cpu, child.chosen.backend(), child.notes), (here.cpu, here.chosen.backend(), here.notes));
}

#[test]
fn a_crash_keeps_what_was_told_before() {
    let report = run("child_crashes_half_way", PATIENT);
    assert_sound(&report);
    assert_eq!(trouble(&report), [NoteCode::ProbeCrashed]);
    assert_eq!(report.cpu.brand.as_deref(), Some("the child's CPU"), "the child's own line was used");
    assert_eq!(report.chosen.backend(), ComputeBackend::Cpu);
}

#[test]
fn a_crash_before_anything_was_told_leaves_the_cpu() {
    let report = run("child_crashes_at_once", PATIENT);
    assert_sound(&report);
    assert_eq!(trouble(&report), [NoteCode::ProbeCrashed]);
    assert!(report.gpus.iter().all(|gpu| gpu.backends.is_empty()), "only the bus was looked at");
    assert_ne!(report.chosen.reason(), "no GPU was found", "nobody asked for one");
}

#[test]
fn a_crash_after_everything_was_told_is_no_trouble() {
    let report = run("child_crashes_at_its_end", PATIENT);
    assert_sound(&report);
    assert_eq!(trouble(&report), []);
}

#[test]
fn a_child_that_hangs_is_stopped() {
    let report = run("child_hangs", SHORT);
    assert_sound(&report);
    assert_eq!(trouble(&report), [NoteCode::ProbeHung]);
    assert_eq!(report.chosen.backend(), ComputeBackend::Cpu);
    #[cfg(target_os = "linux")]
    assert_eq!(living_children("child_hangs"), Vec::<u32>::new(), "left behind");
}

/// Processes that this one started with such an argument and that still are.
#[cfg(target_os = "linux")]
fn living_children(argument: &str) -> Vec<u32> {
    let is_child = |pid: &u32| {
        let read = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
        let parent = format!("PPid:\t{}", std::process::id());
        read("status").lines().any(|line| line == parent) && read("cmdline").split('\0').any(|text| text == argument)
    };
    let entries = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(is_child).collect()
}

#[test]
fn a_child_that_prints_without_end_is_stopped() {
    let report = run("child_floods", SHORT);
    assert_sound(&report);
    assert_eq!(trouble(&report), [NoteCode::ProbeHung]);
}

#[test]
fn a_child_that_prints_rubbish_leaves_the_cpu() {
    let report = run("child_prints_rubbish", PATIENT);
    assert_sound(&report);
    assert_eq!(trouble(&report), [NoteCode::ProbeGarbled]);
}

#[test]
fn a_program_that_is_no_probe_leaves_the_cpu() {
    let report = run("no_such_child", PATIENT);
    assert_sound(&report);
    assert_eq!(trouble(&report), [NoteCode::ProbeGarbled]);
}

/// Standard output past the test harness, which has begun a line of its own.
fn print_line(bytes: &[u8]) {
    let mut out = std::io::stdout().lock();
    out.write_all(b"\n").and_then(|()| out.write_all(bytes)).and_then(|()| out.flush()).unwrap();
}

fn all_lines() -> Vec<u8> {
    let mut lines = Vec::new();
    write_probe_lines(&mut lines).unwrap();
    lines
}

#[test]
#[ignore = "a child of other tests"]
fn child_behaves() {
    // What drivers print on standard error must not matter.
    writeln!(std::io::stderr(), "error: XDG_RUNTIME_DIR is invalid").unwrap();
    print_line(&all_lines());
}

#[test]
#[ignore = "a child of other tests"]
fn child_crashes_half_way() {
    let lines = all_lines();
    let first = std::str::from_utf8(&lines).unwrap().lines().next().unwrap();
    let mut line: serde_json::Value = serde_json::from_str(first).unwrap();
    line["report"]["cpu"]["brand"] = "the child's CPU".into();
    print_line(format!("{line}\n{{\"complete\":true,\"repo").as_bytes());
    std::process::abort();
}

#[test]
#[ignore = "a child of other tests"]
fn child_crashes_at_once() {
    std::process::abort();
}

#[test]
#[ignore = "a child of other tests"]
fn child_crashes_at_its_end() {
    print_line(&all_lines());
    std::process::abort();
}

#[test]
#[ignore = "a child of other tests"]
fn child_hangs() {
    std::thread::sleep(PATIENT);
}

#[test]
#[ignore = "a child of other tests"]
fn child_floods() {
    let block = [b'x'; 65536];
    let mut out = std::io::stdout().lock();
    while out.write_all(&block).is_ok() {}
}

#[test]
#[ignore = "a child of other tests"]
fn child_prints_rubbish() {
    print_line(b"{\"complete\":true,\"report\":{}}\nnull\n\xff\xfe\n{}\n");
}
