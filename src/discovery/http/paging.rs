//! Which page comes next, and when a list has ended. Pure.
//!
//! A short page never ends a list (ServiceNow counts before it leaves out what an account may not see); a page that came before, or a
//! place that was asked for before, does, and then the answer is not complete.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::api::Text;
use crate::api::discovery_source::Paging;

/// How one comes to the next page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// There is one page.
    Once,
    /// By how many items came before.
    Offset { parameter: Text },
    /// By number.
    Page { parameter: Text, first: u64 },
    /// By an address in the answer.
    Next,
    /// By the `Link` header.
    Link,
    /// By a mark in the answer.
    Cursor { parameter: Text, alone: bool },
    /// By the key of the last item.
    Key { parameter: Text, value: Text },
}

impl Way {
    pub(super) fn of(paging: Option<&Paging>) -> Self {
        let Some(paging) = paging else { return Self::Once };
        if let Some(offset) = &paging.offset {
            return Self::Offset { parameter: offset.parameter.clone() };
        }
        if let Some(page) = &paging.page {
            return Self::Page { parameter: page.parameter.clone(), first: page.first.unwrap_or(1).into() };
        }
        if let Some(cursor) = &paging.cursor {
            return Self::Cursor { parameter: cursor.parameter.clone(), alone: cursor.alone };
        }
        if let Some(key) = &paging.key {
            return Self::Key { parameter: key.parameter.clone(), value: key.value.clone() };
        }
        match (&paging.next, paging.link) {
            (Some(_), _) => Self::Next,
            (None, true) => Self::Link,
            (None, false) => Self::Once,
        }
    }
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Turn {
    /// The list as it is declared.
    Plain,
    /// The same with a parameter set, or that parameter alone.
    Set { parameter: Text, value: Text, alone: bool },
    /// What is at an address that the server gave.
    Address(Text),
}

/// What a page says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// How many items it has.
    pub items: usize,
    /// What leads on: an address, a mark, or the key of the last item.
    pub mark: Option<Text>,
    /// Where the `Link` header leads.
    pub link: Option<Text>,
    /// How many items the list has.
    pub total: Option<u64>,
    /// The number of the last page.
    pub last: Option<u64>,
    /// A hash of its bytes.
    pub digest: u64,
    /// Whether all its items came before.
    pub repeated: bool,
}

/// What is done after a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// That was the last one.
    Done,
    /// This comes next.
    Go(Turn),
    /// The list cannot be read on; why.
    Broken(String),
}

/// The way through a list.
#[derive(Debug)]
pub(super) struct Course {
    way: Way,
    most: u32,
    pages: u32,
    items: u64,
    number: u64,
    first_total: Option<u64>,
    last_total: Option<u64>,
    asked: HashSet<u64>,
    read: HashSet<u64>,
}

impl Course {
    /// Through a list of at most so many pages.
    pub(super) fn new(way: Way, most: u32) -> Self {
        let number = if let Way::Page { first, .. } = &way { *first } else { 0 };
        Self { way, most, pages: 0, items: 0, number, first_total: None, last_total: None, asked: HashSet::new(), read: HashSet::new() }
    }

    /// The page that is to be read now, from 1.
    pub(super) fn page(&self) -> u32 {
        self.pages + 1
    }

    /// What is asked for first.
    pub(super) fn first(&mut self) -> Turn {
        let turn = match &self.way {
            Way::Offset { parameter } => set(parameter, 0),
            Way::Page { parameter, first } => set(parameter, *first),
            Way::Once | Way::Next | Way::Link | Way::Cursor { .. } | Way::Key { .. } => Turn::Plain,
        };
        self.asked.insert(hash(&turn));
        turn
    }

    /// What is done after a page.
    pub(super) fn after(&mut self, facts: &Facts) -> Step {
        let page = self.page();
        if facts.items > 0 && (facts.repeated || !self.read.insert(facts.digest)) {
            return Step::Broken(format!("page {page} holds what came before: the server repeats its pages"));
        }
        self.pages += 1;
        self.items += facts.items as u64;
        self.first_total = self.first_total.or(facts.total);
        self.last_total = facts.total.or(self.last_total);
        let turn = match self.onward(facts, page) {
            Step::Go(turn) => turn,
            step => return step,
        };
        if self.pages >= self.most {
            return Step::Broken(format!("the list has more than {} pages; ask for larger ones, or raise `limits.pages`", self.most));
        }
        if !self.asked.insert(hash(&turn)) {
            return Step::Broken(format!("page {page} leads to a page that was read before: the server's pages do not end"));
        }
        Step::Go(turn)
    }

