//! Text that ends before a forge would cut it.

/// The longest that a comment on a pull request is made, in bytes. GitHub takes 65,536 characters.
pub const COMMENT: usize = 60_000;

/// A text that grows in whole pieces until it is full; what no longer fits is counted.
pub struct Bounded {
    text: String,
    room: usize,
    left_out: usize,
}

impl Bounded {
    /// An empty text of at most `room` bytes.
    pub fn new(room: usize) -> Self {
        Self { text: String::new(), room, left_out: 0 }
    }

    /// Adds a piece that counts as one thing (a row, a line), if it fits. After the first that does not, none does, so
    /// that what is shown is always a beginning.
    pub fn add(&mut self, piece: &str) {
        if self.left_out == 0 && self.text.len() + piece.len() <= self.room {
            self.text.push_str(piece);
        } else {
            self.left_out += 1;
        }
    }

    /// Adds what introduces the pieces after it and counts as nothing by itself.
    pub fn introduce(&mut self, piece: &str) {
        if self.left_out == 0 && self.text.len() + piece.len() <= self.room {
            self.text.push_str(piece);
        }
    }

    /// The text, and how many pieces were left out.
    pub fn finish(self) -> (String, usize) {
        (self.text, self.left_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_counted_and_the_rest_is_a_beginning() {
        let mut text = Bounded::new(5);
        text.introduce("#");
        for piece in ["ab", "cd", "ef", "g"] {
            text.add(piece);
        }
        assert_eq!(text.finish(), ("#abcd".to_owned(), 2));
    }
}
