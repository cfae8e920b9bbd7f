//! A byte radix tree: which of many prefixes does a text begin with?

use std::collections::VecDeque;
use std::ops::Range;

/// Values under prefixes. A look-up visits as many nodes as the text has prefixes that branch, however
/// many prefixes there are.
#[derive(Debug)]
pub(super) struct Prefixes<T> {
    /// The root first, then level by level, so that children lie beside each other. Flat lists rather
    /// than boxes in boxes: nothing recurses, and a step of a look-up touches two or three cache lines.
    nodes: Vec<Node<T>>,
    /// The first byte of each node's edge, at the node's place.
    firsts: Vec<u8>,
    /// The bytes of all edges.
    edges: Vec<u8>,
}

#[derive(Debug)]
struct Node<T> {
    /// Where in `edges` the bytes are that lie between the parent and this node.
    edge: Range<u32>,
    /// Where in `nodes` the children are, sorted by their first bytes.
    children: Range<u32>,
    value: Option<T>,
}

impl<T> Prefixes<T> {
    /// A tree of prefixes, each given once.
    pub(super) fn new(mut entries: Vec<(Box<[u8]>, T)>) -> Prefixes<T> {
        entries.sort_by(|(left, _), (right, _)| left.cmp(right));
        let (keys, values): (Vec<Box<[u8]>>, Vec<T>) = entries.into_iter().unzip();
        let mut values: Vec<Option<T>> = values.into_iter().map(Some).collect();
        let mut tree = Prefixes {
            nodes: Vec::new(),
            firsts: Vec::new(),
            edges: Vec::new(),
        };
        // Nodes that have a place but no contents yet: the keys below each, and how much of them its ancestors hold.
        let mut waiting = VecDeque::from([(0..keys.len(), 0)]);
        while let Some((mut below, held)) = waiting.pop_front() {
            let keys = keys.get(below.clone()).unwrap_or_default();
            // The keys are sorted, so what the first and the last share all share.
            let first = keys.first().and_then(|key| key.get(held..)).unwrap_or_default();
            let last = keys.last().and_then(|key| key.get(held..)).unwrap_or_default();
            let common = first
                .iter()
                .zip(last)
                .take_while(|(left, right)| left == right)
                .count();
            let shared = held + common;
            let edge = tree.edges.len();
            tree.edges.extend(first.iter().take(common));
            tree.firsts.push(first.first().copied().unwrap_or_default());
            let mut value = None;
            if keys.first().is_some_and(|key| key.len() == shared) {
                value = values.get_mut(below.start).and_then(Option::take);
                below.start += 1;
            }
            let first_child = tree.nodes.len() + 1 + waiting.len();
            let longer = keys.get(keys.len() - below.len()..).unwrap_or_default();
            for siblings in longer.chunk_by(|left, right| left.get(shared) == right.get(shared)) {
                let end = below.start + siblings.len();
                waiting.push_back((below.start..end, shared));
                below.start = end;
            }
            let children = place(first_child)..place(tree.nodes.len() + 1 + waiting.len());
            tree.nodes.push(Node {
                edge: place(edge)..place(tree.edges.len()),
                children,
                value,
            });
        }
        tree
    }

    /// Calls `visit` with the value of every prefix of `text`, shortest first.
    pub(super) fn visit<'a>(&'a self, text: &[u8], mut visit: impl FnMut(&'a T)) {
        let mut rest = text;
        let mut next = self.nodes.first();
        while let Some(node) = next {
            let edge = self.edges.get(range(&node.edge)).unwrap_or_default();
            let Some(after) = rest.strip_prefix(edge) else {
                return;
            };
            if let Some(value) = &node.value {
                visit(value);
            }
            rest = after;
            next = rest.first().and_then(|byte| self.child(node, *byte));
        }
    }

    fn child(&self, node: &Node<T>, byte: u8) -> Option<&Node<T>> {
        let children = range(&node.children);
        let place = self.firsts.get(children.clone())?.binary_search(&byte).ok()?;
        self.nodes.get(children.start + place)
    }
}

/// All keys of a table together have fewer bytes than this counts.
fn place(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

fn range(range: &Range<u32>) -> Range<usize> {
    range.start as usize..range.end as usize
}

#[cfg(test)]
mod tests;
