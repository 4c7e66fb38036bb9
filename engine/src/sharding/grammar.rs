//! Plans as text: parts joined by commas, in any order.
//!
//! `solo`, `stream`, `cfg=2`, `depth=N` or `depth=L:L:...` (levels of each stage), `frames=N` or `frames=F:F:...`, `params=N`,
//! `window=N` or `window=F:F:...` with `/OVERLAP`, `/context` and `/end` behind it.

use std::fmt;
use std::str::FromStr;

use super::cut::Cut;
use super::error::PlanError;
use super::plan::{Blend, DEFAULT_OVERLAP, Holding, MAX_MEMBERS, Plan, Spread, Windows};

/// Longest text that is read.
const MAX_CHARS: usize = 512;
/// Largest number in a plan.
const MAX_NUMBER: usize = 4096;

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if self.branches {
            parts.push("cfg=2".to_owned());
        }
        if let Some(cut) = &self.depth {
            parts.push(format!("depth={cut}"));
        }
        match &self.frames {
            Spread::Whole => {}
            Spread::Shards(cut) => parts.push(format!("frames={cut}")),
            Spread::Windows(Windows { cut, overlap, context, blend }) => {
                let context = if *context { "/context" } else { "" };
                let end = if *blend == Blend::AtEnd { "/end" } else { "" };
                parts.push(format!("window={cut}/{overlap}{context}{end}"));
            }
        }
        match self.weights {
            Holding::Resident => {}
            Holding::Streamed => parts.push("stream".to_owned()),
            Holding::Shared(n) => parts.push(format!("params={n}")),
        }
        if parts.is_empty() { f.write_str("solo") } else { f.write_str(&parts.join(",")) }
    }
}

impl FromStr for Plan {
    type Err = PlanError;

    fn from_str(text: &str) -> Result<Self, PlanError> {
        if text.chars().count() > MAX_CHARS {
            return Err(PlanError::Grammar { part: "...".to_owned(), expected: "a plan of at most 512 characters" });
        }
        let mut plan = Plan::default();
        let parts: Vec<&str> = text.split(',').map(str::trim).collect();
        let mut seen = Vec::new();
        for part in &parts {
            let (name, value) = part.split_once('=').map_or((*part, None), |(name, value)| (name, Some(value)));
            if seen.contains(&name) {
                return Err(PlanError::Twice { part: name.to_owned() });
            }
            seen.push(name);
            read_part(&mut plan, part, name, value)?;
        }
        if plan.members() > MAX_MEMBERS {
            return Err(PlanError::TooManyMembers { members: plan.members(), most: MAX_MEMBERS });
        }
        if let Holding::Shared(parts) = plan.weights
            && parts < plan.computing()
        {
            return Err(PlanError::TooFewHolders { parts, computing: plan.computing() });
        }
        Ok(plan)
    }
}

fn read_part(plan: &mut Plan, part: &str, name: &str, value: Option<&str>) -> Result<(), PlanError> {
    let wrong = |expected| PlanError::Grammar { part: part.to_owned(), expected };
    let clash = |with: &'static str| PlanError::Clash { part: part.to_owned(), with };
    match (name, value) {
        ("solo", None) => {}
        ("stream", None) if plan.weights == Holding::Resident => plan.weights = Holding::Streamed,
        ("stream", None) => return Err(clash("params=")),
        ("cfg", Some("2")) => plan.branches = true,
        ("cfg", _) => return Err(wrong("`cfg=2`: guidance has two branches")),
        ("depth", Some(value)) => {
            let cut = cut(value).filter(|cut| cut.parts() >= 2);
            plan.depth = Some(cut.ok_or_else(|| wrong("`depth=N` with N from 2, or levels per stage as `depth=1:3`"))?);
        }
        ("frames", Some(value)) if plan.frames == Spread::Whole => {
            let cut = cut(value).ok_or_else(|| wrong("`frames=N`, or frames of each member as `frames=5:3:8`"))?;
            plan.frames = Spread::Shards(cut);
        }
        ("window", Some(value)) if plan.frames == Spread::Whole => {
            plan.frames = windows(value).map(Spread::Windows).ok_or_else(|| {
                wrong("`window=N`, `window=N/OVERLAP`, with `/context` and `/end` behind it if wanted")
            })?;
        }
        ("frames", Some(_)) => return Err(clash("window=")),
        ("window", Some(_)) => return Err(clash("frames=")),
        ("params", Some(value)) if plan.weights == Holding::Resident => {
            let parts = number(value).filter(|parts| *parts >= 2);
            plan.weights = Holding::Shared(parts.ok_or_else(|| wrong("`params=N` with N from 2"))?);
        }
        ("params", Some(_)) => return Err(clash("stream")),
        _ => return Err(wrong("one of solo, stream, cfg=2, depth=, frames=, params= and window=")),
    }
    Ok(())
}

fn number(text: &str) -> Option<usize> {
    // `parse` alone would take a sign and leading zeros.
    let plain = !text.is_empty() && text.len() <= 4 && text.bytes().all(|byte| byte.is_ascii_digit());
    let plain = plain && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|&number| plain && number <= MAX_NUMBER)
}