    fn onward(&mut self, facts: &Facts, page: u32) -> Step {
        let marked = facts.mark.as_ref();
        let is_all = facts.items == 0 || self.last_total.is_some_and(|total| self.items >= total);
        match &self.way {
            Way::Once if facts.link.is_some() => Step::Broken("the server has a next page (its `Link` header says so); give `paging`".to_owned()),
            Way::Once => Step::Done,
            Way::Offset { parameter } => {
                if is_all {
                    Step::Done
                } else {
                    Step::Go(set(parameter, self.items))
                }
            }
            Way::Page { parameter, .. } => {
                let is_last = facts.last.is_some_and(|last| self.number >= last);
                self.number += 1;
                if is_all || is_last { Step::Done } else { Step::Go(set(parameter, self.number)) }
            }
            Way::Next => marked.map_or(Step::Done, |next| Step::Go(Turn::Address(next.clone()))),
            Way::Link => facts.link.as_ref().map_or(Step::Done, |next| Step::Go(Turn::Address(next.clone()))),
            Way::Cursor { parameter, alone } => {
                marked.map_or(Step::Done, |value| Step::Go(Turn::Set { parameter: parameter.clone(), value: value.clone(), alone: *alone }))
            }
            // Where none of a page's rows may be seen there is no key to go on from, but the header tells that there are more.
            Way::Key { .. } if facts.items == 0 => facts.link.as_ref().map_or(Step::Done, |next| Step::Go(Turn::Address(next.clone()))),
            Way::Key { parameter, value } => match marked {
                Some(key) => Step::Go(Turn::Set { parameter: parameter.clone(), value: value.replace("{key}", key).into(), alone: false }),
                None => Step::Broken(format!("the last item of page {page} has no key (`paging.key.of`)")),
            },
        }
    }

    /// What is wrong where fewer items came than the server says there are.
    pub(super) fn shortfall(&self) -> Option<String> {
        // A list that is asked for from a key on counts what is left.
        let total = if matches!(self.way, Way::Key { .. }) { self.first_total } else { self.last_total }?;
        let why = "the account may not see the others, or the list changed while it was read";
        (self.items < total).then(|| format!("the server counts {total} items and gave {}: {why}", self.items))
    }
}

fn set(parameter: &Text, value: u64) -> Turn {
    Turn::Set { parameter: parameter.clone(), value: value.to_string().into(), alone: false }
}

