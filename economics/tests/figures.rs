//! Every figure as SVG and PNG: well-formed, inside its frame, and not empty.
#![cfg(feature = "plot")]
#![allow(clippy::unwrap_used)]

use std::collections::HashSet;

use infernet_economics::EconomicsError;
use infernet_economics::cost::{CostRequest, PriceTable, compare, cost_by_steps};
use infernet_economics::detection::AuditLevel;
use infernet_economics::figure::{self, Axis, Figure, HeatPanel, Lines, Panel, PanelKind, Scale, Series, Stroke};
use infernet_economics::model::{ModelParameters, SimulationRequest, expected_values, simulate};
use infernet_economics::optimise::{OptimiseRequest, frontier, optimise};
use infernet_economics::parameters::{NetworkParameters, StudyParameters, TypicalJob};
use infernet_economics::plot::{PlotFormat, render};
use infernet_economics::population::{PopulationParameters, simulate as simulate_population};
use infernet_economics::reference::{ReferenceStudy, SecurityGrid};
use infernet_economics::sensitivity::by_economy;
use infernet_economics::stake::JobTerms;

fn all() -> Vec<Figure> {
    let parameters = StudyParameters::default();
    let study = ReferenceStudy::new(parameters.clone()).unwrap();
    let values = study.sweep(&SecurityGrid::published(0.005, 6.2e-6)).unwrap();
    let at = study.point(0.3, 0.1, 0.8);
    let rows = by_economy(&parameters, &[0.003, 0.01], &[4e-6, 8e-6], &at).unwrap();
    let model = ModelParameters::of_network(&NetworkParameters::default(), &TypicalJob::default(), 1.0).unwrap();
    let runs = [1, 15].map(|tampered| simulate(&model, &SimulationRequest { tampered, runs: 20, seed: 0 }).unwrap());
    let level = NetworkParameters::default().audit.level(1.0, 30);
    let prices = PriceTable::shipped().unwrap();
    let staircase = cost_by_steps(&prices, &CostRequest::default(), "RTX 3060", 60).unwrap();
    let best = optimise(&OptimiseRequest::default()).unwrap().best;
    let people = PopulationParameters { miners: 100, epochs: 50, ..PopulationParameters::default() };
    vec![
        figure::security_maps(&values),
        figure::deposit_maps(&study.deposits(values)),
        figure::economy_figure(&rows),
        figure::strategy_values(&expected_values(&model).unwrap(), &runs, "micro-credits", "One cheater."),
        figure::detection_curves(30, &[1, 2, 9], &[]).unwrap(),
        figure::repeated_detection(&level, 30, &[1, 7], 40),
        figure::required_stake_figure(
            &JobTerms::of_network(&NetworkParameters::default(), &TypicalJob::default(), 1.0),
            &[0.1, 1.0],
        )
        .unwrap(),
        figure::frontier_figure(&frontier(&OptimiseRequest::default()).unwrap(), &best, &best),
        figure::cost_bars(&compare(&prices, &CostRequest::default()).unwrap()),
        figure::cost_steps(&staircase, "RTX 3060"),
        figure::population_figure(&simulate_population(&people).unwrap(), &people),
    ]
}

/// Numbers of every `name="..."` of an SVG.
fn attributes<'a>(svg: &'a str, name: &str) -> Vec<&'a str> {
    let pattern = format!(" {name}=\"");
    svg.split(&pattern).skip(1).map(|rest| rest.split_once('"').unwrap().0).collect()
}

#[test]
fn svg_is_well_formed_and_stays_in_its_frame() {
    for figure in all() {
        let svg = String::from_utf8(render(&figure, PlotFormat::Svg).unwrap()).unwrap();
        let view: Vec<f64> = attributes(&svg, "viewBox")[0].split(' ').map(|number| number.parse().unwrap()).collect();
        let shown: Vec<f64> =
            ["width", "height"].iter().map(|name| attributes(&svg, name)[0].parse().unwrap()).collect();
        assert!(
            (view[2] / shown[0] - 10.0).abs() < 1e-9 && (view[3] / shown[1] - 10.0).abs() < 1e-9,
            "{}",
            figure.title
        );
        for (name, most) in [("x", view[2]), ("y", view[3])] {
            for value in attributes(&svg, name) {
                let value: f64 = value.parse().unwrap();
                assert!((0.0..=most).contains(&value), "{}: {name} {value} of {most}", figure.title);
            }
        }
        assert_eq!(svg.matches("<text").count(), svg.matches("</text>").count(), "{}", figure.title);
        assert!(svg.contains(&figure.title.replace('\'', "&apos;")) || svg.contains(&figure.title), "{}", figure.title);
        assert!(!svg.contains("NaN") && !svg.contains("inf\""), "{}", figure.title);
        assert!(svg.len() < 200_000, "{}: {} bytes", figure.title, svg.len());
        // The same figure gives the same bytes: pictures in the documentation do not change by themselves.
        assert_eq!(svg.into_bytes(), render(&figure, PlotFormat::Svg).unwrap());
    }
}

