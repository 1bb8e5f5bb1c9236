//! `bowline impact`: which services fail with an item.

use bowline::api::Text;
use bowline::impact::{Impact, ServiceGraph};
use clap::Args;
use serde_json::json;

use super::Outcome;
use super::options::{Options, Style};
use super::render;
use super::session::{self, EstateArgument};
use bowline::failure::Failure;

/// Arguments of `impact`.
#[derive(Args)]
pub struct Arguments {
    /// The item, or several that fail together
    #[arg(required = true, value_name = "ITEM")]
    items: Vec<Text>,

    #[command(flatten)]
    estate: session::EstateOption,
}

/// Prints the services that are hurt.
pub async fn run(options: &Options, arguments: &Arguments) -> Result<Outcome, Failure> {
    let estate = session::load(options, &EstateArgument::from(&arguments.estate)).await?.estate;
    for item in &arguments.items {
        if estate.item(item).is_none() {
            let near = session::nearest(item, estate.items.iter().map(|item| &*item.name));
            let failure = Failure::new(format!("no item is declared under the name `{item}`"));
            return Err(match near {
                Some(near) => failure.hint(format!("did you mean `{near}`?")),
                None => failure.hint("`bowline check` counts what is declared"),
            });
        }
    }
    let graph = ServiceGraph::new(&estate);
    let impacts = graph.effects_of(&arguments.items);
    let value: Vec<_> = impacts.iter().map(|impact| json!({"name": impact.effect.name, "effect": impact.effect.effect, "path": impact.path})).collect();
    let whole = json!({"apiVersion": bowline::api::API_VERSION, "kind": "Impact", "items": arguments.items, "services": value});
    options.print(&whole, |style| text(style, &arguments.items, &impacts))?;
    Ok(Outcome::Done)
}

fn text(style: Style, items: &[Text], impacts: &[Impact]) -> String {
    let items = items.join(" and ");
    if impacts.is_empty() {
        return format!("If {items} fails, no declared service is hurt.\n");
    }
    if style.markdown {
        let rows: Vec<Vec<String>> = impacts
            .iter()
            .map(|impact| vec![impact.effect.name.to_string(), bowline::change::effect_name(impact.effect.effect).to_owned(), impact.path.join(" → ")])
            .collect();
        return render::table::table(style, &["Service", "Effect", "By way of"], &rows);
    }
    let width = impacts.iter().map(|impact| impact.effect.name.chars().count()).max().unwrap_or(0);
    let mut text = format!("If {} fails:\n", style.bold(&items));
    for impact in impacts {
        let effect = render::effect(style, impact.effect.effect);
        let pad = " ".repeat(9_usize.saturating_sub(bowline::change::effect_name(impact.effect.effect).len()));
        text.push_str(&format!("  {:<width$}  {effect}{pad} {}\n", impact.effect.name, style.dim(&impact.path.join(" → "))));
    }
    text
}
