//! The parts of a `DiscoverySource` that asks a JSON API over HTTP.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::{Period, Table, Text, Value};

/// A JSON API: where it is, as whom it is asked, and how its lists are read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpSource {
    /// The base address, `https://…`; paths are relative to it. `http://` only to this machine, or with `plainHttp`.
    pub url: Text,
    /// The operator's credential, bound to the host of `url`. A token is sent as `Authorization: Bearer …`, an account and its password as
    /// `Authorization: Basic …`, a client certificate in the TLS handshake; `authorization` says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Text>,
    /// In which header a token or a password is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization: Option<Authorization>,
    /// A second credential: the client certificate that is shown in the TLS handshake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<Text>,
    /// Headers that are sent with each request. None of them is secret.
    #[serde(default, skip_serializing_if = "Table::is_empty")]
    pub headers: Table<Text>,
    /// A PEM file below the estate's root with authorities that are trusted besides the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<Text>,
    /// A proxy through which the host is reached: `http://…` or `https://…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<Text>,
    /// The operator's credential for the proxy, bound to its host; sent over `https://` only, or to this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_credentials: Option<Text>,
    /// Whether `url` may be `http://` on another machine: anyone on the way can then change what is found. Without credentials only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub plain_http: bool,
    /// What is listed: each answer of it is a document for `items`.
    pub list: HttpList,
    /// Other lists of the same API, whose items are laid beside those of `list`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub joins: Vec<HttpJoin>,
    /// How much is taken, how fast, and how long is waited.
    #[serde(default, skip_serializing_if = "HttpLimits::is_default")]
    pub limits: HttpLimits,
}

/// The header that carries a credential.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Authorization {
    /// Its name. Default: `Authorization`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<Text>,
    /// Its value, in which `{user}` stands for the credential's account and `{secret}` for its token or password: `Api-Token {secret}`.
    pub value: Text,
}

/// One list of an API. Exactly one of `path` and `export` is given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpList {
    /// Its path, relative to `url`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<Text>,
    /// The query: each value a text, a number, a boolean, or a list of them.
    #[serde(skip_serializing_if = "Table::is_empty")]
    pub query: Table<Value>,
    /// A JSON body. With one the list is asked for by POST, and what `paging` sets are members of the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
    /// How one comes to the next page. Default: there is one page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paging: Option<Paging>,
    /// A job that makes the list, which is then fetched in chunks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub export: Option<Export>,
    /// jq over an answer: how many items the whole list has. If fewer come, the answer is incomplete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<Text>,
    /// The same in a header, such as `X-Total-Count`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_header: Option<Text>,
    /// jq over an answer: what the API itself says is wrong with it; null, false and empty: nothing. With something wrong the answer is
    /// incomplete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Text>,
}

/// How one comes to the next page. Exactly one is given.
///
/// A short page is never taken for the last one: servers count before they leave out what an account may not see.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Paging {
    /// By how many items came before, until a page is empty or `total` is reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<OffsetPaging>,
    /// By a number, until a page is empty, `total` is reached or `last` is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<PagePaging>,
    /// jq over an answer: the address of the next page; null or empty: there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Text>,
    /// By the `Link` header with `rel="next"` (RFC 8288).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub link: bool,
    /// By a mark that an answer holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<CursorPaging>,
    /// By the key of the last item, over a list that is sorted by it, until a page is empty. Rows that come or go meanwhile move nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyPaging>,
}

/// Paging by how many items came before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OffsetPaging {
    /// The parameter that is set. Give the size of a page in `query`.
    pub parameter: Text,
}

/// Paging by number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PagePaging {
    /// The parameter that is set.
    pub parameter: Text,
    /// The number of the first page. Default: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<u32>,
    /// jq over an answer: the number of the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Text>,
}

/// Paging by a mark.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CursorPaging {
    /// The parameter that is set.
    pub parameter: Text,
    /// jq over an answer: the mark; null or empty: that was the last page.
    pub value: Text,
    /// Whether the mark is sent without the rest of the query, as Dynatrace wants it. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub alone: bool,
}

/// Paging by key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyPaging {
    /// The parameter that is set from the second page on.
    pub parameter: Text,
    /// jq over an item: its key.
    pub of: Text,
    /// What the parameter is set to, in which `{key}` stands for the key of the last item: `sys_id>{key}^ORDERBYsys_id`.
    pub value: Text,
}

/// A job that makes a list: it is started by POST, asked after until it has ended, and its chunks are fetched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Export {
    /// Where it is started, relative to `url`.
    pub start: Text,
    /// The JSON body that starts it. Default: `{}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
    /// jq over the answer to the start: the job's id.
    pub id: Text,
    /// Where it is asked after, with `{id}`.
    pub status: Text,
    /// jq over that answer: the job's state.
    pub state: Text,
    /// The states in which it is done.
    pub done: Vec<Text>,
    /// The states in which it has failed. Any other: it is at work.
    pub failed: Vec<Text>,
    /// jq over that answer: the list of its chunks.
    pub chunks: Text,
    /// jq over that answer: the list of chunks that could not be made; with any, the answer is incomplete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<Text>,
    /// Where a chunk is fetched, with `{id}` and `{chunk}`.
    pub chunk: Text,
    /// How often it is asked after. Default: 5s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<Period>,
}

/// Another list, whose items are laid beside those of the source: each item of the source has, under `name`, the list of those that belong to it.
///
/// It is read first. If it cannot be read to its end, the source gives no items at all: without their parts they would look changed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpJoin {
    /// The member of the source's items that holds them.
    pub name: Text,
    /// The list.
    pub list: HttpList,
    /// jq over each of its answers: one value an item. Default: `.`, or each element of a top-level list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<Text>,
    /// jq over an item of this list: the key of that to which it belongs, or a list of such keys; null: to none.
    pub by: Text,
    /// jq over an item of the source: its key, which `by` gives.
    pub key: Text,
    /// jq over an item of this list: what of it is kept, in memory too. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<Text>,
}

/// How much is taken, how fast, and how long is waited. The whole takes no longer than the source's `timeout`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpLimits {
    /// How long one request may take, its answer included. Default: 30s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<Period>,
    /// How often a request is tried in all. Default: 4.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tries: Option<u32>,
    /// The largest answer, as a quantity. Default: 32Mi; at most 256Mi.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<Text>,
    /// How many pages or chunks a list may have. Default: 10000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pages: Option<u32>,
    /// How many requests are sent in a minute, evenly. Default: as many as the server takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_minute: Option<u32>,
}

impl HttpLimits {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl HttpSource {
    /// The names of the operator's credentials that it uses.
    pub fn credentials(&self) -> impl Iterator<Item = &Text> {
        [&self.credentials, &self.client_certificate, &self.proxy_credentials].into_iter().flatten()
    }
}
