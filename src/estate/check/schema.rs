//! JSON Schema's findings in the words of people, each with its path.

use jsonschema::error::{TypeKind, ValidationErrorKind as Broken};
use jsonschema::{JsonType, PatternOptions, ValidationError, Validator};
use serde_json::Value as Json;

use super::nearest;

/// A mistake in a document, before its place is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    /// The names and indices that lead to the value.
    pub path: Vec<String>,
    /// Whether the name is wrong rather than the value.
    pub on_name: bool,
    /// The rule that is broken.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

impl Mistake {
    /// A mistake of the value at `path`, whose parts are joined by dots.
    pub fn at(path: &str, code: &'static str, message: impl Into<String>) -> Self {
        Self { path: steps(path), on_name: false, code, message: message.into(), hint: None }
    }

    /// The same with what to do.
    pub fn hint(self, hint: impl Into<Option<String>>) -> Self {
        Self { hint: hint.into(), ..self }
    }

    /// The same about the name of the value.
    pub fn on_name(self) -> Self {
        Self { on_name: true, ..self }
    }
}

/// The parts of a dotted path.
pub(crate) fn steps(path: &str) -> Vec<String> {
    path.split('.').filter(|step| !step.is_empty()).map(str::to_owned).collect()
}

/// How a message names a value that is sensitive, or counts as such.
const HIDDEN: &str = "a value that is not shown";

/// A schema that was compiled, with its text for the sake of hints.
#[derive(Debug)]
pub(crate) struct Compiled {
    schema: Json,
    validator: Validator,
}

/// A pattern of a declared schema may take this much memory once compiled.
const PATTERN_BYTES: usize = 1 << 20;

impl Compiled {
    /// Compiles a schema. Patterns take linear time, and no reference leads out of the schema.
    pub fn new(schema: Json) -> Result<Self, String> {
        let options = jsonschema::draft202012::options().with_pattern_options(PatternOptions::regex().size_limit(PATTERN_BYTES).dfa_size_limit(PATTERN_BYTES));
        let validator = options.build(&schema).map_err(|error| {
            let place = error.instance_path().as_str().trim_start_matches('/').replace('/', ".");
            let at = if place.is_empty() { String::new() } else { format!(" at `{place}`") };
            match error.kind() {
                Broken::Referencing(_) => format!("this JSON Schema refers{at} to something outside of it, which is never read"),
                _ => format!("this is not a JSON Schema{at}: {error}"),
            }
        })?;
        Ok(Self { schema, validator })
    }

    /// Whether a value satisfies it.
    pub fn is_valid(&self, value: &Json) -> bool {
        self.validator.is_valid(value)
    }

    /// Every mistake in a value. `secret` says of which paths the value is never shown.
    pub fn mistakes(&self, value: &Json, secret: &dyn Fn(&[String]) -> bool) -> Vec<Mistake> {
        let mut mistakes = Vec::new();
        for error in self.validator.iter_errors(value) {
            self.describe(&error, secret, &mut mistakes);
        }
        mistakes.sort_by(|a, b| (&a.path, &a.message).cmp(&(&b.path, &b.message)));
        mistakes.dedup();
        mistakes
    }

