//! Lists that are kept current by watches, for a process that asks again and again.
//!
//! A pass that finds a list here does not ask for it. A watch goes on from where the list ended; where it cannot, because the server has
//! forgotten that state (410 Gone), because who asks has lost the right to, or because it has been silent for longer than a healthy watch is,
//! the list is dropped, and the next pass lists anew: what is kept is never the reason why an answer is wrong or lacks something.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use serde_json::Value as Json;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::client::{Client, Failure, SILENCE};
use super::links::Found;
use super::object::text;
use crate::api::Text;
use crate::api::discovery_source::KubernetesResource as Resource;

/// A list that nobody has asked for in this time is no longer kept.
const UNASKED: Duration = Duration::from_hours(1);
/// How many lists are kept; each is a connection.
const LISTS: usize = 64;
/// The pause before a watch that ended is begun again.
const PAUSE: Duration = Duration::from_secs(1);

/// An object of a list, and where its Secret is, if it is one.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    /// What it means; none where it has no uid or name.
    pub(super) found: Option<Found>,
    /// Its namespace, name and version, if it is a Secret.
    pub(super) secret: Option<[Text; 3]>,
}

/// Which list: who asks for it (the source and its server), the resource, the namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    /// Everything that says who asks whom.
    pub(super) asker: String,
    /// What for.
    pub(super) resource: Resource,
    /// Where; none: everywhere.
    pub(super) namespace: Option<String>,
}

/// Makes of an object what is kept of it.
pub(super) type Reads = Arc<dyn Fn(&Json) -> Listed + Send + Sync>;

/// The certificate that a Secret held in a version; none where it held none.
pub(super) type Certificate = (Text, Option<Found>);

/// Lists and certificates that are kept. One for each estate: who asks is told apart by the source's document, and two estates may
/// mean different credentials by one name.
#[derive(Default)]
pub struct Kept {
    lists: Mutex<BTreeMap<Key, Arc<Followed>>>,
    certificates: Mutex<HashMap<(String, Text), Certificate>>,
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Kept({} lists)", locked(&self.lists).len())
    }
}

/// A list that a watch follows. The watch ends with it.
struct Followed {
    state: Mutex<State>,
    watch: Mutex<Option<AbortHandle>>,
}

struct State {
    objects: BTreeMap<String, Listed>,
    version: String,
    connected: bool,
    heard: Instant,
    asked: Instant,
}

impl Drop for Followed {
    fn drop(&mut self) {
        if let Some(watch) = locked(&self.watch).take() {
            watch.abort();
        }
    }
}

/// What is behind a lock, whatever happened to who held it before: every change is made at once.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Kept {
    /// The objects of a list, if it is kept and current.
    pub(super) fn objects(&self, key: &Key, now: Instant) -> Option<Vec<Listed>> {
        let mut lists = locked(&self.lists);
        lists.retain(|_, followed| now.duration_since(locked(&followed.state).asked) < UNASKED);
        let mut state = locked(&lists.get(key)?.state);
        state.asked = now;
        let current = state.connected && now.duration_since(state.heard) < SILENCE;
        current.then(|| state.objects.values().cloned().collect())
    }

    /// Keeps a list from now on. `address` is where it is watched from its version on.
    pub(super) fn follow(&self, key: Key, client: &Client, list: (BTreeMap<String, Listed>, String), watch: Watch) {
        let (objects, version) = list;
        let mut lists = locked(&self.lists);
        lists.remove(&key);
        if version.is_empty() || lists.len() >= LISTS {
            return;
        }
        let now = Instant::now();
        let state = State { objects, version, connected: false, heard: now, asked: now };
        let followed = Arc::new(Followed { state: Mutex::new(state), watch: Mutex::default() });
        let task = tokio::spawn(go_on(Arc::downgrade(&followed), client.without_deadline(), watch));
        *locked(&followed.watch) = Some(task.abort_handle());
        lists.insert(key, followed);
    }

    /// The certificate of a Secret in this version, if it is known.
    pub(super) fn certificate(&self, asker: &str, uid: &Text, version: &Text) -> Option<Certificate> {
        let known = locked(&self.certificates);
        known.get(&(asker.to_owned(), uid.clone())).filter(|(of, _)| of == version).cloned()
    }

    /// Remembers the certificates of an asker, and no others of it.
    pub(super) fn remember(&self, asker: &str, certificates: impl IntoIterator<Item = (Text, Certificate)>) {
        let mut known = locked(&self.certificates);
        known.retain(|(of, _), _| of != asker);
        known.extend(certificates.into_iter().map(|(uid, certificate)| ((asker.to_owned(), uid), certificate)));
    }
}

