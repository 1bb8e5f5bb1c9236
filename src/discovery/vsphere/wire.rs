//! One call of vSphere's API: SOAP over our own HTTP client, which judges addresses, follows no redirect and bounds answers (rule 8). `vim_rs` writes what
//! is asked and reads what is answered; its own client would do none of that, and would log what it sends.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use jiff::Timestamp;
use miniserde::Serialize;
use quick_xml::events::Event;
use quick_xml::reader::Reader;
use reqwest::Url;
use tokio::time::{Instant, sleep};
use tracing::Instrument;
use tracing::field::Empty;
use vim_rs::core::client::{BoxFuture, Error, PropertyValue, Result, Transport, VimClient};
use vim_rs::types::structs::{MethodFault, ServiceContent};
use vim_rs::xml::{de, ser, soap};

use super::missing::{self, Missing};
use crate::access::web::carry::{Broken, Carrier};
use crate::access::web::wait::{asked_wait, doubled, jittered};
use crate::access::web::{one_line, untrusted};
use crate::credentials::Redactor;

/// The largest answer, in bytes: a page of virtual machines has a few MiB.
pub(super) const LARGEST: usize = 64 << 20;
/// How long one call may take.
pub(super) const CALL: Duration = Duration::from_mins(2);
/// The version of the API that is spoken: every vCenter that is maintained knows it, and answers in its types, whatever it has learned since.
const ACTION: &str = "urn:vim25/6.7";
/// How often a call is sent that did not reach the server.
const TRIES: u32 = 3;
/// The pause before the second try; the next is twice as long.
const PAUSE: Duration = Duration::from_secs(1);
/// How many cookies a server may set, and how long each may be.
const COOKIES: usize = 16;
const COOKIE_LENGTH: usize = 4096;

type Parameters<'a> = Option<&'a (dyn Serialize + Send + Sync)>;

/// The way to one server, and the cookies of the session.
pub(super) struct Line {
    pub carrier: Carrier,
    pub url: Url,
    pub redactor: Redactor,
    pub deadline: Instant,
    cookies: Mutex<Vec<(String, String)>>,
}

impl Line {
    pub(super) fn new(carrier: Carrier, url: Url, redactor: Redactor, deadline: Instant) -> Self {
        Self { carrier, url, redactor, deadline, cookies: Mutex::default() }
    }

    /// Forgets the session.
    pub(super) fn forget(&self) {
        self.cookies.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Calls a method and gives the answer's envelope. A fault of the API is [`Error::MethodFault`], all else one sentence without secrets.
    pub(super) async fn call(&self, of: &str, id: &str, method: &str, parameters: Parameters<'_>) -> Result<String> {
        let body = soap::envelope(&called(of, id, method, parameters));
        let mut tries = 0;
        loop {
            let (reason, wait) = match self.once(method, &body).await {
                Ok(response) if passes(response.status()) => {
                    (format!("the server fails ({})", response.status().as_u16()), asked_wait(response.headers(), Timestamp::now()))
                }
                Ok(response) => return self.judge(response),
                Err(Broken::NotConnected(reason)) if !reason.contains("certificate") => (reason, None),
                Err(broken) => return Err(self.say(&told(broken))),
            };
            tries += 1;
            let wait = wait.unwrap_or_else(|| jittered(doubled(PAUSE, tries - 1)));
            if tries == TRIES || Instant::now() + wait >= self.deadline {
                return Err(self.say(&reason));
            }
            sleep(wait).await;
        }
    }

    async fn once(&self, method: &str, body: &str) -> std::result::Result<Response<Vec<u8>>, Broken> {
        let mut request = Request::post(self.url.as_str())
            .body(body.as_bytes().to_vec())
            .map_err(|_| Broken::NotConnected("the address of the server cannot be used".to_owned()))?;
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/xml; charset=utf-8"));
        headers.insert(ACCEPT, HeaderValue::from_static("text/xml"));
        headers.insert("soapaction", HeaderValue::from_static(ACTION));
        headers.extend(self.session().map(|cookie| (COOKIE, cookie)));
        let span =
            tracing::info_span!("http.request", otel.kind = "client", http.request.method = "POST", rpc.method = method, http.response.status_code = Empty);
        let response = self.carrier.carry(request).instrument(span.clone()).await?;
        span.record("http.response.status_code", response.status().as_u16());
        self.keep(response.headers());
        Ok(response)
    }

    fn session(&self) -> Option<HeaderValue> {
        let cookies = self.cookies.lock().unwrap_or_else(PoisonError::into_inner);
        let text = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
        let mut value = HeaderValue::from_str(&text).ok().filter(|value| !value.is_empty())?;
        value.set_sensitive(true);
        Some(value)
    }

    fn keep(&self, headers: &HeaderMap) {
        let mut cookies = self.cookies.lock().unwrap_or_else(PoisonError::into_inner);
        for set in headers.get_all(SET_COOKIE).iter().filter_map(|set| set.to_str().ok()).filter(|set| set.len() <= COOKIE_LENGTH) {
            let Some((name, value)) = set.split(';').next().and_then(|pair| pair.split_once('=')) else { continue };
            cookies.retain(|(known, _)| known != name.trim());
            if cookies.len() < COOKIES && !value.trim().is_empty() {
                cookies.push((name.trim().to_owned(), value.trim().to_owned()));
            }
        }
    }

    fn judge(&self, response: Response<Vec<u8>>) -> Result<String> {
        let (status, headers) = (response.status(), response.headers().clone());
        let body = String::from_utf8(response.into_body()).map_err(|_| self.say("the answer is no text"))?;
        if status.is_success() {
            return if body.trim().is_empty() { Err(self.say("the answer is empty")) } else { Ok(body) };
        }
        if let Some(fault) = fault(&body) {
            return Err(match fault {
                Fault::Typed(fault) => Error::MethodFault(Arc::new(*fault)),
                Fault::Text(text) => self.say(&format!("the server refuses the call ({})", one_line(&text))),
            });
        }
        let code = status.as_u16();
        Err(self.say(&match status {
            _ if status.is_redirection() => match headers.get(http::header::LOCATION).and_then(|to| to.to_str().ok()) {
                Some(to) => {
                    format!("the server sends on to {}, which is not followed; give the address of the vCenter itself", crate::credentials::redact_url(to))
                }
                None => format!("the server answers {code} and does not say where to"),
            },
            StatusCode::NOT_FOUND => "there is no vCenter at this address (404)".to_owned(),
            _ => format!("the server refuses the call ({code})"),
        }))
    }

    fn say(&self, text: &str) -> Error {
        Error::ParseError(one_line(&self.redactor.redact(text)))
    }
}

/// Whether a failure of this kind says that the call was not taken.
fn passes(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 502 | 503 | 504)
}