    fn describe(&self, error: &ValidationError, secret: &dyn Fn(&[String]) -> bool, mistakes: &mut Vec<Mistake>) {
        let path: Vec<String> = error.instance_path().iter().map(|step| step.to_string()).collect();
        let value = error.instance().as_ref();
        let found = if secret(&path) { HIDDEN.to_owned() } else { shown(value) };
        let subject = subject(&path);
        let mut say = |code, message: String, hint: Option<String>| mistakes.push(Mistake { path: path.clone(), on_name: false, code, message, hint });
        let range = |rule: &str, limit: &dyn std::fmt::Display| format!("{subject} must be {rule} {limit}, found {found}");
        match error.kind() {
            Broken::Type { kind } => {
                let hint = if secret(&path) { None } else { hint_for_type(kind, value) };
                say("wrong-type", format!("{subject} must be {}, found {found}", types(kind)), hint);
            }
            Broken::AdditionalProperties { .. } | Broken::UnevaluatedProperties { .. } if secret(&path) => {
                say("unknown-field", format!("{subject} holds a name that is not known, and is sensitive, so it is not shown"), None);
            }
            Broken::AdditionalProperties { unexpected } | Broken::UnevaluatedProperties { unexpected } => {
                let known = self.known_names(error);
                for name in unexpected {
                    let hint = nearest(name, known.iter().map(String::as_str)).map(|near| format!("did you mean `{near}`?"));
                    let hint = hint.or_else(|| (!known.is_empty()).then(|| format!("known here: {}", known.join(", "))));
                    let path: Vec<String> = path.iter().cloned().chain([name.clone()]).collect();
                    let message = format!("`{name}` is not known {}", if path_is_root(&path) { "here".to_owned() } else { format!("in {subject}") });
                    mistakes.push(Mistake { path, on_name: true, code: "unknown-field", message, hint });
                }
            }
            Broken::Required { property } => {
                let name = property.as_str().unwrap_or_default();
                say("missing-field", format!("{subject} needs `{name}`"), Some(format!("add `{name}`")));
            }
            Broken::Enum { options } => one_of(options.as_array().map_or(&[], Vec::as_slice), value, &subject, &found, &mut say),
            Broken::Constant { expected_value } => one_of(std::slice::from_ref(expected_value.as_ref()), value, &subject, &found, &mut say),
            Broken::AnyOf { context } | Broken::OneOfNotValid { context } => self.branches(context, error, secret, mistakes),
            Broken::Minimum { limit } => say("wrong-type", range("at least", limit), None),
            Broken::Maximum { limit } => say("wrong-type", range("at most", limit), None),
            Broken::ExclusiveMinimum { limit } => say("wrong-type", range("more than", limit), None),
            Broken::ExclusiveMaximum { limit } => say("wrong-type", range("less than", limit), None),
            Broken::MultipleOf { multiple_of } => say("wrong-type", range("a multiple of", multiple_of), None),
            Broken::MinLength { limit } => say("wrong-type", format!("{subject} must have at least {limit} characters"), None),
            Broken::MaxLength { limit } => say("wrong-type", format!("{subject} must have at most {limit} characters"), None),
            Broken::MinItems { limit } => say("wrong-type", format!("{subject} must have at least {limit} entries"), None),
            Broken::MaxItems { limit } => say("wrong-type", format!("{subject} must have at most {limit} entries"), None),
            Broken::AdditionalItems { limit } => say("wrong-type", format!("{subject} must have at most {limit} entries"), None),
            Broken::MinProperties { limit } => say("wrong-type", format!("{subject} must have at least {limit} fields"), None),
            Broken::MaxProperties { limit } => say("wrong-type", format!("{subject} must have at most {limit} fields"), None),
            Broken::UniqueItems => say("wrong-type", format!("{subject} names something twice"), Some("remove the repeated entry".to_owned())),
            Broken::Pattern { pattern } => say("wrong-type", format!("{subject} does not have the form `{pattern}`, found {found}"), None),
            Broken::Format { format } => say("wrong-type", format!("{subject} is no {format}, found {found}"), None),
            Broken::Contains => say("wrong-type", format!("{subject} does not contain what it must"), None),
            Broken::FalseSchema => say("wrong-type", format!("{subject} is not allowed here"), None),
            Broken::Not { .. } => say("wrong-type", format!("{subject} is what it must not be, {found}"), None),
            Broken::OneOfMultipleValid { .. } => say("wrong-type", format!("{subject} is of more than one of the forms of which it may have one"), None),
            Broken::PropertyNames { error } => say("wrong-type", format!("a name in {subject} is not allowed: {}", error.masked()), None),
            _ => say("wrong-type", format!("{subject}: {}", error.masked()), None),
        }
    }

