//! The table of GPUs and prices.

use serde::{Deserialize, Serialize};

use crate::check;
use crate::error::{EconomicsError, Result};

/// The table that ships, as TOML with comments: to print, edit and pass back.
pub const SHIPPED_TABLE: &str = include_str!("../../data/prices.toml");

/// How a figure came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Figures {
    /// Measured on the user's own machine.
    Measured,
    /// From a source that is named.
    Published,
    /// Worked out from published figures.
    Derived,
    /// Best knowledge, not checked.
    Estimate,
}

impl Figures {
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Figures::Measured => "measured",
            Figures::Published => "published",
            Figures::Derived => "derived",
            Figures::Estimate => "estimate",
        }
    }
}

/// A price of electricity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Electricity {
    /// Whose.
    pub name: String,
    /// US dollars for a kilowatt hour.
    pub usd_per_kwh: f64,
    /// How the figure came about.
    pub figures: Figures,
    /// Where it is from.
    pub source: String,
    /// When.
    pub date: String,
}

/// A GPU.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gpu {
    /// Its name.
    pub name: String,
    /// Whether people have it at home; the others are for rent only.
    pub home: bool,
    /// Seconds for a step of the table's model.
    pub step_seconds: f64,
    /// Board power.
    pub watts: f64,
    /// How the figures came about.
    pub figures: Figures,
    /// Where they are from.
    pub source: String,
    /// When.
    pub date: String,
}

/// A GPU to rent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CloudOffer {
    /// Its name.
    pub name: String,
    /// Name of a GPU of the table.
    pub gpu: String,
    /// US dollars for an hour.
    pub usd_per_hour: f64,
    /// How the figure came about.
    pub figures: Figures,
    /// Where it is from.
    pub source: String,
    /// When.
    pub date: String,
}

/// All of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceTable {
    /// The model whose step times these are.
    pub model: String,
    /// Steps of a clip.
    pub steps: u32,
    /// Prices of electricity; the first is used unless another is named.
    pub electricity: Vec<Electricity>,
    /// GPUs.
    pub gpu: Vec<Gpu>,
    /// GPUs to rent.
    pub cloud: Vec<CloudOffer>,
}

impl PriceTable {
    /// Reads a table.
    ///
    /// # Errors
    /// Names line, entry or field.
    pub fn parse(text: &str) -> Result<Self> {
        let table: Self =
            toml::from_str(text).map_err(|error| EconomicsError::PriceTable { reason: error.to_string() })?;
        table.check()?;
        Ok(table)
    }

    /// The shipped table.
    ///
    /// # Errors
    /// Never for a released version (tested).
    pub fn shipped() -> Result<Self> {
        Self::parse(SHIPPED_TABLE)
    }

    /// A GPU by name.
    pub fn gpu_named(&self, name: &str) -> Option<&Gpu> {
        self.gpu.iter().find(|gpu| gpu.name == name)
    }

    /// GPUs of people's own computers.
    pub fn home_gpus(&self) -> impl Iterator<Item = &Gpu> {
        self.gpu.iter().filter(|gpu| gpu.home)
    }

    fn check(&self) -> Result<()> {
        let wrong = |reason: String| EconomicsError::PriceTable { reason };
        check::steps(self.steps).map_err(|error| wrong(error.to_string()))?;
        if self.electricity.is_empty() || self.gpu.is_empty() || self.cloud.is_empty() {
            return Err(wrong("electricity, gpu and cloud each need at least one entry".to_owned()));
        }
        let numbers = self
            .electricity
            .iter()
            .map(|entry| (&entry.name, check::amount("usd_per_kwh", entry.usd_per_kwh)))
            .chain(self.gpu.iter().map(|gpu| (&gpu.name, check::positive("step_seconds", gpu.step_seconds))))
            .chain(self.gpu.iter().map(|gpu| (&gpu.name, check::positive("watts", gpu.watts))))
            .chain(self.cloud.iter().map(|offer| (&offer.name, check::positive("usd_per_hour", offer.usd_per_hour))));
        for (entry, checked) in numbers {
            checked.map_err(|error| wrong(format!("{entry}: {error}")))?;
        }
        match self.cloud.iter().find(|offer| self.gpu_named(&offer.gpu).is_none()) {
            Some(offer) => Err(wrong(format!("{}: no gpu of the table is named {:?}", offer.name, offer.gpu))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_table_is_fine_and_every_figure_is_labelled() {
        let table = PriceTable::shipped().unwrap();
        for (source, date) in table
            .gpu
            .iter()
            .map(|gpu| (&gpu.source, &gpu.date))
            .chain(table.cloud.iter().map(|offer| (&offer.source, &offer.date)))
            .chain(table.electricity.iter().map(|entry| (&entry.source, &entry.date)))
        {
            assert!(source.len() > 10 && date.len() >= 7, "{source} {date}");
        }
    }

    /// The derived step times follow from what their source says.
    #[test]
    fn derived_step_times_are_what_their_source_says() {
        for gpu in PriceTable::shipped().unwrap().gpu {
            let Some((_, rest)) = gpu.source.split_once("x 312 / ") else { continue };
            let teraflops: f64 = rest.split_once(' ').unwrap().0.parse().unwrap();
            let expected = 3.3 * 312.0 / teraflops;
            assert!((gpu.step_seconds / expected - 1.0).abs() < 0.01, "{}: {expected}", gpu.name);
        }
    }

    #[test]
    fn bad_tables_are_named() {
        let spoilt = |from: &str, to: &str| {
            assert!(SHIPPED_TABLE.contains(from));
            PriceTable::parse(&SHIPPED_TABLE.replacen(from, to, 1)).unwrap_err().to_string()
        };
        assert!(spoilt("steps = 30", "steps = 0").contains("steps is 0"));
        assert!(spoilt("watts = 450", "watts = -1").contains("RTX 4090: watts"));
        assert!(spoilt("watts = 450", "watts = nan").contains("RTX 4090: watts"));
        assert!(spoilt("gpu = \"L4\"", "gpu = \"L5\"").contains("L5"));
        assert!(spoilt("watts = 450", "wats = 450").contains("wats"));
        assert!(spoilt("figures = \"published\"", "figures = \"guess\"").contains("guess"));
        assert!(PriceTable::parse("").is_err() && PriceTable::parse("[[gpu]").is_err());
    }
}