fn told(broken: Broken) -> String {
    match broken {
        Broken::Refused(error) => error.to_string(),
        Broken::TooLarge => format!("an answer is larger than {} MiB", LARGEST >> 20),
        Broken::NotConnected(reason) | Broken::Cut(reason) if reason.contains("certificate") => untrusted(&reason),
        Broken::NotConnected(reason) | Broken::Cut(reason) => reason,
    }
}

/// `<Login xmlns="urn:vim25" xsi:type="…"><_this type="SessionManager">SessionManager</_this>…</Login>`
fn called(of: &str, id: &str, method: &str, parameters: Parameters<'_>) -> String {
    let this = format!("<_this type=\"{of}\">{}</_this>", quick_xml::escape::escape(id));
    let plain = parameters.map(|parameters| ser::to_xml(&parameters, method)).unwrap_or_default();
    match plain.split_once('>') {
        // Every attribute is escaped, so the first `>` ends the tag.
        Some((tag, rest)) if !tag.ends_with('/') => format!("{tag} xmlns=\"urn:vim25\">{this}{rest}"),
        _ => format!("<{method} xmlns=\"urn:vim25\">{this}</{method}>"),
    }
}

enum Fault {
    Typed(Box<MethodFault>),
    Text(String),
}

/// What a fault says: the element in its `detail`, by the type that it has in the API; else the text of its `faultstring`.
fn fault(body: &str) -> Option<Fault> {
    let mut reader = Reader::from_str(body);
    let (mut text, mut in_text, mut in_detail) = (None, false, false);
    loop {
        let before = usize::try_from(reader.buffer_position()).ok()?;
        match reader.read_event().ok()? {
            Event::Start(start) if in_detail => {
                reader.read_to_end(start.name()).ok()?;
                let after = usize::try_from(reader.buffer_position()).ok()?;
                let typed = de::from_xml::<MethodFault>(body.get(before..after)?.trim()).ok();
                return typed.map(|fault| Fault::Typed(Box::new(fault))).or(text.map(Fault::Text));
            }
            Event::Empty(_) if in_detail => {
                let after = usize::try_from(reader.buffer_position()).ok()?;
                let typed = de::from_xml::<MethodFault>(body.get(before..after)?.trim()).ok();
                return typed.map(|fault| Fault::Typed(Box::new(fault))).or(text.map(Fault::Text));
            }
            Event::Start(start) => match start.name().local_name().as_ref() {
                "detail" => in_detail = true,
                "faultstring" => (in_text, text) = (true, Some(String::new())),
                _ => {}
            },
            Event::Text(part) if in_text => text.get_or_insert_default().push_str(part.as_ref()),
            Event::End(_) if in_detail => return text.map(Fault::Text),
            Event::End(_) => in_text = false,
            Event::Eof => return text.map(Fault::Text),
            _ => {}
        }
    }
}

/// The same as the objects of `vim_rs` call it.
pub(super) struct Wire {
    pub line: Line,
    content: ServiceContent,
    missing: Mutex<Vec<Missing>>,
}