fn cut(text: &str) -> Option<Cut> {
    let lengths = text.split(':').map(number).collect::<Option<Vec<_>>>()?;
    if lengths.contains(&0) {
        return None;
    }
    match lengths.as_slice() {
        [parts] => Some(Cut::Even(*parts)),
        _ => Some(Cut::Given(lengths)),
    }
}

fn windows(text: &str) -> Option<Windows> {
    let mut words = text.split('/');
    let mut windows =
        Windows { cut: cut(words.next()?)?, overlap: DEFAULT_OVERLAP, context: false, blend: Blend::EachStep };
    let mut words = words.peekable();
    if let Some(overlap) = words.peek().copied().and_then(number) {
        windows.overlap = overlap;
        words.next();
    }
    windows.context = words.next_if_eq(&"context").is_some();
    if words.next_if_eq(&"end").is_some() {
        windows.blend = Blend::AtEnd;
    }
    words.next().is_none().then_some(windows)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cuts(least: usize) -> impl Strategy<Value = Cut> {
        prop_oneof![
            (least..8_usize).prop_map(Cut::Even),
            proptest::collection::vec(1..40_usize, 2..6).prop_map(Cut::Given)
        ]
    }

    fn plans() -> impl Strategy<Value = Plan> {
        let windows = (cuts(1), 0..9_usize, any::<bool>(), any::<bool>()).prop_map(|(cut, overlap, context, end)| {
            let blend = if end { Blend::AtEnd } else { Blend::EachStep };
            Spread::Windows(Windows { cut, overlap, context, blend })
        });
        let frames = prop_oneof![Just(Spread::Whole), cuts(1).prop_map(Spread::Shards), windows];
        let weights =
            prop_oneof![Just(Holding::Resident), Just(Holding::Streamed), (2..64_usize).prop_map(Holding::Shared)];
        (any::<bool>(), proptest::option::of(cuts(2)), frames, weights)
            .prop_map(|(branches, depth, frames, weights)| Plan { branches, depth, frames, weights })
    }

    proptest! {
        #[test]
        fn text_and_plan_are_the_same_thing(plan in plans()) {
            let text = plan.to_string();
            match text.parse::<Plan>() {
                Ok(read) => prop_assert_eq!(&read, &plan),
                // What is written can be read unless the plan itself is refused.
                Err(PlanError::TooManyMembers { members, .. }) => prop_assert!(members > MAX_MEMBERS),
                Err(PlanError::TooFewHolders { parts, computing }) => prop_assert!(parts < computing),
                Err(error) => return Err(TestCaseError::fail(format!("{text}: {error}"))),
            }
            let json = serde_json::to_string(&plan).unwrap();
            prop_assert_eq!(json, format!("\"{text}\""));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[a-z0-9=:,/ ]{0,40}") {
            if let Ok(plan) = text.parse::<Plan>() {
                prop_assert_eq!(plan.to_string().parse::<Plan>(), Ok(plan));
            }
        }

        #[test]
        fn places_and_ranks_are_the_same_thing(plan in plans()) {
            for rank in 0..plan.computing().min(200) {
                prop_assert_eq!(plan.rank(plan.place(rank).unwrap()), rank);
            }
            prop_assert!(plan.place(plan.computing()).is_none());
        }
    }

    #[test]
    fn order_and_spaces_do_not_count_and_mistakes_are_named() {
        let plan = |text: &str| text.parse::<Plan>();
        assert_eq!(plan("frames=3, cfg=2").unwrap().to_string(), "cfg=2,frames=3");
        assert_eq!(plan("cfg=2,frames=3").unwrap().members(), 6);
        assert_eq!(plan("frames=5:3:8").unwrap().shards(), 3);
        assert_eq!(plan("window=4").unwrap().to_string(), "window=4/2");
        assert_eq!(plan("window=4/context/end").unwrap().to_string(), "window=4/2/context/end");
        assert_eq!(plan("params=4,cfg=2").unwrap().members(), 4);
        assert!(!plan("window=2").unwrap().is_exact());
        for (text, code) in [
            ("", "plan.grammar"),
            ("frames=0", "plan.grammar"),
            ("frames=+3", "plan.grammar"),
            ("frames=03", "plan.grammar"),
            ("frames=3:0", "plan.grammar"),
            ("depth=1", "plan.grammar"),
            ("cfg=3", "plan.grammar"),
            ("params=1", "plan.grammar"),
            ("window=2/end/context", "plan.grammar"),
            ("frames=2,window=2", "plan.clash"),
            ("stream,params=2", "plan.clash"),
            ("cfg=2,cfg=2", "plan.twice"),
            ("frames=65", "plan.too_many_members"),
            ("frames=4,params=2", "plan.too_few_holders"),
        ] {
            let error = plan(text).unwrap_err();
            assert_eq!(error.code(), code, "{text}: {error}");
            assert!(!error.next_step().is_empty());
        }
    }
}
