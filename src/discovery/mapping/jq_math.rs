//! Adding, subtracting, multiplying and dividing within jq, each paid for before anything is built.

use std::ops::{Add, Div, Mul, Neg, Rem, Sub};
use std::rc::Rc;

use jaq_core::ValR;
use jaq_core::ops::Math;

use super::fuel::{charge, charge_text};
use super::jq_value::{Error, Map, V};

/// A whole number where both are whole and the result fits, else a decimal one.
fn calculate(left: &V, right: &V, whole: fn(i128, i128) -> Option<i128>, decimal: fn(f64, f64) -> f64) -> Option<V> {
    charge(1);
    if let (Some(left), Some(right)) = (left.as_whole(), right.as_whole())
        && let Some(result) = whole(left, right)
    {
        return Some(V::whole(result));
    }
    Some(V::decimal(decimal(left.as_decimal()?, right.as_decimal()?)))
}

impl Add for V {
    type Output = ValR<V>;
    fn add(self, other: Self) -> ValR<V> {
        match (self, other) {
            (V::Null, value) | (value, V::Null) => Ok(value),
            (V::Text(left), V::Text(right)) => {
                charge_text(left.len() + right.len());
                Ok(V::Text(Rc::from([&*left, &*right].concat())))
            }
            (V::List(mut left), V::List(right)) => {
                // A list that nobody else holds grows in place, so that a loop that appends is not quadratic.
                let copied = if Rc::strong_count(&left) == 1 { 0 } else { left.values.len() };
                charge((copied + right.values.len()) as u64 + 1);
                let list = Rc::make_mut(&mut left);
                list.values.extend_from_slice(&right.values);
                list.depth = list.depth.max(right.depth);
                Ok(V::List(left))
            }
            (V::Map(mut left), V::Map(right)) => {
                let copied = if Rc::strong_count(&left) == 1 { 0 } else { left.entries.len() };
                charge(2 * (copied + right.entries.len()) as u64 + 1);
                let map = Rc::make_mut(&mut left);
                map.entries.extend(right.entries.iter().map(|(name, value)| (name.clone(), value.clone())));
                map.depth = map.depth.max(right.depth);
                Ok(V::Map(left))
            }
            (left, right) => calculate(&left, &right, i128::checked_add, |a, b| a + b).ok_or_else(|| Error::math(left, Math::Add, right)),
        }
    }
}

impl Sub for V {
    type Output = ValR<V>;
    fn sub(self, other: Self) -> ValR<V> {
        match (self, other) {
            (V::List(left), V::List(right)) => Ok(left.values.iter().filter(|value| !right.values.contains(value)).cloned().collect()),
            (left, right) => calculate(&left, &right, i128::checked_sub, |a, b| a - b).ok_or_else(|| Error::math(left, Math::Sub, right)),
        }
    }
}

impl Mul for V {
    type Output = ValR<V>;
    fn mul(self, other: Self) -> ValR<V> {
        match (self, other) {
            (V::Text(text), times @ V::Number(_)) | (times @ V::Number(_), V::Text(text)) => Ok(repeat(&text, &times)),
            (V::Map(left), V::Map(right)) => Ok(V::Map(merge(&left, &right))),
            (left, right) => calculate(&left, &right, i128::checked_mul, |a, b| a * b).ok_or_else(|| Error::math(left, Math::Mul, right)),
        }
    }
}

fn repeat(text: &str, times: &V) -> V {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // saturates; the charge refuses what is too long
    let times = times.as_decimal().map_or(0, |times| times as usize);
    if times == 0 {
        return V::Null;
    }
    charge_text(text.len().saturating_mul(times));
    charge((times as u64).min(text.len() as u64));
    V::Text(Rc::from(if text.is_empty() { String::new() } else { text.repeat(times) }))
}

fn merge(left: &Map, right: &Map) -> Rc<Map> {
    charge(2 * (left.entries.len() + right.entries.len()) as u64 + 1);
    let mut merged = left.clone();
    for (name, value) in &right.entries {
        let value = match (merged.entries.get(name), value) {
            (Some(V::Map(left)), V::Map(right)) => V::Map(merge(left, right)),
            _ => value.clone(),
        };
        merged.entries.insert(name.clone(), value);
    }
    merged.depth = merged.depth.max(right.depth);
    Rc::new(merged)
}

impl Div for V {
    type Output = ValR<V>;
    fn div(self, other: Self) -> ValR<V> {
        match (self, other) {
            (V::Text(text), V::Text(separator)) => {
                charge_text(text.len());
                Ok(match (text.is_empty(), separator.is_empty()) {
                    (true, _) => V::list(Vec::new()),
                    (_, true) => text.chars().map(|character| V::text(character.encode_utf8(&mut [0; 4]))).collect(),
                    _ => text.split(&*separator).map(V::text).collect(),
                })
            }
            (left, right) => {
                charge(1);
                match (left.as_decimal(), right.as_decimal()) {
                    (Some(a), Some(b)) => Ok(V::decimal(a / b)),
                    _ => Err(Error::math(left, Math::Div, right)),
                }
            }
        }
    }
}

impl Rem for V {
    type Output = ValR<V>;
    fn rem(self, other: Self) -> ValR<V> {
        if other.as_whole() == Some(0) && self.as_whole().is_some() {
            return Err(Error::math(self, Math::Rem, other));
        }
        calculate(&self, &other, i128::checked_rem, |a, b| a % b).ok_or_else(|| Error::math(self, Math::Rem, other))
    }
}

impl Neg for V {
    type Output = ValR<V>;
    fn neg(self) -> ValR<V> {
        charge(1);
        match (self.as_whole(), self.as_decimal()) {
            (Some(whole), _) => Ok(V::whole(-whole)),
            (None, Some(decimal)) => Ok(V::decimal(-decimal)),
            _ => Err(Error::typ(self, "number")),
        }
    }
}