#[test]
fn png_has_its_size_and_its_colours() {
    for figure in all() {
        let bytes = render(&figure, PlotFormat::Png).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(&bytes)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert!(info.width >= 1720 && info.height >= 800, "{}", figure.title);
        let colours: HashSet<&[u8]> = pixels.chunks_exact(3).collect();
        assert!(colours.len() > 50, "{}: {} colours", figure.title, colours.len());
        let ink = pixels.chunks_exact(3).filter(|pixel| *pixel != [255, 255, 255]).count();
        assert!(ink * 100 > pixels.len() / 3, "{}: hardly anything is drawn", figure.title);
        // Nothing at the very edge: no text is cut off.
        let row = info.width as usize * 3;
        let edge = pixels[..row].iter().chain(&pixels[pixels.len() - row..]).all(|&byte| byte == 255)
            && pixels.chunks_exact(row).all(|row| row[..3] == [255; 3] && row[row.len() - 3..] == [255; 3]);
        assert!(edge, "{}: something touches the edge", figure.title);
        assert!(bytes.len() < 400_000, "{}: {} bytes", figure.title, bytes.len());
    }
}

fn one(kind: PanelKind) -> Figure {
    Figure {
        title: "t".to_owned(),
        subtitle: String::new(),
        panels: vec![Panel { title: String::new(), kind }],
        columns: 1,
    }
}

#[test]
fn figures_without_data_are_errors_and_odd_data_is_not() {
    let lines = |points: Vec<[f64; 2]>| {
        one(PanelKind::Lines(Lines {
            x: Axis::linear("x"),
            y: Axis::log("y"),
            series: vec![Series::line("s", 0, points)],
        }))
    };
    let map = |cells: Vec<Vec<Option<f64>>>| {
        one(PanelKind::HeatMap(HeatPanel {
            x_label: "x".to_owned(),
            x: vec![0.0, 1.0],
            y_label: "y".to_owned(),
            y: vec![0.0],
            cells,
            value_label: "v".to_owned(),
            scale: Scale::Diverging,
        }))
    };
    let nothing = Figure { panels: vec![], ..lines(vec![]) };
    for bad in [
        nothing,
        lines(vec![]),
        lines(vec![[1.0, 0.0]]),
        map(vec![vec![None, None]]),
        map(vec![vec![Some(1.0)]]),
        map(vec![]),
    ] {
        for format in [PlotFormat::Svg, PlotFormat::Png] {
            assert!(matches!(render(&bad, format), Err(EconomicsError::Figure { .. })), "{bad:?}");
        }
    }
    for fine in [
        lines(vec![[1.0, 1.0]]),
        lines(vec![[1.0, 1.0], [f64::NAN, 2.0], [2.0, 1e300], [3.0, 1e-300]]),
        map(vec![vec![Some(1.0), None]]),
        map(vec![vec![Some(-1.0), Some(f64::INFINITY)]]),
    ] {
        assert!(render(&fine, PlotFormat::Svg).is_ok(), "{fine:?}");
    }
    let never = figure::repeated_detection(&AuditLevel::always(0), 30, &[1], 10);
    assert!(render(&never, PlotFormat::Svg).is_err());
    let dots = Series { stroke: Stroke::Dots, band: vec![[0.5, 2.0]], ..Series::line("d", 9, vec![[1.0, 1.0]]) };
    let banded = one(PanelKind::Lines(Lines { x: Axis::linear("x"), y: Axis::linear("y"), series: vec![dots] }));
    assert!(render(&banded, PlotFormat::Png).is_ok());
    assert!(PlotFormat::of_extension(Some("PNG")).is_ok() && PlotFormat::of_extension(Some("gif")).is_err());
    assert!(PlotFormat::of_extension(None).is_err());
}

#[test]
fn figures_travel_as_json() {
    for figure in all() {
        let text = serde_json::to_string(&figure).unwrap();
        let back: Figure = serde_json::from_str(&text).unwrap();
        assert_eq!((back.title, back.panels.len()), (figure.title, figure.panels.len()));
    }
}