impl Wire {
    /// Asks the server what it is; nobody needs to be logged in for that.
    pub(super) async fn new(line: Line) -> Result<Self> {
        let answer = line.call("ServiceInstance", "ServiceInstance", "RetrieveServiceContent", None).await?;
        let content = soap::vim_response(&answer).map_err(|_| Error::ParseError("what answers there is no vCenter".to_owned()))?;
        Ok(Self { line, content, missing: Mutex::default() })
    }

    /// What was not read of the objects of the last answer.
    pub(super) fn missing(&self) -> Vec<Missing> {
        std::mem::take(&mut *self.missing.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn answer(&self, of: &str, id: &str, method: &str, parameters: Parameters<'_>) -> Result<String> {
        let answer = self.line.call(of, id, method, parameters).await?;
        if of != "PropertyCollector" {
            return Ok(answer);
        }
        let (answer, missing) = missing::parted(&answer).ok_or_else(|| Error::ParseError(format!("the answer to {method} cannot be read")))?;
        *self.missing.lock().unwrap_or_else(PoisonError::into_inner) = missing;
        Ok(answer)
    }
}

impl VimClient for Wire {
    fn service_content(&self) -> &ServiceContent {
        &self.content
    }

    fn transport(&self) -> Transport {
        Transport::Soap
    }

    fn api_release(&self) -> String {
        self.content.about.api_version.clone()
    }

    fn invoke<'a>(&'a self, _: &'a str, of: &'a str, id: &'a str, method: &'a str, parameters: Parameters<'a>) -> BoxFuture<'a, Result<Bytes>> {
        Box::pin(async move { Ok(self.answer(of, id, method, parameters).await?.into()) })
    }

    fn invoke_optional<'a>(
        &'a self,
        _: &'a str,
        of: &'a str,
        id: &'a str,
        method: &'a str,
        parameters: Parameters<'a>,
    ) -> BoxFuture<'a, Result<Option<Bytes>>> {
        Box::pin(async move {
            let answer = self.answer(of, id, method, parameters).await?;
            let is_empty = soap::vim_response_is_empty(&answer).map_err(|_| Error::ParseError(format!("the answer to {method} cannot be read")))?;
            Ok((!is_empty).then(|| answer.into()))
        })
    }

    fn invoke_void<'a>(&'a self, _: &'a str, of: &'a str, id: &'a str, method: &'a str, parameters: Parameters<'a>) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { self.line.call(of, id, method, parameters).await.map(drop) })
    }

    /// Properties are read many at once.
    fn fetch_property_raw<'a>(&'a self, _: &'a str, _: &'a str, _: &'a str, property: &'a str) -> BoxFuture<'a, Result<Option<PropertyValue>>> {
        Box::pin(async move { Err(Error::ParseError(format!("`{property}` is not read by itself"))) })
    }
}

#[cfg(test)]
mod tests {
    use vim_rs::types::struct_enum::StructType;

    use super::*;

    const HEAD: &str = r#"<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>"#;

    #[test]
    fn a_fault_is_told_by_its_type_in_the_api() {
        let body = format!(
            r#"{HEAD}<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>The session is not authenticated.</faultstring><detail><NotAuthenticatedFault xmlns="urn:vim25" xsi:type="NotAuthenticated"><object type="Folder">group-d1</object><privilegeId>System.View</privilegeId></NotAuthenticatedFault></detail></soapenv:Fault></soapenv:Body></soapenv:Envelope>"#
        );
        let Some(Fault::Typed(fault)) = fault(&body) else { panic!() };
        assert_eq!(fault.type_.map(StructType::as_str), Some("NotAuthenticated"));
    }

    #[test]
    fn a_fault_of_no_known_type_is_told_by_its_text() {
        for detail in ["", "<detail/>", "<detail></detail>", r#"<detail><X xmlns="urn:vim25" xsi:type="NoSuchType"/></detail>"#] {
            let body = format!("{HEAD}<soapenv:Fault><faultstring>Unsupported version</faultstring>{detail}</soapenv:Fault></soapenv:Body></soapenv:Envelope>");
            let Some(Fault::Text(text)) = fault(&body) else { panic!("{detail}") };
            assert_eq!(text, "Unsupported version");
        }
        assert!(fault("<html><body>Bad Gateway</body></html>").is_none());
        assert!(fault("not XML <").is_none());
    }

    #[test]
    fn a_call_names_its_object_first() {
        assert_eq!(called("SessionManager", "a&b", "Logout", None), r#"<Logout xmlns="urn:vim25"><_this type="SessionManager">a&amp;b</_this></Logout>"#);
        let reference = vim_rs::types::structs::PropertySpec { r#type: "Folder".to_owned(), all: Some(false), path_set: Some(vec!["name".to_owned()]) };
        let text = called("X", "x", "M", Some(&reference));
        assert!(text.starts_with("<M ") && text.contains(r#"xmlns="urn:vim25"><_this type="X">x</_this><type>Folder</type>"#), "{text}");
    }
}
