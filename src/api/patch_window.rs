//! `PatchWindow`: when what may be changed, and when nothing may.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::status::CommonStatus;
use super::{Period, Selector, Text, Zone};

/// A window in which changes are allowed, or a freeze in which none is. It may recur.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(group = "bowline.dev", version = "v1alpha1", kind = "PatchWindow", namespaced, shortname = "pw", category = "bowline", status = "CommonStatus")]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PatchWindowSpec {
    /// Allow or Freeze. Freeze wins. Default: Allow.
    #[serde(default)]
    pub effect: Effect,
    /// The items it is about.
    pub selector: Selector,
    /// The zone of its times. Default: the estate's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<Zone>,
    /// The first start, local to the zone (`2026-01-04T02:00:00`), or with an offset of its own.
    pub start: Text,
    /// How long each lasts, in time that passes (not on the wall clock).
    pub duration: Period,
    /// RFC 5545 recurrence rule, for example `FREQ=WEEKLY;BYDAY=SU`. Left out: once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recurrence: Option<Text>,
    /// Starts that do not take place: dates, or dates with times.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<Text>,
    /// Starts that take place besides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<Text>,
    /// How long before the start a change must be approved. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lead_time: Option<Period>,
    /// How many changes may be under way at once within the selector. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_concurrent: Option<u32>,
}

/// What a window does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Effect {
    /// Changes may be made in it.
    #[default]
    Allow,
    /// No change may be made in it, whatever else allows it.
    Freeze,
}
