//! Asking one device: who asks, requests that are sent again, columns within bounds.

use std::net::SocketAddr;
use std::time::Duration;

use async_snmp::{Auth, AuthProtocol, Client, ClientBuilder, Error, ErrorStatus, MasterKeys, Oid, PrivProtocol, Retry, UdpHandle, UsmConfig, Value, VarBind};

use super::check::Limits;
use super::objects::{Cell, Column, Facts, LOCAL, Object, SYSTEM, columns};
use super::walk::{Binding, Next, take};
use crate::api::discovery_source::SnmpTable;
use crate::credentials::snmp::{Authentication, Privacy, User};
use crate::credentials::{Credential, Login};

/// How many rows are asked for at once: as many as fit into an answer that is not torn into fragments.
const AT_ONCE: u32 = 20;
/// How many bytes one device's values may have.
const MOST_BYTES: usize = 16 << 20;
/// The pause before a request is sent a second time; it doubles.
const PAUSE: Duration = Duration::from_millis(200);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// As whom devices are asked. Takes a second or so for a user of v3: its keys are made slowly on purpose.
pub(super) fn login(credential: &Credential) -> Result<Auth, String> {
    match &credential.login {
        Login::Community(community) => Ok(Auth::v2c(community.expose().to_owned())),
        Login::SnmpUser(user) => user_of(user).map_err(|_| format!("the credential `{}` cannot be used: no key can be made of its passwords", credential.name)),
        _ => Err(format!("the credential `{}` is none of SNMP: it must have `community`, or `user` and `snmp`", credential.name)),
    }
}

fn user_of(user: &User) -> Result<Auth, async_snmp::CryptoError> {
    let (protocol, password) = &user.authentication;
    let protocol = match protocol {
        Authentication::Md5 => AuthProtocol::Md5,
        Authentication::Sha1 => AuthProtocol::Sha1,
        Authentication::Sha224 => AuthProtocol::Sha224,
        Authentication::Sha256 => AuthProtocol::Sha256,
        Authentication::Sha384 => AuthProtocol::Sha384,
        Authentication::Sha512 => AuthProtocol::Sha512,
    };
    let mut keys = MasterKeys::new(protocol, password.expose().as_bytes())?;
    if let Some((protocol, password)) = &user.privacy {
        let protocol = match protocol {
            Privacy::Des => PrivProtocol::Des,
            Privacy::Aes128 => PrivProtocol::Aes128,
            Privacy::Aes192 => PrivProtocol::Aes192Blumenthal,
            Privacy::Aes256 => PrivProtocol::Aes256Blumenthal,
            Privacy::Aes192Cisco => PrivProtocol::Aes192Reeder,
            Privacy::Aes256Cisco => PrivProtocol::Aes256Reeder,
        };
        keys = keys.with_privacy(protocol, password.expose().as_bytes())?;
    }
    Ok(UsmConfig::new(user.name.to_string()).with_master_keys(keys)?.into())
}

/// The way to one device.
pub(super) struct Session {
    client: Client<UdpHandle>,
    /// How many rows it may still have.
    rows: usize,
    /// How many bytes its values may still have.
    bytes: usize,
}

/// Asks the device at one of these addresses, of which the first that answers is taken, for the tables. An error is the end of a sentence:
/// "sw-1: no answer …".
pub(super) async fn look(addresses: &[SocketAddr], auth: &Auth, limits: &Limits, tables: &[SnmpTable]) -> Result<(SocketAddr, Facts), String> {
    let mut reason = "it has no address".to_owned();
    for address in addresses {
        let mut session = match Session::open(*address, auth, limits).await {
            Ok(session) => session,
            // This side may have no way to addresses of its kind.
            Err(error) => {
                reason = error;
                continue;
            }
        };
        let mut facts = Facts::default();
        match session.scalars(&SYSTEM, &mut facts).await {
            // Nobody is there, so another address is tried; what answers has been found, whatever it says.
            Err(error) if matches!(error.exchange_source(), Error::Network { .. }) => reason = words(&error, limits),
            Err(error) if matches!(error.exchange_source(), Error::Timeout { .. }) => {
                reason = format!("{}; it may not know the community, or the user or its passwords", words(&error, limits));
            }
            Err(error) => return Err(words(&error, limits)),
            Ok(()) if facts.scalars.is_empty() => return Err("it answers, and shows nothing of its system group: its view is too narrow".to_owned()),
            Ok(()) => {
                session.tables(tables, &mut facts, limits).await?;
                return Ok((*address, facts));
            }
        }
    }
    Err(reason)
}

impl Session {
    async fn open(address: SocketAddr, auth: &Auth, limits: &Limits) -> Result<Self, String> {
        let retry = Retry::exponential(limits.tries - 1).initial_delay(PAUSE).max_delay(LONGEST_PAUSE).jitter(0.25).build();
        let retry = retry.map_err(|error| error.to_string())?;
        let builder = ClientBuilder::new(auth.clone()).request_timeout(limits.request).retry(retry).target(address);
        // What comes from elsewhere is not the device's answer.
        let client = builder.strict_source(true).connect().await.map_err(|error| words(&error, limits))?;
        Ok(Self { client, rows: limits.rows, bytes: MOST_BYTES })
    }

