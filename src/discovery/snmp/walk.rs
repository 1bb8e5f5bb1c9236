//! Walking a column, answer by answer: what belongs to it, and when it has ended. Pure.
//!
//! An agent lists its objects in increasing order (RFC 3416, section 4.2.3). One that does not would be walked for ever, or, where it leaps
//! back to before the column, would seem to have reached its end: both are faults, and the column is not known.

use super::objects::{Cell, Column};

/// Where a walk stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// What comes after this object is asked for next.
    After(Vec<u32>),
    /// The column has ended.
    End,
}

/// A value at an object, or that there is nothing at it or after it.
pub type Binding = (Vec<u32>, Option<Cell>);

/// Takes the rows of one answer, which was to begin after `last`, into the column at `base`.
pub fn take(base: &[u32], last: Vec<u32>, bindings: Vec<Binding>, column: &mut Column) -> Result<Next, &'static str> {
    let mut at = last;
    let mut any = false;
    for (oid, cell) in bindings {
        let Some(cell) = cell else { return Ok(Next::End) };
        if oid <= at {
            return Err("its agent lists objects that do not increase, which has no end");
        }
        let Some(row) = oid.strip_prefix(base) else { return Ok(Next::End) };
        column.insert(row.to_vec(), cell);
        (at, any) = (oid, true);
    }
    if any { Ok(Next::After(at)) } else { Err("its agent answers with nothing where it must say that it has come to an end") }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::ops::Bound;

    use proptest::prelude::*;

    use super::*;

    const BASE: [u32; 2] = [1, 3];

    fn number(oid: &[u32]) -> Binding {
        (oid.to_vec(), Some(Cell::Number(0)))
    }

    #[test]
    fn a_column_ends_where_another_object_or_nothing_follows() {
        let mut column = Column::new();
        let walk = |bindings: Vec<Binding>, column: &mut Column| take(&BASE, vec![1, 3], bindings, column);
        assert_eq!(walk(vec![number(&[1, 3, 1]), number(&[1, 3, 2])], &mut column), Ok(Next::After(vec![1, 3, 2])));
        assert_eq!(walk(vec![number(&[1, 3, 3]), number(&[1, 4, 1]), number(&[1, 3, 9])], &mut column), Ok(Next::End));
        assert_eq!(walk(vec![(vec![1, 3], None)], &mut column), Ok(Next::End));
        assert_eq!(column.keys().cloned().collect::<Vec<_>>(), [[1], [2], [3]]);
    }

    #[test]
    fn an_agent_that_loops_is_found_out() {
        for bindings in [
            vec![number(&[1, 3, 5])],
            vec![number(&[1, 3, 6]), number(&[1, 3, 6])],
            vec![number(&[1, 3, 7]), number(&[1, 3, 6])],
            vec![number(&[1, 2, 9])], // it seems to have left the column
        ] {
            assert!(take(&BASE, vec![1, 3, 5], bindings.clone(), &mut Column::new()).unwrap_err().contains("do not increase"), "{bindings:?}");
        }
        assert!(take(&BASE, vec![1, 3], vec![], &mut Column::new()).unwrap_err().contains("nothing"));
    }

    proptest! {
        #[test]
        fn a_walk_finds_the_rows_of_its_column_and_no_others_whatever_an_answer_holds(
            objects in proptest::collection::btree_set(proptest::collection::vec(0..6_u32, 1..5), 0..60),
            base in proptest::collection::vec(0..6_u32, 1..3),
            most in 1..9_usize,
        ) {
            let agent: BTreeMap<Vec<u32>, Cell> = objects.into_iter().map(|oid| (oid, Cell::Number(1))).collect();
            let (mut column, mut next) = (Column::new(), Next::After(base.clone()));
            while let Next::After(at) = next {
                let mut bindings: Vec<Binding> = agent.range((Bound::Excluded(at.clone()), Bound::Unbounded)).take(most).map(|(oid, cell)| (oid.clone(), Some(cell.clone()))).collect();
                if bindings.len() < most {
                    bindings.push((at.clone(), None));
                }
                next = take(&base, at, bindings, &mut column).unwrap();
            }
            let expected: Vec<Vec<u32>> = agent.keys().filter(|oid| **oid > base).filter_map(|oid| oid.strip_prefix(&*base).map(<[u32]>::to_vec)).collect();
            prop_assert_eq!(column.into_keys().collect::<Vec<_>>(), expected);
        }
    }
}
