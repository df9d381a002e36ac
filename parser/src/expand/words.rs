//! Where a text falls into words while it is expanded. Knows no variable.

/// The words a text falls into.
#[derive(Default)]
pub(super) struct Words {
    done: Vec<String>,
    current: String,
    unwanted: bool,
}

impl Words {
    /// For whom the text alone is enough.
    pub fn unwanted() -> Self {
        Self { unwanted: true, ..Self::default() }
    }

    pub fn are_wanted(&self) -> bool {
        !self.unwanted
    }

    /// White space in `text` separates words.
    pub fn push_str(&mut self, text: &str) {
        if self.unwanted {
            return;
        }
        let mut rest = text;
        while let Some(end) = rest.find(char::is_whitespace) {
            self.current.push_str(&rest[..end]);
            if !self.current.is_empty() {
                self.done.push(std::mem::take(&mut self.current));
            }
            rest = rest[end..].trim_start();
        }
        self.current.push_str(rest);
    }

    /// BuildKit loses what a word began with when a reference in it holds a text (`a${x:-b}`): so `<<${n:-2}` is no
    /// here-document, and `EXPOSE 80${x:-81}` is port 81.
    pub fn forget_if(&mut self, nested: bool) {
        if nested {
            self.current.clear();
        }
    }

    /// White space in `text` separates nothing.
    pub fn push_quoted(&mut self, text: &str) {
        if !self.unwanted {
            self.current.push_str(text);
        }
    }

    pub fn finish(mut self) -> Vec<String> {
        if !self.current.is_empty() {
            self.done.push(self.current);
        }
        self.done
    }
}
