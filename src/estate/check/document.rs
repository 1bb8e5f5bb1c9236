//! What is wrong with one document, seen alone.

use std::sync::LazyLock;

use jiff::tz::TimeZone;
use serde_json::Value as Json;

use super::schema::{Compiled, Mistake, short, shown, steps};
use crate::api::certificate_policy::MaxValidity;
use crate::api::discovery_source::KubernetesSource;
use crate::api::rules::SOURCES;
use crate::api::shared::ShareOrPeriod;
use crate::api::{ChangeRequestSpec, DiscoverySourceSpec, EstateSpec, Kind, PatchWindowSpec, Percent, Period, Zone, definitions};
use crate::calendar;
use crate::discovery::kubernetes::kinds::is_label;
use crate::discovery::{http, mapping, patterns, snmp, vsphere};

/// Mistakes with these codes do not take their document out of the estate: who uses the part closes it instead.
const STAYS: [&str; 2] = ["bad-schedule", "bad-jq"];

impl Mistake {
    /// Whether the document can no longer be taken as said.
    pub(crate) fn takes_out(&self) -> bool {
        !STAYS.contains(&self.code)
    }
}

/// The schema of each kind, compiled when first needed.
static SCHEMAS: [LazyLock<Option<Compiled>>; 8] = [
    LazyLock::new(|| compiled(Kind::Estate)),
    LazyLock::new(|| compiled(Kind::ConfigurationItem)),
    LazyLock::new(|| compiled(Kind::CIClass)),
    LazyLock::new(|| compiled(Kind::ServiceMap)),
    LazyLock::new(|| compiled(Kind::CertificatePolicy)),
    LazyLock::new(|| compiled(Kind::PatchWindow)),
    LazyLock::new(|| compiled(Kind::DiscoverySource)),
    LazyLock::new(|| compiled(Kind::ChangeRequest)),
];

fn compiled(kind: Kind) -> Option<Compiled> {
    Compiled::new(serde_json::to_value(definitions::schema(kind)).ok()?).ok()
}

/// Every mistake of shape in a document that could not be read as its kind.
pub(crate) fn mistakes_of_shape(kind: Kind, document: &Json) -> Vec<Mistake> {
    let Some(schema) = Kind::ALL.iter().position(|known| *known == kind).and_then(|place| SCHEMAS.get(place)?.as_ref()) else { return Vec::new() };
    let texts = mistakes_of_text(kind, document);
    let mut mistakes = schema.mistakes(document, &|_| false);
    // What a table of texts says about a value is plainer than what the schema says of its form.
    mistakes.retain(|mistake| !texts.iter().any(|text| text.path == mistake.path));
    mistakes.extend(texts);
    mistakes
}

/// A text of which a schema cannot say what is in it, and who can.
type Reads = fn(&str) -> Result<(), String>;

fn reads<T: std::str::FromStr<Err = String>>(text: &str) -> Result<(), String> {
    text.parse::<T>().map(|_| ())
}

const TEXTS: [(Kind, &str, &str, Reads); 13] = [
    (Kind::Estate, "spec.timeZone", "bad-zone", reads::<Zone>),
    (Kind::Estate, "spec.interval", "bad-duration", reads::<Period>),
    (Kind::Estate, "spec.changes.rejectedFor", "bad-duration", reads::<Period>),
    (Kind::Estate, "spec.safety.massAbsence", "bad-percentage", reads::<Percent>),
    (Kind::CertificatePolicy, "spec.maxValidity", "bad-duration", reads::<MaxValidity>),
    (Kind::CertificatePolicy, "spec.renewBefore", "bad-duration", reads::<ShareOrPeriod>),
    (Kind::PatchWindow, "spec.timeZone", "bad-zone", reads::<Zone>),
    (Kind::PatchWindow, "spec.duration", "bad-duration", reads::<Period>),
    (Kind::PatchWindow, "spec.leadTime", "bad-duration", reads::<Period>),
    (Kind::DiscoverySource, "spec.interval", "bad-duration", reads::<Period>),
    (Kind::DiscoverySource, "spec.timeout", "bad-duration", reads::<Period>),
    (Kind::DiscoverySource, "spec.staleAfter", "bad-duration", reads::<Period>),
    (Kind::DiscoverySource, "spec.push.completeFor", "bad-duration", reads::<Period>),
];

