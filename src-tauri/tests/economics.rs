//! `infernet economics` as a user runs it.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

struct Workplace {
    folder: tempfile::TempDir,
}

impl Workplace {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Words of a command line after `infernet economics`.
    fn economics(&self, line: &str) -> Output {
        Command::new(env!("CARGO_BIN_EXE_infernet"))
            .arg("economics")
            .args(line.split_whitespace())
            .current_dir(self.folder.path())
            .output()
            .unwrap()
    }

    #[track_caller]
    fn text(&self, line: &str) -> String {
        let output = self.economics(line);
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    #[track_caller]
    fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.text(&format!("{line} --json"))).unwrap()
    }

    /// The command must fail with code 2, name `what`, and leave no file behind.
    #[track_caller]
    fn fails(&self, line: &str, what: &str) {
        let before = self.files();
        let output = self.economics(line);
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{line}: {message}");
        assert!(message.contains(what), "{line}: expected `{what}` in: {message}");
        assert!(!message.contains("panicked"), "{message}");
        assert_eq!(self.files(), before, "{line} left files behind");
    }

    fn files(&self) -> Vec<PathBuf> {
        let mut names: Vec<_> =
            std::fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.sort();
        names
    }
}

#[track_caller]
fn close(value: &Value, expected: f64) {
    let got = value.as_f64().unwrap();
    assert!((got - expected).abs() <= 1e-9 * expected.abs(), "{got} {expected}");
}

#[test]
fn a_point_of_the_published_study() {
    let here = Workplace::new();
    let point = "--reference --emission 0.005 --alpha 0.3 --slash 0.3 --gamma 0.8";
    let security = here.json(&format!("security {point}"));
    close(&security["ev_cheat"], -6.710595953644334);
    close(&security["ev_honest"], -0.0036199999999999974);
    let deposits = here.json(&format!("deposits {point}"));
    close(&deposits["miner_term"], 0.00010313383260279768);
    close(&deposits["validator_term"], 0.0);
    close(&deposits["floor"], 0.00010313383260279768);
    close(&deposits["ceiling"], 10.651739608959259);
    assert_eq!(deposits["viable"], true);
    close(
        &here.json("security --reference --emission 0.003 --alpha 0.1 --slash 0.05 --gamma 0.8")["ev_cheat"],
        -0.938726804149631,
    );
}

