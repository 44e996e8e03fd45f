//! Tables as people read them: columns as wide as what stands in them.

use std::fmt::Write as _;

use super::output::printable;

/// A line of heads, and one for each row. Nothing in a cell moves the cursor.
pub(super) fn columns<const N: usize>(
    heads: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut lines = vec![heads.map(str::to_owned)];
    lines.extend(rows.into_iter().map(|row| row.map(|cell| one_line(&cell))));
    let widths: [usize; N] = std::array::from_fn(|column| {
        let cells = lines.iter().map(|line| line[column].chars().count());
        cells.max().unwrap_or(0)
    });
    let mut text = String::new();
    for cells in lines {
        let mut line = String::new();
        for (cell, width) in cells.iter().zip(widths) {
            let _ = write!(line, "{cell:width$}  ");
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

/// Names one after the other, and `-` for none.
pub(super) fn listed(names: &[Box<str>]) -> String {
    if names.is_empty() {
        "-".to_owned()
    } else {
        names.join(",")
    }
}

/// A line feed in a cell would begin a row that nobody wrote.
fn one_line(cell: &str) -> String {
    printable(cell).replace('\n', "\\u000a")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other_and_a_cell_stays_in_its_place() {
        let rows = [
            ["a".to_owned(), "long name".to_owned()],
            ["äöü".to_owned(), "b\nc\u{1b}[2J".to_owned()],
        ];
        assert_eq!(
            columns(["ID", "NAME"], rows),
            "ID   NAME\na    long name\näöü  b\\u000ac\\u001b[2J\n"
        );
        assert_eq!(columns(["ID"], []), "ID\n");
    }

    #[test]
    fn an_empty_list_is_a_dash() {
        assert_eq!(listed(&[]), "-");
        assert_eq!(listed(&["a".into(), "b".into()]), "a,b");
    }
}