fn mistakes_of_text(kind: Kind, document: &Json) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    for (_, path, code, reads) in TEXTS.into_iter().filter(|(of, ..)| *of == kind) {
        let value = path.split('.').try_fold(document, |value, step| value.get(step));
        match value {
            Some(Json::String(text)) => {
                if let Err(said) = reads(text) {
                    let (message, hint) = said.split_once("; ").map_or((said.as_str(), None), |(message, hint)| (message, Some(hint.to_owned())));
                    mistakes.push(Mistake::at(path, code, message).hint(hint));
                }
            }
            Some(number @ Json::Number(_)) if code == "bad-duration" => {
                let hint = "write it with its unit, for example 4h, 30d or PT4H".to_owned();
                let name = path.rsplit('.').next().unwrap_or_default();
                mistakes.push(Mistake::at(path, code, format!("`{name}` must be a duration, found {}", shown(number))).hint(hint));
            }
            _ => (),
        }
    }
    mistakes
}

/// What is wrong with an estate's document that its shape allows.
pub(crate) fn estate(spec: &EstateSpec) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    if let Some(forge) = &spec.forge {
        let given: Vec<&str> = [("local", forge.local.is_some()), ("github", forge.github.is_some()), ("gitea", forge.gitea.is_some())]
            .into_iter()
            .filter_map(|(name, given)| given.then_some(name))
            .collect();
        mistakes.extend(exactly_one("spec.forge", "forge-kind", &given, "local, github, gitea"));
    }
    if let Some(path) = spec.git.as_ref().and_then(|git| git.path.as_deref()) {
        mistakes.extend(outside_root("spec.git.path", path));
    }
    mistakes
}

/// What is wrong with a source that its shape allows.
pub(crate) fn source(spec: &DiscoverySourceSpec) -> Vec<Mistake> {
    let mut mistakes: Vec<Mistake> = exactly_one("spec", "source-kind", &spec.kinds(), &SOURCES.join(", ")).into_iter().collect();
    if let Some(file) = &spec.file {
        mistakes.extend(outside_root("spec.file.path", &file.path));
        mistakes.extend(no_pattern("spec.file.path", &file.path));
        if file.path.trim().is_empty() {
            mistakes.push(Mistake::at("spec.file.path", "missing-field", "`path` is empty").hint("name a file below the estate's root".to_owned()));
        }
    }
    if let Some(tls) = &spec.tls {
        mistakes.extend(tls.files.iter().enumerate().filter_map(|(place, path)| outside_root(&format!("spec.tls.files.{place}"), path)));
        mistakes.extend(tls.files.iter().enumerate().filter_map(|(place, path)| no_pattern(&format!("spec.tls.files.{place}"), path)));
        mistakes.extend(tls.authorities.iter().filter_map(|path| outside_root("spec.tls.authorities", path)));
    }
    mistakes.extend(spec.kubernetes.iter().flat_map(|spec| kubernetes(spec)));
    if let Some(http) = &spec.http {
        mistakes.extend(http.ca.iter().filter_map(|path| outside_root("spec.http.ca", path)));
        mistakes.extend(http::check::mistakes(http).into_iter().map(|(path, message)| Mistake::at(&path, "bad-source", message)));
    }
    mistakes.extend(spec.snmp.iter().flat_map(|snmp| snmp::check::mistakes(snmp)).map(|(path, message)| Mistake::at(&path, "bad-source", message)));
    mistakes.extend(given_form(spec));
    if let Some(spec) = &spec.vsphere {
        mistakes.extend(spec.ca.iter().filter_map(|path| outside_root("spec.vsphere.ca", path)));
        let wrong = vsphere::mistakes(spec);
        mistakes.extend(wrong.into_iter().map(|(path, message)| Mistake::at(&path, "bad-source", message)));
    }
    mistakes.extend(expressions(spec));
    mistakes
}