/// How a list is watched.
pub(super) struct Watch {
    /// The address of the watch, without the version to go on from, which comes last.
    pub(super) address: String,
    /// What is accepted.
    pub(super) accept: &'static str,
    /// What is made of each object.
    pub(super) reads: Reads,
}

/// Follows a list as long as somebody holds it and the server can go on from where it is.
async fn go_on(followed: Weak<Followed>, client: Client, watch: Watch) {
    loop {
        let Some(version) = followed.upgrade().map(|followed| locked(&followed.state).version.clone()) else { return };
        let address = format!("{}{}", watch.address, super::list::encoded(&version));
        let ended = client.watch(&address, watch.accept, |line| heard(&followed, &watch.reads, line)).await;
        if !followed.upgrade().is_some_and(|followed| locked(&followed.state).may_go_on(&ended, Instant::now())) {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Takes in what a watch says; nothing yet where it has only begun.
fn heard(followed: &Weak<Followed>, reads: &Reads, line: Option<&[u8]>) -> ControlFlow<Failure> {
    let Some(followed) = followed.upgrade() else { return ControlFlow::Break(Failure::Other("nobody asks any longer".to_owned())) };
    let mut state = locked(&followed.state);
    (state.connected, state.heard) = (true, Instant::now());
    let Some(line) = line else { return ControlFlow::Continue(()) };
    match Event::read(line) {
        Event::Is(json) => {
            let Some(uid) = text(&json, &["metadata", "uid"]) else { return ControlFlow::Break(Failure::Expired) };
            state.objects.insert(uid.to_owned(), reads(&json));
            state.reached(&json);
        }
        Event::Gone(json) => {
            state.objects.remove(text(&json, &["metadata", "uid"]).unwrap_or_default());
            state.reached(&json);
        }
        Event::Bookmark(json) => state.reached(&json),
        // Whatever is not understood, what is kept can no longer be relied on.
        Event::Broken => return ControlFlow::Break(Failure::Expired),
    }
    ControlFlow::Continue(())
}

impl State {
    /// Whether the watch may be begun again after it ended in this way. What cannot be gone on with is forgotten at once.
    fn may_go_on(&mut self, ended: &Failure, now: Instant) -> bool {
        self.connected = false;
        let for_good = matches!(ended, Failure::Expired | Failure::Forbidden | Failure::Unknown | Failure::Absent | Failure::TooLarge);
        let over = for_good || now.duration_since(self.asked) > UNASKED;
        if over {
            self.objects.clear();
        }
        !over
    }

    fn reached(&mut self, json: &Json) {
        if let Some(version) = text(json, &["metadata", "resourceVersion"]).filter(|version| !version.is_empty()) {
            version.clone_into(&mut self.version);
        }
    }
}

/// What one line of a watch says.
#[derive(Debug, PartialEq)]
enum Event {
    /// The object is, or is now, like this.
    Is(Json),
    /// The object is gone.
    Gone(Json),
    /// Nothing happened up to this version.
    Bookmark(Json),
    /// An error, 410 above all, or what is no event.
    Broken,
}

impl Event {
    fn read(line: &[u8]) -> Self {
        let Ok(mut json) = serde_json::from_slice::<Json>(line) else { return Self::Broken };
        let object = json.get_mut("object").map(Json::take).unwrap_or_default();
        match json.get("type").and_then(Json::as_str) {
            Some("ADDED" | "MODIFIED") => Self::Is(object),
            Some("DELETED") => Self::Gone(object),
            Some("BOOKMARK") => Self::Bookmark(object),
            _ => Self::Broken,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn followed(objects: &[&str]) -> Arc<Followed> {
        let now = Instant::now();
        let objects = objects.iter().map(|uid| ((*uid).to_owned(), Listed { found: None, secret: None })).collect();
        Arc::new(Followed { state: Mutex::new(State { objects, version: "1".into(), connected: true, heard: now, asked: now }), watch: Mutex::default() })
    }

    fn hear(followed: &Arc<Followed>, event: &Json) -> ControlFlow<Failure> {
        let reads: Reads = Arc::new(|_| Listed { found: None, secret: None });
        heard(&Arc::downgrade(followed), &reads, Some(event.to_string().as_bytes()))
    }

    fn object(uid: &str, version: &str) -> Json {
        json!({"metadata": {"uid": uid, "resourceVersion": version}})
    }

    #[test]
    fn what_is_kept_follows_what_the_watch_says() {
        let list = followed(&["a", "b"]);
        assert!(hear(&list, &json!({"type": "ADDED", "object": object("c", "5")})).is_continue());
        assert!(hear(&list, &json!({"type": "DELETED", "object": object("a", "6")})).is_continue());
        assert!(hear(&list, &json!({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "9"}}})).is_continue());
        let state = locked(&list.state);
        assert_eq!((state.objects.keys().map(String::as_str).collect::<Vec<_>>(), &*state.version), (vec!["b", "c"], "9"));
    }

    #[test]
    fn a_list_that_the_server_cannot_go_on_from_is_given_up() {
        let list = followed(&["a"]);
        for event in [
            json!({"type": "ERROR", "object": {"kind": "Status", "code": 410}}),
            json!({"type": "ADDED", "object": {}}),
            json!("canary"),
            json!({"type": "NEW"}),
        ] {
            assert_eq!(hear(&list, &event), ControlFlow::Break(Failure::Expired), "{event}");
        }
    }

    #[test]
    fn a_silent_watch_is_not_relied_on_and_an_unasked_list_is_dropped() {
        let (kept, now) = (Kept::default(), Instant::now());
        let key = Key { asker: "it".into(), resource: Resource::Service, namespace: None };
        locked(&kept.lists).insert(key.clone(), followed(&["a"]));
        assert_eq!(kept.objects(&key, now).map(|objects| objects.len()), Some(1));
        assert!(kept.objects(&key, now + SILENCE + Duration::from_secs(1)).is_none());
        assert!(kept.objects(&key, now + SILENCE + UNASKED * 2).is_none() && locked(&kept.lists).is_empty());
    }

    #[test]
    fn a_watch_that_ended_goes_on_unless_its_state_is_forgotten_or_the_right_is_lost() {
        let now = Instant::now();
        let list = followed(&["a"]);
        assert!(locked(&list.state).may_go_on(&Failure::Late, now) && !locked(&list.state).connected);
        assert!(!locked(&list.state).may_go_on(&Failure::Late, now + UNASKED * 2));
        for ended in [Failure::Expired, Failure::Forbidden, Failure::Unknown] {
            let list = followed(&["a"]);
            assert!(!locked(&list.state).may_go_on(&ended, now) && locked(&list.state).objects.is_empty());
        }
    }

    #[test]
    fn a_certificate_is_known_in_the_version_in_which_it_was_read() {
        let kept = Kept::default();
        let uid = Text::from("u");
        kept.remember("it", [(uid.clone(), ("1".into(), None))]);
        assert_eq!(kept.certificate("it", &uid, &"1".into()), Some(("1".into(), None)));
        assert_eq!((kept.certificate("it", &uid, &"2".into()), kept.certificate("other", &uid, &"1".into())), (None, None));
        kept.remember("it", []);
        assert_eq!(kept.certificate("it", &uid, &"1".into()), None);
    }
}
