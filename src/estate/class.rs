//! Classes, resolved: built-in and declared ones, each with all that it inherits.

use std::collections::BTreeMap;

use crate::api::ci_class::{AttributeRule, IdentificationRule, TruthRule};
use crate::api::{OnDrift, Table, Text, Value};

/// All classes, by name.
#[derive(Clone, Debug, Default)]
pub struct Classes {
    by_name: BTreeMap<Text, Class>,
}

/// A class with all that it inherits.
#[derive(Clone, Debug, Default)]
pub struct Class {
    /// Its name.
    pub name: Text,
    /// Its own name and its ancestors', nearest first.
    pub lineage: Vec<Text>,
    /// How its attributes compare.
    pub rules: AttributeRules,
    /// Identification rules, strongest first.
    pub identification: Vec<IdentificationRule>,
    /// Values that identify nothing, by identifier.
    pub bogus: Table<Vec<Text>>,
    /// Which source says the truth, the nearest rule first.
    pub truth: Vec<TruthRule>,
    /// What to do about drift.
    pub on_drift: Option<OnDrift>,
    /// The merged JSON Schema of the attributes.
    pub schema: Value,
}

/// How an attribute and the parts of it compare.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AttributeRules {
    /// The rule of the attribute itself.
    pub rule: AttributeRule,
    /// The rules of its parts, if it is a map.
    pub fields: Table<AttributeRules>,
    /// The rules of each value, if it is a list of maps or lists.
    pub each: Option<Box<AttributeRules>>,
}

impl Classes {
    /// The class of this name.
    pub fn get(&self, name: &str) -> Option<&Class> {
        self.by_name.get(name)
    }

    /// All classes, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Class> {
        self.by_name.values()
    }

    /// Whether `name` is `ancestor` or extends it.
    pub fn is_a(&self, name: &str, ancestor: &str) -> bool {
        self.get(name).is_some_and(|class| class.lineage.iter().any(|known| &**known == ancestor))
    }
}

impl FromIterator<Class> for Classes {
    fn from_iter<I: IntoIterator<Item = Class>>(classes: I) -> Self {
        Self { by_name: classes.into_iter().map(|class| (class.name.clone(), class)).collect() }
    }
}