/// What is wrong with sources whose facts have a form of their own.
fn given_form(spec: &DiscoverySourceSpec) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    if let Some(push) = &spec.push {
        if push.credentials.trim().is_empty() {
            let hint = "name the token that whoever pushes must show".to_owned();
            mistakes.push(Mistake::at("spec.push.credentials", "missing-field", "`credentials` is empty").hint(hint));
        }
        if push.per_minute == Some(0) {
            mistakes.push(Mistake::at("spec.push.perMinute", "bad-source", "0 would take nothing").hint("leave `perMinute` out, or raise it".to_owned()));
        }
    }
    if let Some(nmap) = &spec.nmap {
        mistakes.extend(outside_root("spec.nmap.path", &nmap.path));
        if nmap.path.trim().is_empty() {
            let hint = "name a file below the estate's root that nmap wrote with -oX".to_owned();
            mistakes.push(Mistake::at("spec.nmap.path", "missing-field", "`path` is empty").hint(hint));
        }
    }
    let form = if spec.push.is_some() { "what is pushed stands in Bowline's own form" } else { "what a scan means is settled" };
    if spec.push.is_some() || spec.nmap.is_some() {
        let given = [("spec.items", spec.items.is_some()), ("spec.map", spec.map.is_some())];
        let mistake = |path: &str| Mistake::at(path, "bad-source", format!("{form}, so this has no say")).hint("remove it".to_owned());
        mistakes.extend(given.into_iter().filter(|(_, given)| *given).map(|(path, _)| mistake(path)));
    }
    mistakes
}

fn kubernetes(spec: &KubernetesSource) -> Vec<Mistake> {
    let named = std::iter::once(("spec.kubernetes.cluster".to_owned(), &spec.cluster));
    let namespaces = spec.namespaces.iter().enumerate().map(|(place, name)| (format!("spec.kubernetes.namespaces.{place}"), name));
    let wrong = named.chain(namespaces).filter(|(_, name)| !is_label(name));
    wrong
        .map(|(path, name)| {
            let hint = "small letters, digits and `-`, at most 63 of them, a letter or digit first and last".to_owned();
            Mistake::at(&path, "unknown-value", format!("`{}` is no name of one", short(name))).hint(hint)
        })
        .collect()
}

fn expressions(spec: &DiscoverySourceSpec) -> Vec<Mistake> {
    let mut all: Vec<(Vec<String>, &str)> = spec.items.iter().map(|text| (steps("spec.items"), &**text)).collect();
    all.extend(spec.http.iter().flat_map(|http| http::check::expressions(http)).map(|(path, text)| (steps(&path), &**text)));
    if let Some(map) = &spec.map {
        let single = [("class", &map.class), ("key", &map.key), ("name", &map.name), ("owner", &map.owner), ("relations", &map.relations)];
        all.extend(single.into_iter().filter_map(|(name, text)| Some((steps(&format!("spec.map.{name}")), &**text.as_ref()?))));
        for (part, table) in [("identifiers", &map.identifiers), ("attributes", &map.attributes), ("labels", &map.labels)] {
            all.extend(table.iter().map(|(name, text)| (["spec", "map", part, name].map(str::to_owned).to_vec(), &**text)));
        }
    }
    let wrong = all.into_iter().filter_map(|(path, text)| mapping::check(text).err().map(|(at, why)| (path, text, at, why)));
    wrong
        .map(|(path, text, at, why)| {
            let rest: String = text.chars().skip(at).collect();
            let hint = (!rest.trim().is_empty()).then(|| format!("look at `{}`", short(&rest)));
            Mistake { path, on_name: false, code: "bad-jq", message: format!("this jq cannot be read: {why}"), hint }
        })
        .collect()
}

