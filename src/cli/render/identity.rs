//! How an item is recognised, as people read it.

use bowline::change::markdown::one_line;
use bowline::identity::Identity;

use super::super::options::Style;

/// The whole explanation.
pub fn text(style: Style, identity: &Identity) -> String {
    let mut text = match &identity.item {
        Some(item) => format!("{} {}\n", style.bold(item), style.dim(&one_line(&identity.class))),
        None => format!("{} {}\n", style.bold("Not declared"), style.dim(&one_line(&identity.class))),
    };
    section(&mut text, style, "Its names", &identity.names, |name| match &name.compared {
        Some(compared) if **compared == *name.value => format!("{} {}", one_line(&name.identifier), one_line(&name.value)),
        Some(compared) => format!("{} {}, compared as {}", one_line(&name.identifier), one_line(&name.value), one_line(compared)),
        None => format!("{} {}, a placeholder: it identifies nothing", one_line(&name.identifier), one_line(&name.value)),
    });
    let mut number = 0;
    section(&mut text, style, "Rules of its class, the strongest first", &identity.rules, |asked| {
        number += 1;
        let values = if asked.values.is_empty() { style.dim("silent") } else { one_line(&asked.values.join(", ")) };
        format!("{number}. {}: {values}", asked.rule)
    });
    section(&mut text, style, "What is this item", &identity.sightings, |seen| {
        let by = seen.rule.as_ref().map(|rule| format!(" by {rule}")).unwrap_or_default();
        let shared = if seen.shared.is_empty() { String::new() } else { style.dim(&format!("  {}", one_line(&seen.shared.join(", ")))) };
        let silent = if seen.speaks { "" } else { "; its facts do not count beside a better match of this source" };
        format!("{}{by}{silent}{shared}", called(style, &seen.source, &seen.name, &seen.key))
    });
    if identity.sightings.is_empty() {
        text.push_str(&format!("\n{}\n  Nothing that a source found.\n", style.bold("What is this item")));
    }
    section(&mut text, style, "What is not, although it shares something", &identity.refused, |refused| {
        format!("{} would be by {}, but {}", called(style, &refused.source, &refused.name, &refused.key), refused.rule, one_line(&refused.why))
    });
    text
}

fn called(style: Style, source: &str, name: &str, key: &str) -> String {
    let key = if key.is_empty() || key == name { String::new() } else { format!(" ({})", one_line(key)) };
    format!("{source}: {}{key}", style.bold(&one_line(name)))
}

fn section<T>(text: &mut String, style: Style, title: &str, rows: &[T], mut line: impl FnMut(&T) -> String) {
    if rows.is_empty() {
        return;
    }
    let bullet = if style.markdown { "- " } else { "  " };
    text.push_str(&format!("\n{}\n", style.bold(title)));
    for row in rows {
        text.push_str(&format!("{bullet}{}\n", line(row)));
    }
}
