//! Columns as wide as what is in them.

/// Lines of a table with a heading; the last column is not padded.
pub(super) fn lines<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> Vec<String> {
    let mut widths = heading.map(|cell| cell.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: [&str; N]| {
        let padded: Vec<_> = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    let heading = line(heading);
    std::iter::once(heading).chain(rows.iter().map(|row| line(row.each_ref().map(String::as_str)))).collect()
}

/// Text for one line of a terminal: at most so many characters, none of which moves the cursor.
pub(super) fn plain(text: &str, most: usize) -> String {
    let mut plain: String = text.chars().take(most).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().count() > most {
        plain.pop();
        plain.push('…');
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [["a".to_owned(), "b".to_owned()], ["größer".to_owned(), "c".to_owned()]];
        assert_eq!(lines(["x", "y"], &rows), ["x       y", "a       b", "größer  c"]);
    }

    #[test]
    fn texts_of_others_move_no_cursor() {
        assert_eq!(plain("a\u{1b}[2Jb\nc", 20), "a [2Jb c");
        assert_eq!(plain("abcdef", 4), "abc…");
    }
}
