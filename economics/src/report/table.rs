//! A table: columns with units, rows of cells; as text for a terminal and as CSV for programs.

use serde::{Deserialize, Serialize};

use super::format::short_number;

/// A column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Name, as programs see it.
    pub name: String,
    /// Unit for people; may be empty.
    pub unit: String,
}

/// A cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Cell {
    /// Nothing.
    Empty,
    /// Yes or no.
    Flag(bool),
    /// A whole number.
    Count(i64),
    /// A number.
    Number(f64),
    /// Words.
    Text(String),
}

impl From<f64> for Cell {
    fn from(value: f64) -> Self {
        Cell::Number(value)
    }
}

impl From<u32> for Cell {
    fn from(value: u32) -> Self {
        Cell::Count(value.into())
    }
}

impl From<u64> for Cell {
    fn from(value: u64) -> Self {
        i64::try_from(value).map_or(Cell::Number(value as f64), Cell::Count)
    }
}

impl From<usize> for Cell {
    fn from(value: usize) -> Self {
        Cell::from(value as u64)
    }
}

impl From<bool> for Cell {
    fn from(value: bool) -> Self {
        Cell::Flag(value)
    }
}

impl From<&str> for Cell {
    fn from(value: &str) -> Self {
        Cell::Text(value.to_owned())
    }
}

impl From<String> for Cell {
    fn from(value: String) -> Self {
        Cell::Text(value)
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Cell::Empty, Into::into)
    }
}

/// A table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// Columns.
    pub columns: Vec<Column>,
    /// Rows, as long as there are columns.
    pub rows: Vec<Vec<Cell>>,
}

impl Table {
    /// An empty table of `name [unit]` columns.
    pub fn new(columns: &[(&str, &str)]) -> Self {
        let column = |(name, unit): &(&str, &str)| Column { name: (*name).to_owned(), unit: (*unit).to_owned() };
        Self { columns: columns.iter().map(column).collect(), rows: Vec::new() }
    }

    /// Adds a row; missing cells are empty.
    pub fn push(&mut self, mut row: Vec<Cell>) {
        row.resize(self.columns.len(), Cell::Empty);
        self.rows.push(row);
    }

    /// RFC 4180, numbers with all their digits, units in the header as `name (unit)`.
    pub fn to_csv(&self) -> String {
        let mut text = String::new();
        let header = self.columns.iter().map(|column| {
            quoted(&if column.unit.is_empty() {
                column.name.clone()
            } else {
                format!("{} ({})", column.name, column.unit)
            })
        });
        push_line(&mut text, header);
        for row in &self.rows {
            push_line(&mut text, row.iter().map(csv_cell));
        }
        text
    }

    /// Aligned columns: names, units, rows.
    pub fn to_text(&self) -> String {
        let mut lines: Vec<Vec<String>> = vec![self.columns.iter().map(|column| column.name.clone()).collect()];
        if self.columns.iter().any(|column| !column.unit.is_empty()) {
            lines.push(self.columns.iter().map(|column| column.unit.clone()).collect());
        }
        let heading = lines.len();
        lines.extend(self.rows.iter().map(|row| row.iter().map(text_cell).collect()));
        let width = |index: usize| lines.iter().map(|line| line[index].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        let is_text = |index: usize| self.rows.iter().any(|row| matches!(row[index], Cell::Text(_)));
        let left: Vec<bool> = (0..self.columns.len()).map(is_text).collect();
        let mut text = String::new();
        for (number, line) in lines.iter().enumerate() {
            let cells = line.iter().enumerate().map(|(index, cell)| {
                let padding = " ".repeat(widths[index] - cell.chars().count());
                if left[index] { format!("{cell}{padding}") } else { format!("{padding}{cell}") }
            });
            text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
            text.push('\n');
            if number + 1 == heading {
                let rule = widths.iter().map(|&width| "-".repeat(width)).collect::<Vec<_>>().join("  ");
                text.push_str(&rule);
                text.push('\n');
            }
        }
        text
    }
}

fn push_line(text: &mut String, cells: impl Iterator<Item = String>) {
    text.push_str(&cells.collect::<Vec<_>>().join(","));
    text.push_str("\r\n");
}

fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

fn csv_cell(cell: &Cell) -> String {
    match cell {
        Cell::Empty => String::new(),
        Cell::Flag(value) => value.to_string(),
        Cell::Count(value) => value.to_string(),
        Cell::Number(value) => format!("{value:?}"),
        Cell::Text(text) => quoted(text),
    }
}

fn text_cell(cell: &Cell) -> String {
    match cell {
        Cell::Empty => "-".to_owned(),
        Cell::Flag(value) => if *value { "yes" } else { "no" }.to_owned(),
        Cell::Count(value) => value.to_string(),
        Cell::Number(value) => short_number(*value),
        Cell::Text(text) => text.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&[("name", ""), ("cost", "USD"), ("fine", "")]);
        table.push(vec!["a, \"b\"".into(), 0.1.into(), true.into()]);
        table.push(vec!["c".into(), Cell::from(None::<f64>)]);
        table
    }

    #[test]
    fn csv_is_quoted_and_keeps_all_digits() {
        let expected = "name,cost (USD),fine\r\n\"a, \"\"b\"\"\",0.1,true\r\nc,,\r\n";
        assert_eq!(table().to_csv(), expected);
        let mut digits = Table::new(&[("x", "")]);
        digits.push(vec![(1.0 / 3.0).into()]);
        assert!(digits.to_csv().contains("0.3333333333333333"));
    }

    #[test]
    fn text_is_aligned() {
        let lines = [
            "name    cost  fine",
            "         USD",
            "------  ----  ----",
            "a, \"b\"   0.1   yes",
            "c          -     -",
            "",
        ];
        assert_eq!(table().to_text(), lines.join("\n"));
    }
}
