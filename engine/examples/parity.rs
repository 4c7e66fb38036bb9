//! Checks the engine against golden cases (tools/reference): `cargo run --release -p infernet-engine --example parity -- FOLDER...`
#![allow(clippy::print_stdout)]

use std::path::Path;
use std::process::ExitCode;

use infernet_engine::parity::{check, find_cases};

fn main() -> ExitCode {
    let folders: Vec<String> = std::env::args().skip(1).collect();
    let (mut passed, mut failed) = (0, 0);
    for folder in &folders {
        let cases = match find_cases(Path::new(folder)) {
            Ok(cases) => cases,
            Err(error) => {
                println!("{folder}: {error}");
                return ExitCode::from(2);
            }
        };
        for case in cases {
            match check(&case) {
                Ok(report) => {
                    let worst = report.worst().map_or(String::new(), |stage| {
                        format!("{:.2e} of {:.0e} at {}", stage.error, stage.bar, stage.stage)
                    });
                    let verdict = if report.passed() { "ok" } else { "FAILED" };
                    println!(
                        "{verdict:6} {:10} {:32} {worst} (reference's own {:.1e})",
                        report.kind, report.name, report.reference_error
                    );
                    if report.passed() { passed += 1 } else { failed += 1 }
                }
                Err(error) => {
                    println!("FAILED {}: {error}", case.display());
                    failed += 1;
                }
            }
        }
    }
    println!("{passed} passed, {failed} failed");
    if failed > 0 || passed == 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
