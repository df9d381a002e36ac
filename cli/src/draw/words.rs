//! Words as they can be shown: one line, no control characters, no wider than there is room. What a Dockerfile says comes
//! from anybody.

use unicode_width::UnicodeWidthChar;

/// `text` in one line: white space is a blank, and what would do something to a terminal or turn the text around is
/// replaced.
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            char if char.is_whitespace() => {
                if !line.ends_with(' ') {
                    line.push(' ');
                }
            }
            char if is_unshowable(char) => line.push('\u{fffd}'),
            char => line.push(char),
        }
    }
    line.trim().to_owned()
}

/// The same, with its lines and tabs as they are.
pub fn lines(text: &str) -> String {
    text.replace("\r\n", "\n")
        .chars()
        .map(|char| if !matches!(char, '\n' | '\t') && is_unshowable(char) { '\u{fffd}' } else { char })
        .collect()
}

/// At most `columns` of `text`, the last of them an ellipsis where something is left out.
pub fn shortened(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let (mut kept, mut used) = (String::new(), 0);
    for char in text.chars() {
        let wide = char.width().unwrap_or(0);
        if used + wide + 1 > columns {
            break;
        }
        kept.push(char);
        used += wide;
    }
    kept.truncate(kept.trim_end().len());
    kept.push('…');
    kept
}

/// An instruction on at most as many columns: its flags are the first to be left out, since what it does comes after them.
pub fn fitted(instruction: &str, columns: usize) -> String {
    if width(instruction) <= columns {
        return instruction.to_owned();
    }
    let Some((keyword, mut rest)) = instruction.split_once(' ') else { return shortened(instruction, columns) };
    while let Some((_, after)) = rest.split_once(' ').filter(|(flag, _)| flag.starts_with("--")) {
        rest = after;
    }
    shortened(&format!("{keyword} {rest}"), columns)
}

/// The columns that `text` takes.
pub fn width(text: &str) -> usize {
    text.chars().map(|char| char.width().unwrap_or(0)).sum()
}

/// `text` on `columns`, blanks after it.
pub fn padded(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width(text))))
}

/// Controls, marks that turn the direction of writing, and what is no character.
fn is_unshowable(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        || matches!(char, '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_text_is_one_harmless_line() {
        assert_eq!(one_line(" RUN a\n\t b\u{1b}[2J\u{202e}c\0 "), "RUN a b\u{fffd}[2J\u{fffd}c\u{fffd}");
        assert_eq!(lines("a\r\n\tb\u{1b}"), "a\n\tb\u{fffd}");
    }

    #[test]
    fn what_is_too_wide_is_shortened() {
        assert_eq!(shortened("RUN make", 8), "RUN make");
        assert_eq!(shortened("RUN make all", 8), "RUN mak…");
        assert_eq!(shortened("RUN  make", 5), "RUN…");
        assert_eq!(shortened("漢字漢字", 5), "漢字…");
        assert_eq!(fitted("RUN --mount=type=ssh git pull", 16), "RUN git pull");
        assert_eq!(fitted("RUN --a b", 16), "RUN --a b");
        assert_eq!(padded("漢", 4), "漢  ");
    }
}
