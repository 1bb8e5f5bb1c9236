//! Types that fields of several kinds share: durations, percentages, zones, selectors, stages.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use jiff::{Span, Timestamp, Zoned, tz::TimeZone};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::{Table, Text};

/// A duration: ISO 8601 (`PT4H`, `P30D`) or friendly (`4h`, `30d`, `1d 12h`). A day is a calendar day of the zone in use.
#[derive(Clone, Debug)]
pub struct Period {
    span: Span,
    written: Text,
}

impl Period {
    /// The instant this long before `at`, in its zone.
    pub fn before(&self, at: &Zoned) -> Result<Zoned, jiff::Error> {
        at.checked_sub(self.span)
    }

    /// The instant this long after `at`, in its zone.
    pub fn after(&self, at: &Zoned) -> Result<Zoned, jiff::Error> {
        at.checked_add(self.span)
    }

    /// The span of calendar and clock units.
    pub fn span(&self) -> Span {
        self.span
    }

    /// The length in seconds, a day taken as 24 hours, a month as 30 days, a year as 365.
    pub fn seconds(&self) -> i64 {
        let span = &self.span;
        let days = i64::from(span.get_years()) * 365 + i64::from(span.get_months()) * 30 + i64::from(span.get_weeks()) * 7 + i64::from(span.get_days());
        days * 86_400 + i64::from(span.get_hours()) * 3600 + span.get_minutes() * 60 + span.get_seconds()
    }

    /// The instant this long before `at`, a day taken as 24 hours; the earliest instant where that would be out of range.
    pub fn before_instant(&self, at: Timestamp) -> Timestamp {
        at.checked_sub(jiff::SignedDuration::from_secs(self.seconds())).unwrap_or(Timestamp::MIN)
    }
}

impl PartialEq for Period {
    fn eq(&self, other: &Self) -> bool {
        self.written == other.written
    }
}

impl FromStr for Period {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let span: Span = text.trim().parse().map_err(|_| format!("`{text}` is not a duration; write for example 4h, 30d or PT4H"))?;
        if span.is_negative() {
            return Err(format!("`{text}` is negative; a duration is how long, so leave the sign out"));
        }
        Ok(Self { span, written: text.into() })
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

/// A share of a whole, written with a percent sign: `20%`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Percent(pub f64);

impl FromStr for Percent {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.trim().strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
        match number {
            Some(number) if (0.0..=100.0).contains(&number) => Ok(Self(number)),
            _ => Err(format!("`{text}` is not a percentage; write for example 20%")),
        }
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

/// A time zone of the IANA database, by name: `Europe/Zurich`, `UTC`. An unknown one is an error, never UTC.
#[derive(Clone, Debug, PartialEq)]
pub struct Zone(pub TimeZone);

impl Default for Zone {
    fn default() -> Self {
        Self(TimeZone::UTC)
    }
}

impl FromStr for Zone {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        TimeZone::get(text).map(Self).map_err(|_| format!("`{text}` is not a time zone; write a name such as Europe/Zurich or UTC"))
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.iana_name().unwrap_or("UTC"))
    }
}

/// A share of a lifetime (`33%`) or a duration (`30d`).
#[derive(Clone, Debug, PartialEq)]
pub enum ShareOrPeriod {
    /// A share of the whole.
    Share(Percent),
    /// A fixed duration.
    Period(Period),
}

impl FromStr for ShareOrPeriod {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if text.contains('%') { text.parse().map(Self::Share) } else { text.parse().map(Self::Period) }
    }
}

impl fmt::Display for ShareOrPeriod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Share(share) => share.fmt(f),
            Self::Period(period) => period.fmt(f),
        }
    }
}

/// Serde and schema of a type that is written as one string.
macro_rules! written_as_text {
    ($name:ident, $description:literal, $pattern:expr) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(D::Error::custom)
            }
        }
        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn inline_schema() -> bool {
                true
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                let pattern: Option<&str> = $pattern;
                match pattern {
                    Some(pattern) => json_schema!({"type": "string", "description": $description, "pattern": pattern}),
                    None => json_schema!({"type": "string", "description": $description}),
                }
            }
        }
    };
}
pub(crate) use written_as_text;

