//! The order of keys in a map.

use std::collections::HashMap;

use super::strings::{Dictionary, NONE};
use crate::value::Attribute;

/// Sorts attribute lists by key: ClickHouse compares, groups and hashes maps in the order they are written in, so
/// equal attributes that came in another order would be another series.
///
/// Lists with the same keys in the same order are sorted once. Keys are known by their numbers in a dictionary.
#[derive(Default)]
pub struct KeyOrder {
    numbers: Vec<u32>,
    shapes: Vec<Shape>,
    by_numbers: HashMap<Box<[u32]>, usize>,
    last: usize,
}

/// Keys as they came, and their positions in the order of their text.
struct Shape {
    numbers: Box<[u32]>,
    positions: Box<[u32]>,
}

/// Shapes that are remembered; senders have few, and those who make a new one each time get no memory for it.
const MOST_SHAPES: usize = 4096;

impl KeyOrder {
    /// The number of each key in `list`, and its position there, in the order of the keys.
    #[inline]
    pub fn sorted(&mut self, list: &[Attribute<'_>], keys: &mut Dictionary) -> impl Iterator<Item = (u32, usize)> {
        self.numbers.clear();
        let mut number = NONE;
        for attribute in list {
            number = keys.number(number, attribute.key.as_bytes());
            self.numbers.push(number);
        }
        if self.shapes.get(self.last).is_none_or(|shape| *shape.numbers != *self.numbers) {
            self.last = self.shape(list);
        }
        let shape = &self.shapes[self.last];
        shape.positions.iter().map(|position| (shape.numbers[*position as usize], *position as usize))
    }

    #[inline(never)]
    fn shape(&mut self, list: &[Attribute<'_>]) -> usize {
        if let Some(found) = self.by_numbers.get(&*self.numbers) {
            return *found;
        }
        if self.shapes.len() == MOST_SHAPES {
            self.shapes.clear();
            self.by_numbers.clear();
        }
        let mut positions: Box<[u32]> = (0..list.len() as u32).collect();
        positions.sort_by_key(|position| list[*position as usize].key);
        let numbers: Box<[u32]> = self.numbers.as_slice().into();
        self.by_numbers.insert(numbers.clone(), self.shapes.len());
        self.shapes.push(Shape { numbers, positions });
        self.shapes.len() - 1
    }
}

#[cfg(test)]
mod tests {
    use super::{Dictionary, KeyOrder, MOST_SHAPES};
    use crate::value::Attribute;

    fn sorted(order: &mut KeyOrder, dictionary: &mut Dictionary, keys: &[&str]) -> Vec<usize> {
        let list: Vec<_> = keys.iter().map(|key| Attribute { key, value: None }).collect();
        order.sorted(&list, dictionary).map(|(_, position)| position).collect()
    }

    #[test]
    fn lists_are_sorted_whatever_came_before_and_equal_keys_stay_in_place() {
        let (mut order, mut dictionary) = (KeyOrder::default(), Dictionary::default());
        for _ in 0..2 {
            assert_eq!(sorted(&mut order, &mut dictionary, &["b", "a", "c", "a"]), [1, 3, 0, 2]);
            assert_eq!(sorted(&mut order, &mut dictionary, &["a", "b"]), [0, 1]);
            assert_eq!(sorted(&mut order, &mut dictionary, &["b", "a"]), [1, 0]);
            assert!(sorted(&mut order, &mut dictionary, &[]).is_empty());
        }
    }

    #[test]
    fn shapes_are_forgotten_when_there_are_too_many() {
        let (mut order, mut dictionary) = (KeyOrder::default(), Dictionary::default());
        for number in 0..=MOST_SHAPES {
            let key = format!("k{number}");
            assert_eq!(sorted(&mut order, &mut dictionary, &[&key, "a"]), [1, 0]);
        }
        assert_eq!(order.shapes.len(), 1);
    }
}