fn exactly_one(path: &str, code: &'static str, given: &[&str], known: &str) -> Option<Mistake> {
    match given {
        [_] => None,
        [] => Some(Mistake::at(path, code, format!("exactly one of {known} must be given, found none"))),
        [..] => {
            Some(Mistake::at(path, code, format!("exactly one of {known} must be given, found {}", given.join(" and "))).hint("remove all but one".to_owned()))
        }
    }
}

/// A declared path that could lead out of the estate's root.
fn outside_root(at: &str, path: &str) -> Option<Mistake> {
    let absolute = path.starts_with(['/', '\\', '~']) || path.as_bytes().get(1) == Some(&b':');
    let why = if absolute {
        "is absolute"
    } else if path.split(['/', '\\']).any(|step| step == "..") {
        "leads upwards"
    } else if path.contains('\0') {
        "holds a character that no path may hold"
    } else {
        return None;
    };
    Some(Mistake::at(at, "path-outside-root", format!("the path `{}` {why}", short(path))).hint("name a path below the estate's root, without `..`".to_owned()))
}

/// A path with a wildcard that is no pattern.
fn no_pattern(at: &str, path: &str) -> Option<Mistake> {
    let why = patterns::matcher(path).err().filter(|_| patterns::is_pattern(path))?;
    let hint = "`*`, `?`, `[ab]` and `{a,b}` stand for many names; `[*]` stands for `*` itself".to_owned();
    Some(Mistake::at(at, "bad-source", format!("the path `{}` cannot be used: {why}", short(path))).hint(hint))
}

/// What is wrong with the times of a window; `zone` is the estate's.
pub(crate) fn window(spec: &PatchWindowSpec, zone: &TimeZone) -> Vec<Mistake> {
    let mut problems = calendar::problems(spec, zone);
    if spec.recurrence.is_some() && problems.iter().any(|(path, _)| path == "spec.start") {
        // Without a first start the rule is not looked at, but all that is wrong is told at once.
        let readable = PatchWindowSpec { start: "1970-01-02T00:00:00".into(), ..spec.clone() };
        problems.extend(calendar::problems(&readable, zone).into_iter().filter(|(path, _)| path == "spec.recurrence"));
    }
    problems.into_iter().map(|(path, said)| of_schedule(&path, &said)).collect()
}

/// A problem that the calendar found. What to do stands after its last semicolon, if it says that.
fn of_schedule(path: &str, said: &str) -> Mistake {
    const LONGEST: usize = 300;
    let own = said.rsplit_once("; ").filter(|(_, hint)| ["write ", "use ", "for that, "].iter().any(|start| hint.starts_with(start)));
    let (message, own) = own.map_or((said, None), |(message, hint)| (message, Some(hint)));
    let hint = match path.split('.').nth(1) {
        Some("start" | "also") if message.ends_with("is not a date and time") => {
            Some("write for example 2026-01-04T02:00:00, which is local to the window's zone, or with an offset 2026-01-04T02:00:00+01:00")
        }
        Some("recurrence") => own.or(Some("write a rule of RFC 5545, for example FREQ=WEEKLY;BYDAY=SU")),
        _ => own,
    };
    // It may quote a text of any length.
    let message: String = if message.chars().nth(LONGEST).is_some() { message.chars().take(LONGEST).chain(['…']).collect() } else { message.to_owned() };
    Mistake::at(path, "bad-schedule", message).hint(hint.map(str::to_owned))
}