#[test]
fn the_whole_study_as_table_csv_and_figures() {
    let here = Workplace::new();
    let text = here.text("security --reference --csv a.csv --plot a.svg");
    assert!(text.contains("572 points") && text.lines().count() > 572, "{text}");
    let csv = std::fs::read_to_string(here.path("a.csv")).unwrap();
    assert_eq!(csv.lines().count(), 573);
    assert!(csv.starts_with("gamma,alpha,slash,checks (steps)"));
    // Rows of the CSV are the published numbers, with all digits.
    let row = csv.lines().find(|line| line.starts_with("0.8,0.3,0.3,")).unwrap();
    let value: f64 = row.split(',').nth(5).unwrap().parse().unwrap();
    assert!((value / -6.710595953644334 - 1.0).abs() < 1e-9);
    let svg = std::fs::read_to_string(here.path("a.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains("trust loss") && svg.trim_end().ends_with("</svg>"));
    assert_eq!(here.json("security --reference")["points"].as_array().unwrap().len(), 572);
    assert_eq!(here.json("deposits --reference --gamma 0.5")["points"].as_array().unwrap().len(), 143);
    here.text("deposits --reference --plot b.png");
    assert!(std::fs::read(here.path("b.png")).unwrap().starts_with(b"\x89PNG\r\n"));
}

#[test]
fn the_model_reports_intervals_that_hold_its_exact_values() {
    let here = Workplace::new();
    let report = here.json("security --preset study --alpha 0.2 --slash 0.1 --gamma 0 --runs 100 --seed 4");
    let runs = report["simulated"].as_array().unwrap();
    assert!(runs.len() >= 5);
    let mut missed = 0;
    for run in runs {
        let exact = &report["strategies"][run["tampered"].as_u64().unwrap() as usize - 1];
        let (value, cheat) = (exact["value"].as_f64().unwrap(), &run["cheat"]);
        let slack = 1e-6 * value.abs();
        let inside =
            cheat["low"].as_f64().unwrap() - slack <= value && value <= cheat["high"].as_f64().unwrap() + slack;
        missed += u32::from(!inside);
    }
    assert!(missed <= 1, "{report}");
    let shipped = here.json("security --runs 20");
    assert!(shipped["ev_cheat"].as_f64().unwrap() < 0.0 && shipped["ev_honest"].as_f64().unwrap() > 0.0);
    let map = here.json("security --map");
    assert_eq!(map["map"]["cells"].as_array().unwrap().len(), 13);
}

#[test]
fn stake_is_whole_micro_credits() {
    let here = Workplace::new();
    let report = here.json("stake");
    let stake = report["required"]["stake_microcredits"].as_u64().unwrap();
    let real = report["required_in_floating_point"]["stake"].as_f64().unwrap();
    assert!(stake as f64 >= real && stake as f64 - real <= 3.0, "{report}");
    assert!(here.text("stake --checks 9").contains("restitution"));
    let more = here.json("stake --margin 0.5")["required"]["stake_microcredits"].as_u64().unwrap();
    assert!(more > stake);
}

#[test]
fn every_command_has_table_json_csv_and_figure() {
    let here = Workplace::new();
    for (index, line) in [
        "security --runs 10",
        "deposits",
        "stake",
        "cost",
        "cost --by-steps RTX\u{a0}3090",
        "detection --cheaters 50",
        "detection --cheaters 0 --repeated",
        "sensitivity",
        "optimise",
        "population --miners 200 --epochs 50",
        "parameters",
        "parameters --prototype",
    ]
    .into_iter()
    .enumerate()
    {
        // No-break spaces stand for those inside an argument.
        let arguments: Vec<String> = line.split(' ').map(|word| word.replace('\u{a0}', " ")).collect();
        let (csv, svg) = (format!("{index}.csv"), format!("{index}.svg"));
        let output = Command::new(env!("CARGO_BIN_EXE_infernet"))
            .arg("economics")
            .args(&arguments)
            .args(["--json", "--csv", &csv, "--plot", &svg])
            .current_dir(here.folder.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(serde_json::from_slice::<Value>(&output.stdout).unwrap().is_object(), "{line}");
        assert!(std::fs::read_to_string(here.path(&csv)).unwrap().lines().count() > 1, "{line}");
        assert!(std::fs::read_to_string(here.path(&svg)).unwrap().contains("</svg>"), "{line}");
        assert!(!output.stdout.is_empty());
    }
}

#[test]
fn prices_can_be_printed_edited_and_passed_back() {
    let here = Workplace::new();
    let table = here.text("cost --print-table");
    std::fs::write(here.path("mine.toml"), &table).unwrap();
    assert_eq!(here.json("cost"), here.json("cost --table mine.toml"));
    std::fs::write(here.path("dear.toml"), table.replace("usd_per_kwh = 0.30", "usd_per_kwh = 3.0")).unwrap();
    let ratio = |line: &str| here.json(line)["cheapest_ratio"].as_f64().unwrap();
    assert!((ratio("cost") / ratio("cost --table dear.toml") - 10.0).abs() < 1e-9);
    std::fs::write(here.path("bad.toml"), table.replace("watts = 450", "watts = -450")).unwrap();
    here.fails("cost --table bad.toml", "RTX 4090: watts is -450");
    here.fails("cost --table nowhere.toml", "nowhere.toml");
    here.fails("cost --electricity Mars", "EU household");
}

#[test]
fn the_prototype_is_not_viable_and_what_ships_is() {
    let here = Workplace::new();
    assert_eq!(here.json("parameters")["viable"], true);
    let prototype = here.json("parameters --prototype");
    assert_eq!(prototype["viable"], false);
    assert!(here.text("parameters --prototype").contains("30.0 % of a trusted miner's work"));
}

#[test]
fn populations_repeat_and_scale() {
    let here = Workplace::new();
    let run =
        |seed: u32| here.json(&format!("population --miners 300 --epochs 40 --seed {seed}"))["population"].clone();
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
    let scaling = here.json("population --miners 1000 --epochs 100 --scaling");
    assert_eq!(scaling["timings"].as_array().unwrap().len(), 5);
}

#[test]
fn bad_parameters_are_named_with_their_range() {
    let here = Workplace::new();
    here.fails("security --reference --alpha 1.5", "alpha is 1.5; it must be between 0 and 1");
    here.fails("security --reference --alpha nan", "alpha is NaN");
    here.fails("security --reference --slash=-0.1", "slash is -0.1");
    here.fails("security --reference --steps 0", "steps is 0");
    here.fails("security --reference --emission inf", "emission is inf");
    here.fails("security --trust 2", "trust is 2");
    here.fails("security --runs 1", "runs is 1");
    here.fails("security --slash 0", "no stake deters");
    here.fails("security --reference --trust 0.5", "cannot be used with");
    here.fails("security --map --alpha 0.3", "--map");
    here.fails("stake --checks 31", "checks is 31; it must be between 0 and 30");
    here.fails("stake --slash 0", "nothing is slashed");
    here.fails("stake --checks 0 --full-audit-one-in 0", "never found out");
    here.fails("detection --steps 0", "steps is 0");
    here.fails("optimise --reexecution-budget 0.01", "re-execute");
    here.fails("population --lazy 2", "mix");
    here.fails("population --miners 1000000 --epochs 1000000", "this simulation");
    here.fails("sensitivity --emissions nan", "emission is NaN");
    here.fails("deposits --deposit-split 1", "deposit_split is 1");
}

#[test]
fn files_are_refused_before_the_work_and_never_replaced_unasked() {
    let here = Workplace::new();
    here.fails("parameters --plot a.pdf", "svg or png");
    here.fails("parameters --plot a", "svg or png");
    here.fails("parameters --csv nowhere/a.csv", "nowhere");
    here.fails("parameters --csv a.svg --plot a.svg", "same file");
    std::fs::write(here.path("taken.csv"), b"keep").unwrap();
    here.fails("parameters --csv taken.csv", "taken.csv exists");
    assert_eq!(std::fs::read(here.path("taken.csv")).unwrap(), b"keep");
    here.text("parameters --csv taken.csv --force");
    assert_ne!(std::fs::read(here.path("taken.csv")).unwrap(), b"keep");
    // Parameters that fail leave no file, even when its name is fine.
    here.fails("stake --slash 0 --csv new.csv --plot new.svg", "nothing is slashed");
}
