//! Where a text falls into words while it is expanded. Knows no variable.

/// The words a text falls into.
#[derive(Default)]
pub(super) struct Words {
    done: Vec<String>,
    current: String,
}

impl Words {
    pub fn push(&mut self, c: char) {
        if !c.is_whitespace() {
            self.current.push(c);
        } else if !self.current.is_empty() {
            self.done.push(std::mem::take(&mut self.current));
        }
    }

    /// White space in `text` separates nothing.
    pub fn push_quoted(&mut self, text: &str) {
        self.current.push_str(text);
    }

    pub fn finish(mut self) -> Vec<String> {
        if !self.current.is_empty() {
            self.done.push(self.current);
        }
        self.done
    }
}
