//! The part of a `DiscoverySource` whose facts are brought to the listener.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::{Period, Text};

/// Facts that agents and scripts bring, as `POST /v1/observations?source=NAME` to the listener of `bowline run`, in Bowline's own form: `items` and
/// `map` have no say. They are kept in the state folder for twice `staleAfter`, and are read from there by every verb.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PushSource {
    /// The operator's credential, a token of 16 bytes or more, that is to be shown as `Authorization: Bearer …`. It is sent nowhere, so its hosts do
    /// not count.
    pub credentials: Text,
    /// How long after a batch that was declared whole (`complete=true`) the answer is complete. Default: 1d.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complete_for: Option<Period>,
    /// How many batches are taken in a minute. Default: 600.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_minute: Option<u32>,
}

impl PushSource {
    /// How long a whole batch makes the answer complete, in seconds.
    pub fn complete_for_seconds(&self) -> i64 {
        self.complete_for.as_ref().map_or(86_400, Period::seconds)
    }

    /// How many batches are taken in a minute.
    pub fn batches_a_minute(&self) -> u32 {
        self.per_minute.unwrap_or(600)
    }
}