/// What is wrong with the times of a change request.
pub(crate) fn request(spec: &ChangeRequestSpec) -> Vec<Mistake> {
    let times = spec.schedule.iter().flat_map(|schedule| [("spec.schedule.start", &schedule.start), ("spec.schedule.end", &schedule.end)]);
    let wrong = times.filter(|(_, text)| text.parse::<jiff::Zoned>().is_err() && text.parse::<jiff::Timestamp>().is_err());
    wrong
        .map(|(path, text)| {
            let hint = "write it with offset and zone, for example 2026-11-29T02:00:00+01:00[Europe/Zurich]".to_owned();
            Mistake::at(path, "bad-schedule", format!("`{}` is not an instant", short(text))).hint(hint)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(mistakes: &[Mistake]) -> Vec<(String, &'static str)> {
        mistakes.iter().map(|mistake| (mistake.path.join("."), mistake.code)).collect()
    }

    #[test]
    fn a_schedule_that_cannot_be_read_is_told_part_by_part() {
        let spec = |yaml: &str| window(&serde_yaml::from_str::<PatchWindowSpec>(yaml).unwrap(), &TimeZone::UTC);
        let good = "{selector: {all: true}, start: 2026-01-04T02:00:00, duration: 4h, recurrence: FREQ=WEEKLY;BYDAY=SU, except: [2026-12-27], also: ['2026-12-29T02:00:00+01:00']}";
        assert_eq!(spec(good), []);
        let bad = "{selector: {all: true}, start: next sunday, duration: 4h, recurrence: FREQ=FORTNIGHTLY, except: [2026-02-30], also: [2026-12-29T25:00:00]}";
        let expected = ["spec.start", "spec.also.0", "spec.except.0", "spec.recurrence"];
        assert_eq!(codes(&spec(bad)).iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>(), expected);
        assert!(spec(bad).iter().all(|mistake| mistake.code == "bad-schedule" && !mistake.takes_out()));
    }

    #[test]
    fn a_source_has_exactly_one_kind_and_stays_below_the_root() {
        let of = |yaml: &str| codes(&source(&serde_yaml::from_str(yaml).unwrap()));
        assert_eq!(of("{file: {path: observed/a.json}}"), []);
        assert_eq!(of("{}"), [("spec".to_owned(), "source-kind")]);
        assert_eq!(of("{host: {}, tls: {}}"), [("spec".to_owned(), "source-kind")]);
        for path in ["../../etc/passwd", "/etc/passwd", "a/../../b", "..", "C:\\x", "a\\..\\..\\b", "~/x"] {
            let yaml = serde_json::json!({"file": {"path": path}}).to_string();
            assert_eq!(of(&yaml), [("spec.file.path".to_owned(), "path-outside-root")], "{path}");
        }
        assert_eq!(
            of("{file: {path: a}, items: '.[', map: {name: .name, attributes: {a.b: '| x'}}}"),
            [("spec.items".to_owned(), "bad-jq"), ("spec.map.attributes.a.b".to_owned(), "bad-jq"),]
        );
        assert_eq!(of("{tls: {files: [a.pem, ../b.pem], authorities: /c.pem}}").len(), 2);
        assert_eq!(of("{file: {path: a..b/c}}"), []);
        assert_eq!(of("{file: {path: 'observed/{a,b}/**/*.json'}}"), []);
        assert_eq!(of("{file: {path: 'observed/[a.json'}}"), [("spec.file.path".to_owned(), "bad-source")]);
        assert_eq!(of("{file: {path: '../*.json'}}"), [("spec.file.path".to_owned(), "path-outside-root")]);
        assert_eq!(of("{tls: {files: ['{a.pem']}}"), [("spec.tls.files.0".to_owned(), "bad-source")]);
    }

    #[test]
    fn every_text_of_a_document_is_tried() {
        let document = serde_json::json!({"apiVersion": "bowline.dev/v1alpha1", "kind": "PatchWindow", "metadata": {"name": "w"},
            "spec": {"selector": {"all": true}, "start": "2026-01-04T02:00:00", "duration": "four hours", "leadTime": 4, "timeZone": "Mars/Olympus"}});
        let mut codes = codes(&mistakes_of_shape(Kind::PatchWindow, &document));
        codes.sort();
        assert_eq!(
            codes,
            [("spec.duration".to_owned(), "bad-duration"), ("spec.leadTime".to_owned(), "bad-duration"), ("spec.timeZone".to_owned(), "bad-zone")]
        );
    }

    #[test]
    fn every_kind_has_a_schema_that_compiles() {
        assert!(Kind::ALL.into_iter().all(|kind| compiled(kind).is_some()));
    }
}
