//! The part of a Dockerfile that is meant, with a few lines around it, a mark at the lines and carets under the words.
//! Knows no diagnostics and no steps.

use std::fmt::Write as _;
use std::ops::Range;

use unicode_width::UnicodeWidthChar;

/// How many lines are shown above and below those that are meant.
const AROUND: usize = 2;
/// How many of the lines that are meant are shown.
const MOST: usize = 12;
/// How much of a line is shown.
const WIDTH: usize = 240;
const RULE: &str = "--------------------";

/// What is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// From 1.
    pub first_line: usize,
    pub last_line: usize,
    /// The very words, as bytes of the whole text; the first line without them.
    pub words: Option<Range<usize>>,
}

/// The lines to show; nothing for a place that is not in the text.
pub fn excerpt(name: &str, text: &str, place: &Place) -> String {
    let lines: Vec<&str> = text.split('\n').collect();
    let (first, last) = (place.first_line, place.last_line.min(lines.len()));
    if first == 0 || first > last {
        return String::new();
    }
    let marked = caret_line(text, &lines, place);
    let mut excerpt = format!("{name}:{}\n{RULE}\n", marked.as_ref().map_or(first, |(line, _)| *line));
    let end = last.min(first + MOST - 1);
    let after = if end < last { end } else { (last + AROUND).min(lines.len()) };
    for number in first.saturating_sub(AROUND).max(1)..=after {
        let mark = if (first..=last).contains(&number) { ">>> " } else { "    " };
        let line: String = lines[number - 1].trim_end_matches('\r').chars().take(WIDTH).collect();
        let _ = writeln!(excerpt, "{}", format!("{number:4} | {mark}{line}").trim_end());
        if let Some((_, carets)) = marked.as_ref().filter(|(line, _)| *line == number) {
            let _ = writeln!(excerpt, "     |     {carets}");
        }
    }
    if end < last {
        let _ = writeln!(excerpt, "     | >>> … {} more lines", last - end);
    }
    excerpt + RULE + "\n"
}

/// The line that gets carets, and they.
fn caret_line(text: &str, lines: &[&str], place: &Place) -> Option<(usize, String)> {
    let words = match &place.words {
        Some(words) => words.clone(),
        None => {
            let line = lines.get(place.first_line - 1)?;
            let start = lines[..place.first_line - 1].iter().map(|line| line.len() + 1).sum::<usize>();
            let indent = line.len() - line.trim_start().len();
            start + indent..start + line.trim_end().len()
        }
    };
    let before = text.get(..words.start)?;
    let number = before.matches('\n').count() + 1;
    let line = lines.get(number - 1)?;
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let (from, to) = (words.start - start, (words.end.max(words.start) - start).min(line.trim_end().len()));
    let indent: String = line
        .get(..from)?
        .chars()
        .map(|c| if c == '\t' { "\t".to_owned() } else { " ".repeat(c.width().unwrap_or(0)) })
        .collect();
    let wide: usize = line.get(from..to.max(from))?.chars().map(|c| c.width().unwrap_or(0)).sum();
    (from < WIDTH).then(|| (number, indent + &"^".repeat(wide.clamp(1, WIDTH - from))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    const TEXT: &str = "FROM busybox\n\nCOPY . .\nRUN echo 1 && \\\n  false\n\nCMD sh\n\tUSER häns me\n";

    fn lines(first_line: usize, last_line: usize) -> Place {
        Place { first_line, last_line, words: None }
    }

    #[test]
    fn the_lines_that_are_meant_are_marked() {
        expect![[r#"
            deploy/Dockerfile:4
            --------------------
               2 |
               3 |     COPY . .
               4 | >>> RUN echo 1 && \
                 |     ^^^^^^^^^^^^^^^
               5 | >>>   false
               6 |
               7 |     CMD sh
            --------------------
        "#]]
        .assert_eq(&excerpt("deploy/Dockerfile", TEXT, &lines(4, 5)));
    }

    #[test]
    fn words_get_the_carets() {
        let start = TEXT.find("häns").expect("it is there");
        let place = Place { words: Some(start..start + "häns".len()), ..lines(8, 8) };
        expect![[r#"
            Dockerfile:8
            --------------------
               6 |
               7 |     CMD sh
               8 | >>> 	USER häns me
                 |     	     ^^^^
               9 |
            --------------------
        "#]]
        .assert_eq(&excerpt("Dockerfile", TEXT, &place));
    }

    #[test]
    fn what_does_not_exist_is_not_shown() {
        assert_eq!(excerpt("Dockerfile", "FROM a", &lines(3, 3)), "");
        assert_eq!(excerpt("Dockerfile", "", &lines(0, 0)), "");
        let beyond = Place { words: Some(100..120), ..lines(1, 1) };
        assert!(excerpt("Dockerfile", "FROM a", &beyond).contains(">>> FROM a"));
    }

    #[test]
    fn a_long_instruction_is_cut() {
        let text = "x\n".repeat(100);
        let excerpt = excerpt("Dockerfile", &text, &lines(3, 90));
        assert!(excerpt.lines().count() < 25 && excerpt.contains("76 more lines"), "{excerpt}");
    }
}
