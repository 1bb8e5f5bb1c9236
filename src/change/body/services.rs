//! Who is hurt: a table, and a map where it fits.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::api::Text;
use crate::api::change_request::EffectOnService;
use crate::change::effect_name;
use crate::change::markdown::{code, mermaid_label};

use super::Page;

/// The longest Mermaid map, in bytes: what older Gitea shows.
const LONGEST_MAP: usize = 4500;
/// Colours that can be read on light and on dark pages.
const COLOURS: [(EffectOnService, &str, &str); 3] = [
    (EffectOnService::Down, "down", "fill:#f8d7da,stroke:#b02a37,color:#58151c"),
    (EffectOnService::Degraded, "degraded", "fill:#ffe5d0,stroke:#ca6510,color:#653208"),
    (EffectOnService::AtRisk, "atRisk", "fill:#fff3cd,stroke:#997404,color:#664d03"),
];

impl Page<'_> {
    pub(super) fn services(&self) -> String {
        let impacts = self.context.impacts;
        if impacts.is_empty() {
            return "**Impacted services**: none.\n".to_owned();
        }
        let mut text = "## Impacted services\n\n| Service | Effect | By way of |\n|---|---|---|\n".to_owned();
        for impact in impacts.iter().take(self.rows) {
            let _ = writeln!(text, "| {} | {} | {} |", code(&impact.effect.name), effect_name(impact.effect.effect), path_of(&impact.path));
        }
        text.push_str(&self.more(impacts.len()));
        if let Some(map) = self.map() {
            let _ = write!(text, "\n```mermaid\n{map}```\n\n{}\n", self.legend());
        }
        text
    }

    /// What the map's colours stand for.
    fn legend(&self) -> String {
        let used = |effect: EffectOnService| self.context.impacts.iter().any(|impact| impact.effect.effect == effect);
        let colours = [(EffectOnService::Down, "red: down"), (EffectOnService::Degraded, "orange: degraded"), (EffectOnService::AtRisk, "yellow: at risk")];
        let colours: Vec<&str> = colours.iter().filter(|(effect, _)| used(*effect)).map(|(_, words)| *words).collect();
        format!("Thick frame: changed; {}.", colours.join(", "))
    }

    /// The map from the changed items to the services, if it fits.
    fn map(&self) -> Option<String> {
        let edges = self.context.graph.around(&self.context.change.items);
        // The shortest step takes more than 20 bytes.
        if edges.is_empty() || edges.len() > LONGEST_MAP / 20 {
            return None;
        }
        let effects: BTreeMap<&Text, EffectOnService> = self.context.impacts.iter().map(|impact| (&impact.effect.name, impact.effect.effect)).collect();
        let mut names: Vec<&Text> = edges.iter().flat_map(|edge| [&edge.from, &edge.to]).collect();
        names.sort();
        names.dedup();
        let id = |name: &Text| names.binary_search(&name).unwrap_or_default();
        let mut map = "graph LR\n".to_owned();
        for (index, name) in names.iter().enumerate() {
            let (open, close) = if effects.contains_key(name) { ("([", "])") } else { ("[", "]") };
            let _ = writeln!(map, "  n{index}{open}{}{close}", mermaid_label(name));
        }
        for edge in &edges {
            let label = if edge.label.is_empty() { String::new() } else { format!("|{}|", mermaid_label(&edge.label)) };
            let _ = writeln!(map, "  n{} -->{label} n{}", id(&edge.from), id(&edge.to));
        }
        let of = |wanted: &dyn Fn(&Text) -> bool| {
            let ids: Vec<String> = names.iter().enumerate().filter(|(_, name)| wanted(name)).map(|(index, _)| format!("n{index}")).collect();
            ids.join(",")
        };
        for (effect, class, style) in COLOURS {
            let hurt = of(&|name| effects.get(name) == Some(&effect));
            if !hurt.is_empty() {
                let _ = write!(map, "  classDef {class} {style}\n  class {hurt} {class}\n");
            }
        }
        let changed = of(&|name| self.context.change.items.binary_search(name).is_ok());
        if !changed.is_empty() {
            let _ = write!(map, "  classDef changed stroke-width:4px\n  class {changed} changed\n");
        }
        (map.len() <= LONGEST_MAP).then_some(map)
    }
}

/// The way from an item to a service, its middle left out where it is long.
fn path_of(path: &[Text]) -> String {
    let steps = |steps: &[Text]| steps.iter().map(|step| code(step)).collect::<Vec<_>>().join(" → ");
    match path {
        [first @ .., last] if first.len() > 5 => {
            let begin = first.get(..3).unwrap_or_default();
            format!("{} → {} more → {}", steps(begin), first.len() - 3, code(last))
        }
        short => steps(short),
    }
}