    /// None of several forms fits: the mistakes of the one that was most likely meant.
    fn branches(&self, context: &[Vec<ValidationError<'static>>], error: &ValidationError, secret: &dyn Fn(&[String]) -> bool, mistakes: &mut Vec<Mistake>) {
        let path: Vec<String> = error.instance_path().iter().map(|step| step.to_string()).collect();
        let constants: Vec<Json> = context.iter().flatten().filter_map(constant).collect();
        // A choice between constants, as enumerations are written.
        if !constants.is_empty() && constants.len() >= context.iter().filter(|branch| !is_other_type(branch, error)).count() {
            let found = if secret(&path) { HIDDEN.to_owned() } else { shown(error.instance()) };
            let mut say = |code, message, hint| mistakes.push(Mistake { path: path.clone(), on_name: false, code, message, hint });
            return one_of(&constants, error.instance(), &subject(&path), &found, &mut say);
        }
        let meant = context.iter().filter(|branch| !is_other_type(branch, error)).min_by_key(|branch| branch.len());
        for inner in meant.or_else(|| context.first()).into_iter().flatten() {
            self.describe(inner, secret, mistakes);
        }
    }

    /// The names that the schema knows where `error` found one that it does not.
    fn known_names(&self, error: &ValidationError) -> Vec<String> {
        let keyword = error.schema_path().as_str();
        let parent = keyword.rsplit_once('/').map_or("", |(parent, _)| parent);
        let properties = self.schema.pointer(parent).and_then(|schema| schema.get("properties")).and_then(Json::as_object);
        properties.map(|known| known.keys().cloned().collect()).unwrap_or_default()
    }
}

/// A value that is none of those that it may be.
fn one_of(options: &[Json], value: &Json, subject: &str, found: &str, say: &mut dyn FnMut(&'static str, String, Option<String>)) {
    let known: Vec<String> = options.iter().filter(|option| !option.is_null()).map(plain).collect();
    let hint = value
        .as_str()
        .filter(|_| found != HIDDEN)
        .and_then(|written| nearest(written, known.iter().map(String::as_str)))
        .map(|near| format!("did you mean `{near}`?"));
    let rule = if known.len() == 1 { "must be" } else { "must be one of" };
    say("unknown-value", format!("{subject} {rule} {}, found {found}", known.join(", ")), hint);
}

fn path_is_root(path: &[String]) -> bool {
    path.len() == 1
}

fn constant(error: &ValidationError<'static>) -> Option<Json> {
    if let Broken::Constant { expected_value } = error.kind() { Some(expected_value.as_ref().clone()) } else { None }
}

/// Whether a form was not meant at all, because it is of another type than the value.
fn is_other_type(branch: &[ValidationError<'static>], whole: &ValidationError) -> bool {
    branch.iter().any(|error| matches!(error.kind(), Broken::Type { .. }) && error.instance_path() == whole.instance_path())
        && !branch.iter().any(|error| matches!(error.kind(), Broken::Constant { .. }))
}

/// How a message names the value at a path.
fn subject(path: &[String]) -> String {
    let mut name = String::new();
    for step in path.iter().rev() {
        let index = step.bytes().all(|mark| mark.is_ascii_digit());
        name = if index { format!("[{step}]{name}") } else { format!("{step}{name}") };
        if !index {
            break;
        }
    }
    if name.is_empty() { "the document".to_owned() } else { format!("`{name}`") }
}

/// A value as a message shows it, never longer than a line.
pub(super) fn shown(value: &Json) -> String {
    match value {
        Json::Null => "nothing".to_owned(),
        Json::Bool(value) => value.to_string(),
        Json::Number(value) => format!("the number {value}"),
        Json::String(value) => format!("the string \"{}\"", short(value)),
        Json::Array(_) => "a list".to_owned(),
        Json::Object(_) => "a map".to_owned(),
    }
}

/// The first line of a text, at most 60 characters of it.
pub(super) fn short(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let cut: String = line.chars().take(60).filter(|mark| !mark.is_control()).collect();
    if cut.len() < text.len() { format!("{cut}…") } else { cut }
}

fn plain(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn types(kind: &TypeKind) -> String {
    let name = |kind: JsonType| match kind {
        JsonType::Array => "a list",
        JsonType::Boolean => "true or false",
        JsonType::Integer => "an integer",
        JsonType::Null => "nothing",
        JsonType::Number => "a number",
        JsonType::Object => "a map",
        JsonType::String => "a string",
    };
    match kind {
        TypeKind::Single(kind) => name(*kind).to_owned(),
        TypeKind::Multiple(kinds) => kinds.iter().filter(|kind| *kind != JsonType::Null).map(name).collect::<Vec<_>>().join(" or "),
    }
}

fn hint_for_type(kind: &TypeKind, value: &Json) -> Option<String> {
    let wants = |wanted| match kind {
        TypeKind::Single(kind) => *kind == wanted,
        TypeKind::Multiple(kinds) => kinds.iter().any(|kind| kind == wanted),
    };
    match value {
        Json::Number(_) | Json::Bool(_) if wants(JsonType::String) => Some(format!("write it in quotes: \"{value}\"")),
        Json::String(text) if wants(JsonType::Integer) || wants(JsonType::Number) => {
            text.parse::<f64>().ok().filter(|number| number.is_finite()).map(|_| format!("write it without quotes: {}", short(text)))
        }
        Json::String(_) | Json::Number(_) | Json::Object(_) if wants(JsonType::Array) => Some("write a list: [ … ], or lines that begin with `- `".to_owned()),
        Json::String(_) | Json::Number(_) | Json::Array(_) if wants(JsonType::Object) => Some("write a map: lines of the form `name: value`".to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(schema: Json, value: &Json) -> Vec<(String, String, Option<String>)> {
        let mistakes = Compiled::new(schema).unwrap().mistakes(value, &|_| false);
        mistakes.into_iter().map(|mistake| (mistake.path.join("."), mistake.message, mistake.hint)).collect()
    }

    #[test]
    fn every_mistake_is_told_in_words_for_people() {
        let schema = json!({"type": "object", "required": ["a", "b"], "additionalProperties": false, "properties": {
            "a": {"type": "integer", "minimum": 1},
            "b": {"type": "string"},
            "list": {"type": "array", "items": {"type": "string"}},
            "choice": {"oneOf": [{"type": "string", "const": "Adopt"}, {"type": "string", "const": "Report"}]},
            "maybe": {"anyOf": [{"type": "object", "additionalProperties": false, "properties": {"path": {"type": "string"}}}, {"type": "null"}]},
        }});
        let value = json!({"a": "4", "list": ["x", 8], "choice": "adopt", "maybe": {"pth": 1}, "lst": []});
        let lines: Vec<String> =
            told(schema, &value).into_iter().map(|(path, message, hint)| format!("{path}: {message}; {}", hint.unwrap_or_default())).collect();
        insta::assert_snapshot!(lines.join("\n"), @r#"
        : the document needs `b`; add `b`
        a: `a` must be an integer, found the string "4"; write it without quotes: 4
        choice: `choice` must be one of Adopt, Report, found the string "adopt"; did you mean `Adopt`?
        list.1: `list[1]` must be a string, found the number 8; write it in quotes: "8"
        lst: `lst` is not known here; did you mean `list`?
        maybe.pth: `pth` is not known in `maybe`; did you mean `path`?
        "#);
    }

    #[test]
    fn a_secret_value_is_never_shown() {
        let compiled = Compiled::new(json!({"properties": {"password": {"type": "integer"}, "pin": {"enum": [1]}}})).unwrap();
        let mistakes = compiled.mistakes(&json!({"password": "hunter2", "pin": "hunter2"}), &|_| true);
        assert_eq!(mistakes.len(), 2);
        assert!(!format!("{mistakes:?}").contains("hunter2"));
    }

    #[test]
    fn a_schema_that_reaches_outside_itself_is_refused() {
        for reference in ["file:///etc/passwd", "http://169.254.169.254/latest", "other.json"] {
            assert!(Compiled::new(json!({"$ref": reference})).is_err(), "{reference}");
        }
    }

    #[test]
    fn a_pattern_takes_linear_time_or_is_refused() {
        let compiled = Compiled::new(json!({"pattern": "^(a+)+$"})).unwrap();
        assert!(!compiled.is_valid(&json!(format!("{}b", "a".repeat(100_000)))));
        assert!(Compiled::new(json!({"pattern": "(a{1000}){1000}"})).is_err());
    }
}
