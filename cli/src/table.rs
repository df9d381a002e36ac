//! Columns as Docker prints them: at least ten characters wide, three apart, the last one as it is.

/// `rows` below `headings`, ready to be printed.
pub fn table<const N: usize>(headings: [&str; N], rows: &[[String; N]]) -> String {
    columns(headings, rows, 10, 3)
}

/// The same with columns that are `least` wide and `apart`.
pub fn columns<const N: usize>(headings: [&str; N], rows: &[[String; N]], least: usize, apart: usize) -> String {
    let mut widths = headings.map(str::len);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in std::iter::once(headings.map(str::to_owned)).chain(rows.iter().cloned()) {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            let width = (width + apart).max(least);
            line += &format!("{cell:width$}");
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::table;
    use expect_test::expect;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["node", "20", "x"], ["docker.io/very/long", "latest", "y"]].map(|row| row.map(str::to_owned));
        expect![[r#"
            REPOSITORY            TAG       ID
            node                  20        x
            docker.io/very/long   latest    y
        "#]]
        .assert_eq(&table(["REPOSITORY", "TAG", "ID"], &rows));
    }
}