    async fn tables(&mut self, tables: &[SnmpTable], facts: &mut Facts, limits: &Limits) -> Result<(), String> {
        for table in tables {
            let fault = |reason: String| format!("{table:?} cannot be read: {reason}; `tables` can leave it out");
            if *table == SnmpTable::Neighbors {
                self.scalars(&LOCAL, facts).await.map_err(|error| fault(words(&error, limits)))?;
            }
            for object in columns(*table) {
                let column = self.column(object.oid(), limits).await.map_err(fault)?;
                if !column.is_empty() {
                    facts.columns.insert(*object, column);
                }
            }
        }
        Ok(())
    }

    /// Asks for objects with one value. What the device does not have is left out.
    async fn scalars(&self, objects: &[Object], facts: &mut Facts) -> Result<(), Box<Error>> {
        let oids: Vec<Oid> = objects.iter().map(|object| Oid::from_slice(object.oid())).collect();
        let answer = self.client.get_many(&oids).await?;
        let mut cells: Vec<Binding> = answer.varbinds.into_iter().map(binding).collect();
        for object in objects {
            let found = cells.iter_mut().find(|(oid, _)| oid == object.oid()).and_then(|(_, cell)| cell.take());
            facts.scalars.extend(found.map(|cell| (*object, cell)));
        }
        Ok(())
    }

    /// A column, from its first row to its last.
    async fn column(&mut self, base: &[u32], limits: &Limits) -> Result<Column, String> {
        let (mut column, mut at_once) = (Column::new(), AT_ONCE);
        let mut next = Next::After(base.to_vec());
        while let Next::After(last) = next {
            let answer = self.client.get_bulk(&[Oid::from_slice(&last)], 0, at_once).await;
            let bindings: Vec<Binding> = match answer {
                Ok(bindings) => bindings.into_iter().map(binding).collect(),
                Err(error) if at_once > 1 && is_too_big(&error) => {
                    (at_once, next) = (at_once / 2, Next::After(last));
                    continue;
                }
                Err(error) => return Err(words(&error, limits)),
            };
            let before = column.len();
            self.count_bytes(&bindings)?;
            next = take(base, last, bindings, &mut column)?;
            self.rows = self.rows.checked_sub(column.len() - before).ok_or_else(|| format!("it has more than {} rows (`limits.rows`)", limits.rows))?;
        }
        Ok(column)
    }

    fn count_bytes(&mut self, bindings: &[Binding]) -> Result<(), String> {
        let bytes: usize = bindings
            .iter()
            .map(|(oid, cell)| {
                let value = match cell {
                    Some(Cell::Bytes(bytes)) => bytes.len(),
                    Some(Cell::Oid(oid)) => oid.len() * 4,
                    _ => 8,
                };
                oid.len() * 4 + value
            })
            .sum();
        self.bytes = self.bytes.checked_sub(bytes).ok_or_else(|| format!("it answers with more than {} MiB", MOST_BYTES >> 20))?;
        Ok(())
    }
}

fn is_too_big(error: &Error) -> bool {
    matches!(error.exchange_source(), Error::Snmp { status: ErrorStatus::TooBig, .. })
}

fn binding(binding: VarBind) -> Binding {
    let cell = match binding.value {
        Value::Integer(number) => Some(Cell::Number(number.into())),
        Value::Gauge32(number) | Value::Counter32(number) | Value::UInteger32(number) | Value::TimeTicks(number) => Some(Cell::Number(number.into())),
        Value::Counter64(number) => Some(Cell::Number(i64::try_from(number).unwrap_or(i64::MAX))),
        Value::OctetString(bytes) | Value::Opaque(bytes) | Value::Nsap(bytes) => Some(Cell::Bytes(bytes.to_vec())),
        Value::IpAddress(bytes) => Some(Cell::Bytes(bytes.to_vec())),
        Value::ObjectIdentifier(oid) => Some(Cell::Oid(oid.arcs().to_vec())),
        // There is no such object, no such row, or nothing more.
        Value::NoSuchObject | Value::NoSuchInstance | Value::EndOfMibView => None,
        // A row is there, whatever stands in it.
        _ => Some(Cell::Bytes(Vec::new())),
    };
    (binding.oid.arcs().to_vec(), cell)
}

/// Why a device could not be asked, without its address, which whoever asks names.
fn words(error: &Error, limits: &Limits) -> String {
    match error.exchange_source() {
        Error::Timeout { .. } => {
            let tries = limits.tries;
            format!("no answer to a request that was sent {tries} times")
        }
        Error::Network { source, .. } if source.kind() == std::io::ErrorKind::ConnectionRefused => "nothing listens there".to_owned(),
        Error::Network { source, .. } => format!("it cannot be reached: {}", source.kind()),
        Error::Auth { .. } => "it does not know the user, or its passwords or protocols are others".to_owned(),
        Error::Report { status, .. } => format!("it refuses the user: {}", report(&status.to_string())),
        Error::Snmp { status, .. } => format!("it refuses with {status}"),
        Error::Decode(_) | Error::MalformedResponse { .. } | Error::ResponseShape { .. } | Error::InvalidMessage(_) => {
            "what it answers is no SNMP that can be read".to_owned()
        }
        // What else there is has to do with this side, and could quote what it was given.
        other => format!("it cannot be asked ({})", other.kind()),
    }
}

/// A report without its counter, which is another each time.
fn report(status: &str) -> &str {
    status.split(" (counter").next().unwrap_or(status)
}
