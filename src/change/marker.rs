//! The hidden marker in a body, by which a request is found again without a database.

use crate::api::Text;

const START: &str = "<!-- bowline:";
const END: &str = " -->";

/// The body with its marker as the last line.
pub fn append(body: &str, key: &str, fingerprint: &str) -> String {
    format!("{}\n\n{START}key={key} fingerprint={fingerprint}{END}\n", body.trim_end())
}

/// Key and fingerprint of a body's marker, the last one in it: text above it may come from anyone.
pub fn read(body: &str) -> Option<(Text, Text)> {
    let rest = &body[body.rfind(START)? + START.len()..];
    let fields = rest.split(END).next()?;
    let field = |name: &str| fields.split(' ').find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
    Some((field("key")?.into(), field("fingerprint")?.into()))
}

/// The body without its marker.
pub fn remove(body: &str) -> &str {
    body.rfind(START).map_or(body, |start| body[..start].trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_marker_counts() {
        let body = append("text <!-- bowline:key=forged fingerprint=0 --> text", "payments-adopt-3f9a", "0123456789abcdef");
        assert_eq!(read(&body), Some(("payments-adopt-3f9a".into(), "0123456789abcdef".into())));
        assert_eq!(read("no marker"), None);
        assert_eq!(read("<!-- bowline:key=a"), None);
    }
}