written_as_text!(Period, "A duration: ISO 8601 (PT4H, P30D) or friendly (4h, 30d).", None);
written_as_text!(Percent, "A percentage, for example 20%.", Some(r"^\s*[0-9]+(\.[0-9]+)?\s*%\s*$"));
written_as_text!(Zone, "A time zone of the IANA database, for example Europe/Zurich.", None);
written_as_text!(ShareOrPeriod, "A share of the lifetime (33%) or a duration (30d).", None);

/// Chooses items. All given parts must match; each part is a list of which one must match. An empty selector matches
/// nothing, `{all: true}` everything. Names may hold `*` for any run of characters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Selector {
    /// Matches everything. Default: false.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
    /// Names of items.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<Text>,
    /// Classes; an item of a class that extends one of them matches too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<Text>,
    /// Services that the item is part of, directly or through other items, groups or services.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<Text>,
    /// Owners.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub owners: Vec<Text>,
    /// Host names: the item's `dns/fqdn`, or a certificate's names. `*.example.com` matches one label, as in certificates.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns_names: Vec<Text>,
    /// Labels: for each named one, the values of which the item must have one.
    #[serde(skip_serializing_if = "Table::is_empty")]
    pub labels: Table<Vec<Text>>,
}

impl Selector {
    /// Whether nothing is given, so that nothing can match.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Where in its life an item is. Found though `Planned` or `Retired` is a finding too; absent is one only from
/// `Operational` and `Retiring`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)]
pub enum Lifecycle {
    Planned,
    Deploying,
    #[default]
    Operational,
    Retiring,
    Retired,
}

/// How much a service matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)]
pub enum Criticality {
    Low,
    #[default]
    Medium,
    High,
    Critical,
}

/// What to do about drift.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum OnDrift {
    /// Edit the YAML to say what is there.
    Adopt,
    /// Propose to change what is there.
    Enforce,
    /// Show it in the plan and open nothing.
    #[default]
    Report,
}

/// What to do about an identifier that a source knows and a declaration lacks. Never meant are names and addresses, which pass
/// to the next thing, and what sources dispute or another item has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum IdentifierPolicy {
    /// Add it to the YAML.
    Adopt,
    /// Show it in the plan and open nothing.
    Report,
}

/// What to do about drift, by attribute, with a default. The nearest wins: attribute, item, class, estate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DriftPolicy {
    /// For everything without a rule of its own.
    #[serde(rename = "default", skip_serializing_if = "Option::is_none")]
    pub fallback: Option<OnDrift>,
    /// By attribute; a dotted path (`os.version`) for a part of one.
    #[serde(skip_serializing_if = "Table::is_empty")]
    pub attributes: Table<OnDrift>,
    /// What to do about identifiers that a source which found the item knows and its declaration lacks. Left out: they are not
    /// compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identifiers: Option<IdentifierPolicy>,
    /// Paths that are not compared at all, for example `attributes.tags` or `relations`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<Text>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_iso_or_friendly() {
        for (text, seconds) in [("4h", 14_400), ("PT4H", 14_400), ("30d", 2_592_000), ("P1D", 86_400), ("1d 12h", 129_600), ("90m", 5400)] {
            assert_eq!(text.parse::<Period>().unwrap().seconds(), seconds, "{text}");
        }
        for text in ["", "4", "four hours", "-4h"] {
            assert!(text.parse::<Period>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_unknown_zone_is_an_error_and_never_utc() {
        assert!("Europe/Zurich".parse::<Zone>().is_ok());
        for text in ["", "Europe/Zürich", "Mars/Olympus", "CET+1"] {
            assert!(text.parse::<Zone>().is_err(), "{text}");
        }
    }
}