pub(super) fn hash(what: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn course(yaml: &str) -> Course {
        let paging: Paging = serde_yaml::from_str(yaml).unwrap();
        Course::new(Way::of(Some(&paging)), 100)
    }

    /// A page of so many items, unlike any other.
    fn page(items: usize, number: u64) -> Facts {
        Facts { items, digest: number, ..Facts::default() }
    }

    fn going(parameter: &str, value: &str) -> Step {
        Step::Go(Turn::Set { parameter: parameter.into(), value: value.into(), alone: false })
    }

    #[test]
    fn a_short_page_does_not_end_a_list_by_offset_but_an_empty_one_does() {
        let mut course = course("offset: {parameter: offset}");
        assert_eq!(course.first(), Turn::Set { parameter: "offset".into(), value: "0".into(), alone: false });
        assert_eq!(course.after(&page(100, 1)), going("offset", "100"));
        assert_eq!(course.after(&page(3, 2)), going("offset", "103"));
        assert_eq!(course.after(&page(0, 3)), Step::Done);
        assert_eq!(course.shortfall(), None);
    }

    #[test]
    fn a_total_ends_a_list_and_shows_that_it_is_short() {
        let mut course = course("offset: {parameter: offset}");
        course.first();
        assert_eq!(course.after(&Facts { total: Some(5), ..page(3, 1) }), going("offset", "3"));
        assert_eq!(course.after(&Facts { total: Some(5), ..page(2, 2) }), Step::Done);
        assert_eq!(course.shortfall(), None);
        let mut course = Course::new(Way::Once, 1);
        assert_eq!(course.after(&Facts { total: Some(5), ..page(3, 1) }), Step::Done);
        assert!(course.shortfall().unwrap().contains("counts 5 items and gave 3"));
    }

    #[test]
    fn pages_are_counted_from_the_first_to_the_last() {
        let mut course = course("page: {parameter: page, first: 0, last: .pages}");
        assert_eq!(course.first(), Turn::Set { parameter: "page".into(), value: "0".into(), alone: false });
        assert_eq!(course.after(&Facts { last: Some(1), ..page(2, 1) }), going("page", "1"));
        assert_eq!(course.after(&Facts { last: Some(1), ..page(2, 2) }), Step::Done);
    }

    #[test]
    fn a_mark_is_sent_alone_where_that_is_wanted_and_its_absence_ends_the_list() {
        let mut course = course("cursor: {parameter: nextPageKey, value: .nextPageKey, alone: true}");
        assert_eq!(course.first(), Turn::Plain);
        let step = course.after(&Facts { mark: Some("m".into()), ..page(2, 1) });
        assert_eq!(step, Step::Go(Turn::Set { parameter: "nextPageKey".into(), value: "m".into(), alone: true }));
        assert_eq!(course.after(&page(2, 2)), Step::Done);
    }

    #[test]
    fn by_key_neither_a_short_nor_an_empty_page_ends_a_list_that_has_more() {
        let mut course = course("key: {parameter: q, of: .id, value: 'id>{key}^ORDERBYid'}");
        course.first();
        assert_eq!(course.after(&Facts { mark: Some("a7".into()), total: Some(9), ..page(1, 1) }), going("q", "id>a7^ORDERBYid"));
        let hidden = Facts { link: Some("https://x/?o=2".into()), total: Some(8), ..page(0, 2) };
        assert_eq!(course.after(&hidden), Step::Go(Turn::Address("https://x/?o=2".into())));
        assert_eq!(course.after(&Facts { mark: Some("b9".into()), ..page(2, 3) }), going("q", "id>b9^ORDERBYid"));
        assert_eq!(course.after(&page(0, 4)), Step::Done);
        assert!(course.shortfall().unwrap().contains("counts 9 items and gave 3"), "what the account may not see");
    }

    #[test]
    fn a_page_that_comes_again_ends_the_list_and_is_told() {
        let mut course = course("next: .next");
        course.first();
        course.after(&Facts { mark: Some("/2".into()), ..page(2, 1) });
        let again = course.after(&Facts { mark: Some("/3".into()), ..page(2, 1) });
        assert_eq!(again, Step::Broken("page 2 holds what came before: the server repeats its pages".into()));
        let repeated = Facts { mark: Some("/3".into()), repeated: true, ..page(2, 2) };
        assert!(matches!(course.after(&repeated), Step::Broken(_)), "the same items in other bytes");
    }

    #[test]
    fn a_place_that_was_asked_for_before_ends_the_list_even_where_pages_are_empty() {
        let mut course = course("cursor: {parameter: c, value: .c}");
        course.first();
        assert!(matches!(course.after(&Facts { mark: Some("m".into()), ..page(0, 1) }), Step::Go(_)));
        assert!(matches!(course.after(&Facts { mark: Some("m".into()), ..page(0, 1) }), Step::Broken(_)));
    }

    #[test]
    fn pages_are_bounded() {
        let mut course = Course::new(Way::Next, 2);
        course.first();
        assert!(matches!(course.after(&Facts { mark: Some("/2".into()), ..page(1, 1) }), Step::Go(_)));
        assert!(matches!(course.after(&Facts { mark: Some("/3".into()), ..page(1, 2) }), Step::Broken(_)));
    }

    #[test]
    fn a_next_page_that_nobody_asked_about_is_told() {
        let mut course = Course::new(Way::of(None), 1);
        assert!(matches!(course.after(&Facts { link: Some("/2".into()), ..page(1, 1) }), Step::Broken(_)));
    }
}
